"""Why an explanation has ended."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from tvpn.service.explanation import Explanation
from tvpn.service.transcript import Transcript


def event(level: Any, text: str) -> dict[str, Any]:
    return {"log_level": level, "log_format": "{text}", "text": text}


class ReasonTests(SynchronousTestCase):
    def test_given_up(self) -> None:
        """What the client says last, before our own goodbye, is the reason: that nobody answers a question, say."""
        explanation = Explanation(MemoryReactorClock(), Transcript(), None, None, 60)
        explanation.log(event(LogLevel.info, "connecting"))
        self.assertEqual(explanation.reason, "stopped before the server had let us in")
        explanation.log(event(LogLevel.critical, "'Password' is asked, and nobody answers"))
        explanation.end(False)
        explanation.log(event(LogLevel.critical, "gave up: left"))
        self.assertEqual(explanation.reason, "'Password' is asked, and nobody answers")
