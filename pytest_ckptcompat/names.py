"""File names of goldens: one for each recipe's name, valid on every system."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote_to_bytes

#: Bytes that a golden's name has at most, without its ending. Most file systems allow 255 for
#: all of it; the rest is for endings and for the folders of a Windows path.
MAX_LENGTH = 150

GOLDEN_SUFFIX = ".h5"

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
# Windows takes these for devices, whatever stands after a dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*[A-Za-z0-9_%~-]|[A-Za-z0-9_%~-]")
_CUT = "~"
_LONGEST = 240
_HASH = 16


def file_name(recipe: str) -> str:
    """The file name of a recipe, without an ending.

    Everything but ASCII letters, digits, ``_``, ``.`` and ``-`` is percent-encoded as UTF-8, and
    so are a dot at either end and the first letter of a device name of Windows. Names longer
    than ``MAX_LENGTH`` are cut and end in ``~`` and a hash. Upper and lower case stay: names that
    differ in nothing else are refused when they are recorded.
    """
    name = recipe.encode("utf-8", "surrogatepass")
    parts = [chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in name]
    if not parts:
        return "%"
    for place in (0, -1):
        if parts[place] == ".":
            parts[place] = "%2E"
    if _DEVICE.match(recipe):
        parts[0] = f"%{name[0]:02X}"
    whole = "".join(parts)
    if len(whole) <= MAX_LENGTH:
        return whole
    while sum(map(len, parts)) > MAX_LENGTH - _HASH - len(_CUT):
        parts.pop()
    return "".join(parts) + _CUT + hashlib.sha256(name).hexdigest()[:_HASH]


def recipe_name(file: str) -> str | None:
    """The recipe that ``file_name`` made this name of; None if it is cut, or no such name."""
    if _CUT in file:
        return None
    try:
        recipe = unquote_to_bytes("" if file == "%" else file).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return recipe if file_name(recipe) == file else None


def is_plain(file: str) -> bool:
    """Whether a file name stays in its folder, is visible and valid on every system."""
    return (
        len(file) <= _LONGEST and _PLAIN.fullmatch(file) is not None and _DEVICE.match(file) is None
    )
