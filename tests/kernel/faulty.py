"""TCP connections that fail: ``python -m tests.kernel.faulty PORT HOST DEED:BYTES...`` passes them on to HOST, and
does the first deed to the first one after so many bytes from the server, and so on; all further ones it leaves alone.

reset   the connection is reset                 close   it is closed
half    the server's direction is closed        stall   neither direction moves any more
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import threading

PATIENCE = 30.0


def main() -> None:
    """Until it is ended."""
    port, host, deeds = int(sys.argv[1]), sys.argv[2], [deed.split(":") for deed in sys.argv[3:]]
    held = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        print("relaying", flush=True)
        while True:
            near = listener.accept()[0]
            deed, most = deeds.pop(0) if deeds else ("", "0")
            far = socket.create_connection((host, port))
            held.append((near, far))
            threading.Thread(target=relay, args=(near, far, deed, int(most)), daemon=True).start()


def relay(near: socket.socket, far: socket.socket, deed: str, most: int) -> None:
    """Both directions until one end closes, or the deed is done."""
    left = most if deed else 1 << 62
    while left > 0:
        for ready in select.select([near, far], [], [], PATIENCE)[0]:
            data = ready.recv(min(65536, left) if ready is far else 65536)
            if not data:
                near.close()
                far.close()
                return
            (near if ready is far else far).sendall(data)
            left -= len(data) if ready is far else 0
    print("did", deed, most, flush=True)
    if deed == "reset":
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if deed in ("reset", "close"):
        near.close()
        far.close()
    elif deed == "half":
        near.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
