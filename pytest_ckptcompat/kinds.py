"""The kinds of drift, each defined here and nowhere else: its name, its family, what it means.

A name is what ``verdicts`` in the configuration and ``kind`` in the ledger take; so is that of a
family, which stands for its kinds. Which kind a difference is, ``drift`` and ``statics`` find out;
what became of it, ``fates``.

Written for Python 3.8 with the standard library alone: the recorder takes this file into old
environments.
"""

from __future__ import annotations

import enum
import fnmatch
from typing import Dict, Tuple


class Kind(str, enum.Enum):  # StrEnum came with Python 3.11
    """What differs at one path: the name, the family (or none), and what it means."""

    family: str
    meaning: str

    def __new__(cls, name: str, family: str, meaning: str) -> Kind:  # noqa: PYI034  Self is newer
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.family = family
        kind.meaning = meaning
        return kind

    ADDED = "added", "", "the layer has it, the golden lacks it"
    REMOVED = "removed", "", "the golden has it, the layer lacks it"
    RENAMED = "renamed", "", "it goes by another name under the same parent"
    MOVED = "moved", "", "it lies under another parent, with all that is in it"
    WIDENED = "retyped wider", "retyped", "a dtype that holds every value of the old one"
    NARROWED = "retyped narrower", "retyped", "a dtype of which the old one holds every value"
    RETYPED = "retyped otherwise", "retyped", "another dtype, neither wider nor narrower"
    RESHAPED = "reshaped same size", "reshaped", "another shape of as many elements"
    RESIZED = "reshaped other size", "reshaped", "a shape of more or fewer elements"
    SEQUENCE = "restructured sequence", "restructured", "a list became a tuple, or the reverse"
    MAPPING = "restructured mapping", "restructured", "a dict became a sequence, or the reverse"
    LENGTH = "restructured length", "restructured", "a sequence got longer or shorter"
    FILLED = "filled", "restructured", "an array where there was None or False"
    EMPTIED = "emptied", "restructured", "None or False where there was an array"
    REPLACED = "restructured otherwise", "restructured", "another kind of leaf or container"
    REORDERED = "reordered", "", "the same keys in another order, where a loader goes by position"
    VALUE = "value changed", "static changed", "another static value of the same type"
    TYPE = "type changed", "static changed", "a static value of another type and meaning"
    RESPELLED = "respelled", "static changed", "a static value of another type that means the same"
    NAME = "name changed", "static changed", "a function, class or enum member of another name"
    TIED = "tied", "", "arrays that were separate are one"
    UNTIED = "untied", "", "arrays that were one are separate"
    ROLE = "role changed", "", "trainable, frozen or buffer: another of these"
    ARTIFACT = "artifact changed", "", "the library writes another kind of file"

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


#: What else a stage can find, by the stage.
WORDS: Dict[str, Tuple[str, ...]] = {
    "load": ("raised", "hung"),
    "state": ("altered", "not loaded", "undetermined", "unknown"),
    "forward": ("output", "shifted", "not deterministic"),
}
FAMILIES = tuple(dict.fromkeys(kind.family for kind in Kind if kind.family))
#: Every name that a finding, or a family of findings, goes by.
NAMES: Tuple[str, ...] = (
    *(kind.value for kind in Kind),
    *FAMILIES,
    *(word for words in WORDS.values() for word in words),
)


def family(name: str) -> str:
    """The family of a kind by its name; empty where it is of none."""
    try:
        return Kind(name).family  # type: ignore[call-arg]
    except ValueError:
        return ""


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern is about a finding of that name: it may name the family."""
    of = family(name)
    return fnmatch.fnmatchcase(name, pattern) or bool(of and fnmatch.fnmatchcase(of, pattern))


def known(pattern: str) -> bool:
    """Whether a pattern is about any finding that there can be."""
    return any(fnmatch.fnmatchcase(name, pattern) for name in NAMES)
