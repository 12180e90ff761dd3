"""A NAT that forgets: ``python -m tests.openvpn.relay PORT HOST SECONDS`` passes datagrams on, every few seconds from
another port of its own.
"""

from __future__ import annotations

import select
import socket
import sys
import time


def main() -> None:
    """Until it is ended; each new port is told on standard output."""
    port, host, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inside.bind(("127.0.0.1", port))
    outside, since, client = _fresh(), time.monotonic(), ("127.0.0.1", 0)
    while True:
        if time.monotonic() - since >= seconds:
            outside.close()
            outside, since = _fresh(), time.monotonic()
        for ready in select.select([inside, outside], [], [], 0.1)[0]:
            datagram, sender = ready.recvfrom(65535)
            if ready is inside:
                client = sender
                outside.sendto(datagram, (host, port))
            else:
                inside.sendto(datagram, client)


def _fresh() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("0.0.0.0", 0))
    print("port", made.getsockname()[1], flush=True)
    return made


if __name__ == "__main__":
    main()
