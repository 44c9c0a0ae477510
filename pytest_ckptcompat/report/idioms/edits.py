"""Suggestions that are a method of one class, with a few statements for each drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.state import Path, format_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_ckptcompat.report.idioms.case import Fates

#: How many lines the statements may have.
MAX_LINES = 4


@dataclass(frozen=True)
class Edit:
    """Statements that handle one drift, in the class of what lies at ``base``.

    ``lossy``: what is dropped counts as lost all the same. ``rename`` is an old and a new name,
    where that is all there is to say.
    """

    base: Path
    lines: tuple[str, ...]
    handles: tuple[str, str]
    purpose: str
    lossy: bool = False
    rename: tuple[str, str] | None = None


@dataclass(frozen=True)
class Body:
    """The statements for one class, and where that is used."""

    bases: tuple[Path, ...]
    edits: tuple[Edit, ...]

    @property
    def _mine(self) -> list[Edit]:
        return [edit for edit in self.edits if edit.base == self.bases[0]]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line for edit in self._mine for line in edit.lines)

    @property
    def renames(self) -> dict[str, str]:
        return dict(edit.rename for edit in self._mine if edit.rename is not None)

    @property
    def handled(self) -> int:
        return len({edit.handles for edit in self.edits})

    @property
    def purpose(self) -> str:
        purposes = list(dict.fromkeys(edit.purpose for edit in self.edits))
        said = " and ".join(purposes) if len(purposes) < 3 else "bring old states to today's fields"
        return f"{said}, then acknowledge it" if any(edit.lossy for edit in self.edits) else said


def best(edits: Iterable[Edit], fates: Fates) -> Body | None:
    """The class in which the most drifts can be handled. Parts of a layer that need the same
    statements are of one class.

    Dropping what the loader drops already is no help.
    """
    by_base: dict[Path, list[Edit]] = {}
    for edit in edits:
        if edit.lossy and fates[edit.handles] is not Fate.BROKEN:
            continue
        kept = by_base.setdefault(edit.base, [])
        if sum(len(one.lines) for one in (*kept, edit)) <= MAX_LINES:
            kept.append(edit)
    classes: dict[tuple[str, ...], Body] = {}
    for base, mine in by_base.items():
        lines = tuple(line for edit in mine for line in (*edit.lines, *(edit.rename or ())))
        known = classes.get(lines, Body((), ()))
        classes[lines] = Body((*known.bases, base), (*known.edits, *mine))
    return max(classes.values(), key=lambda body: body.handled, default=None)


def named(bases: Sequence[Path], separator: str = "/") -> str:
    """A few places by their paths; empty for the whole."""
    shown = [format_path(base).replace("/", separator) for base in bases[:3] if base]
    return ", ".join(shown) + (", ..." if len(bases) > 3 else "")


def indented(lines: Iterable[str], depth: int) -> tuple[str, ...]:
    return tuple("    " * depth + line for line in lines)
