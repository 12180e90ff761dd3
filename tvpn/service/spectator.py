"""One session of a running server, told packet by packet to whoever asks at the prompt."""

from __future__ import annotations

from tvpn.crypto.tls import narrate
from tvpn.errors import TvpnError
from tvpn.hub.server import ServerHub
from tvpn.plane.verbs import Endpoint
from tvpn.service.terms import ContextHolder
from tvpn.service.transcript import Transcript
from tvpn.session.record import Watch, unwatched


class Spectator:
    """From the first question on OpenSSL tells its steps in all new handshakes, which makes them a little slower."""

    def __init__(self, hub: ServerHub, holder: ContextHolder) -> None:
        self._hub = hub
        self._holder = holder
        self._narrates = False

    def explain(self, address: str = "", client: int | None = None, show_keys: bool = False) -> Transcript:
        """Watch the next session that begins, at this address if one is given; or, by its number, a client that is
        here already: its next key exchange. Look at what is returned again and again. Raises TvpnError.
        """
        transcript = Transcript(is_server=True, show_keys=show_keys)
        if client is None:
            self._await(address, transcript)
        else:
            member = self._hub.roster.get(client)
            if member is None:
                raise TvpnError(f"there is no client {client}; peers lists them")
            member.session.watch = transcript.note
        self._narrate(transcript)
        return transcript

    def _await(self, address: str, transcript: Transcript) -> None:
        def audience(endpoint: Endpoint) -> Watch:
            if address not in ("", endpoint.address[0]):
                return unwatched
            self._hub.audience = lambda endpoint: unwatched
            return transcript.note

        self._hub.audience = audience

    def _narrate(self, transcript: Transcript) -> None:
        if self._narrates:
            return
        context = self._holder.build()
        try:
            narrate(context)
        except ValueError as error:
            transcript.say(str(error))
            return
        self._holder.context = context
        self._narrates = True
