"""Memory for keys: overwritten when nobody needs them any more, so that a later look into the process finds none."""

from __future__ import annotations

import ctypes

#: Where CPython keeps the contents of a bytes object, counted from the object's own address.
_CONTENTS = bytes.__basicsize__ - 1


class Secret(bytearray):
    """Bytes that are overwritten when they are let go. Cut it by memoryview: slices and sums are plain copies."""

    __slots__ = ()

    def __del__(self) -> None:
        self[:] = bytes(len(self))

    def __repr__(self) -> str:
        return f"<Secret of {len(self)} bytes>"

    __str__ = __repr__

    @classmethod
    def taken(cls, data: bytes) -> Secret:
        """The secret that a library has just handed out as bytes, which are overwritten where they lie.

        Only for bytes that nobody else has; shorter ones than two are shared by all of Python, and left alone.
        """
        secret = cls(data)
        if len(data) > 1:
            ctypes.memset(id(data) + _CONTENTS, 0, len(data))
        return secret
