"""Names and values come from files: what in them is not to be seen is made visible."""

from __future__ import annotations

import re

#: Control characters but tab and newline, and those that turn the direction of a text.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with what could hide or turn a part of it written as an escape sequence."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode-escape").decode("ascii"), text)
