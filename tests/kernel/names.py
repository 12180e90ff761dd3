"""A name server for a test: ``python -m tests.kernel.names NAME=ADDRESS,... NAME= ...`` knows these names in both
families, never answers for one without addresses, and says of all others that they do not exist.
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import ip_address

A, AAAA, NO_SUCH_NAME = 1, 28, 3


def answer(question: bytes, names: dict[str, list[str]]) -> bytes | None:
    """The response to one query (RFC 1035), None for silence."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    kind = int.from_bytes(question[at + 1 : at + 3], "big")
    known = names.get(".".join(labels).lower())
    if known == []:
        return None
    packed = [ip_address(each).packed for each in known or ()]
    chosen = [each for each in packed if len(each) == {A: 4, AAAA: 16}.get(kind)]
    flags = 0x8180 | (NO_SUCH_NAME if known is None else 0)
    head = question[:2] + struct.pack("!5H", flags, 1, len(chosen), 0, 0) + question[12 : at + 5]
    return head + b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(each)) + each for each in chosen)


def main() -> None:
    """Until it is ended."""
    names = {name: [each for each in found.split(",") if each] for name, _, found in
             (word.partition("=") for word in sys.argv[1:])}  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 53))
        print("answering", flush=True)
        while True:
            question, asker = sock.recvfrom(4096)
            said = answer(question, names)
            if said is not None:
                sock.sendto(said, asker)


if __name__ == "__main__":
    main()
