"""A machine that talks all the time: ``python -m tests.kernel.chatter ADDRESS...`` sends datagrams, questions to a name
server and calls by TCP to each address, fifty a second, whatever becomes of them.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

QUESTION = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04leak\x07example\0\0\x01\0\x01"


def main() -> None:
    """Until it is ended."""
    print("talking", flush=True)
    while True:
        for host in sys.argv[1:]:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            for kind, port in ((socket.SOCK_DGRAM, 4000), (socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 443)):
                with socket.socket(family, kind) as sock, contextlib.suppress(OSError):
                    sock.setblocking(False)
                    if kind == socket.SOCK_DGRAM:
                        sock.sendto(QUESTION, (host, port))
                    else:
                        sock.connect((host, port))
        time.sleep(0.02)


if __name__ == "__main__":
    main()
