"""Bounded reading of little-endian bytes, and the errors of the reader."""

from __future__ import annotations

from pytest_ckptcompat.formats import FormatError

UNDEFINED = 2**64 - 1


def damaged(what: str, at: int) -> FormatError:
    return FormatError(
        f"{what} (byte {at}). The file is damaged or incomplete: fetch it again, or save it again"
    )


def unsupported(what: str, at: int) -> FormatError:
    return FormatError(
        f"{what} (byte {at}) is not something this reader knows. Save plain data instead, "
        f"uncompressed, with JLD2: numbers, strings, arrays, tuples, NamedTuples, such as "
        f"Flux.state(model)"
    )


def too_large(what: str, at: int) -> FormatError:
    return FormatError(f"{what} (byte {at}): more than this reader takes from one file")


class Cursor:
    """Takes bytes from ``view`` one after the other, never beyond its end."""

    __slots__ = ("at", "end", "view", "what")

    def __init__(self, view: memoryview, at: int, what: str) -> None:
        self.view = view
        self.at = at
        self.end = len(view)
        self.what = what

    @property
    def left(self) -> int:
        return self.end - self.at

    def take(self, size: int) -> memoryview:
        start, stop = self.at, self.at + size
        if stop > self.end:
            raise damaged(f"the {self.what} is cut short", start)
        self.at = stop
        return self.view[start:stop]

    def uint(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def found(self, signature: bytes) -> bool:
        """Whether the next bytes are these."""
        return bytes(self.take(len(signature))) == signature

    def part(self, size: int, what: str) -> Cursor:
        """A cursor over the next ``size`` bytes alone, which this one skips."""
        start = self.at
        self.take(size)
        return Cursor(self.view[: self.at], start, what)

    def text(self, size: int) -> str:
        start = self.at
        return utf8(self.take(size), self.what, start)

    def string(self) -> str:
        """Text up to the next NUL, which is skipped."""
        start = self.at
        for block in range(start, self.end, 256):
            size = bytes(self.view[block : block + 256]).find(b"\0")
            if size >= 0:
                text = self.text(block + size - start)
                self.take(1)
                return text
        raise damaged(f"the {self.what} has no end", start)


def utf8(data: memoryview, what: str, at: int) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise damaged(f"the {what} is not UTF-8", at) from None
