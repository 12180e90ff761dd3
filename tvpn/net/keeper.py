"""The process that keeps a namespace: makes it, sets it up as it is told, runs the one program in it, says how that
ended. It is a fresh interpreter: no key of ours is in here.

Both sides speak over a socket, a JSON object to a datagram. Told: ``inner`` (what the namespace is like), ``begin``,
``signal``. Said: ``device`` with the descriptor, ``failed`` with a sentence, ``ended`` with the status as waitpid has
it. When the other side is gone, the program is ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from tvpn.errors import TvpnError
from tvpn.net.launch import HELD_BACK, first_environment
from tvpn.net.namefiles import NameFiles
from tvpn.net.namespace import Inner, arrange, enter, make_device, message

LONGEST = 65536
GRACE = 2.0
"""Seconds that the program has to end by itself when it is asked to, each time."""
PROFILE = "TVPN_PROFILE"
"""The variable that tells the program which profile it runs in."""


class Keeper:
    """``command``: the program and its arguments; ``profile``: the name it is told."""

    def __init__(self, channel: socket.socket, profile: str, command: Sequence[str]) -> None:
        self._channel = channel
        self._environment = {**first_environment(), PROFILE: profile}
        self._command = command
        self._ids = f"{os.geteuid()}:{os.getegid()}"
        self._in_user_namespace = False
        self._names: NameFiles | None = None
        self._process = 0
        self._ending = -1

    def prepare(self) -> None:
        """The namespace and its device, which is handed out. Raises TvpnError."""
        self._in_user_namespace = enter()
        kind, descriptor = make_device()
        try:
            self._names = NameFiles()
        except OSError as error:
            raise TvpnError(f"tvpn exec cannot give the program files of its own: {error}") from None
        socket.send_fds(self._channel, [message(device=kind)], [descriptor])
        os.close(descriptor)

    def run(self) -> None:
        """Until the program has ended. Raises TvpnError."""
        while True:
            waiting = [self._channel.fileno(), self._ending] if self._process else [self._channel.fileno()]
            ready = select.select(waiting, [], [])[0]
            if self._ending in ready:
                self._say(ended=os.waitpid(self._process, 0)[1])
                self._linger()
                return
            told = self._hear()
            if not told:
                self._end()
                return
            self._do(json.loads(told))

    def _hear(self) -> bytes:
        try:
            return self._channel.recv(LONGEST)
        except ConnectionError:
            return b""

    def _do(self, told: dict[str, Any]) -> None:
        if "inner" in told:
            inner = Inner.decode(told["inner"])
            arrange(inner)
            if self._names is not None:
                self._names.write(inner.servers, inner.domains)
        elif "signal" in told and self._process:
            os.kill(self._process, told["signal"])
        elif "begin" in told:
            self._begin()

    def _begin(self) -> None:
        """The program comes to life by a last step, which gives up what it must not have."""
        ids = self._ids if self._in_user_namespace else "-"
        argv = [sys.executable, "-P", "-m", "tvpn.net.launch", ids, *self._command]
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) | set(HELD_BACK)
        self._process = os.posix_spawn(sys.executable, argv, self._environment, setsigmask=mask)
        self._ending = os.pidfd_open(self._process)

    def _end(self) -> None:
        """Nobody is left who could carry its packets: the program is asked to end; a shell does not heed that, so it is
        hung up on; what is still there then is killed.
        """
        if not self._process:
            return
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            os.kill(self._process, number)
            os.kill(self._process, signal.SIGCONT)
            if select.select([self._ending], [], [], GRACE)[0]:
                break
        os.waitpid(self._process, 0)

    def _say(self, **said: Any) -> None:
        try:
            self._channel.send(message(**said))
        except OSError:
            return

    def _linger(self) -> None:
        """The device stays until whoever reads it has stopped to; and what was said last is lost with a socket that is
        closed while there is something unread in it.
        """
        while self._hear():
            continue

    def fail(self, sentence: str) -> None:
        self._say(failed=sentence)
        self._end()
        self._linger()


def main(argv: Sequence[str]) -> None:
    """``argv``: the socket's descriptor, the profile's name, the program and its arguments."""
    keeper = Keeper(socket.socket(fileno=int(argv[0])), argv[1], argv[2:])
    # They are for the program; whoever ignored them before goes on to.
    for number in HELD_BACK:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    try:
        keeper.prepare()
        keeper.run()
    except TvpnError as error:
        keeper.fail(str(error))
    except Exception as error:
        keeper.fail(f"the keeper of the namespace failed: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
