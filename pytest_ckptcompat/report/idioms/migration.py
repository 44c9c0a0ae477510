"""The idiom of libraries with migrations: steps to paste."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ckptcompat.report.idioms.calls import quoted
from pytest_ckptcompat.report.idioms.case import Suggestion
from pytest_ckptcompat.report.idioms.changes import changes
from pytest_ckptcompat.state import format_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ckptcompat.report.idioms.calls import Change
    from pytest_ckptcompat.report.idioms.case import Case
    from pytest_ckptcompat.state import Path

#: How many changes a suggestion makes at most, in how many lines if it has several steps, and
#: how wide these are.
MAX_CHANGES = 4
MAX_LINES = 10
WIDTH = 94


@dataclass(frozen=True)
class _Step:
    """The changes in dicts that are alike, however many there are of them."""

    bases: tuple[Path, ...]
    changes: tuple[Change, ...]


def suggest(case: Case) -> Suggestion | None:
    """Steps of a migration for the drifts that fail; None where none can help.

    A step runs wherever it meets the like of the state and the layer, since a layer may sit at
    any depth of a user's model. Changes in one kind of dict are one step.
    """
    made: list[Change] = []
    lines: list[str] = []
    names: set[str] = set()
    for step in _joined(_alike(changes(case.drifts, case.fates))):
        some = _ordered(step.changes)[: MAX_CHANGES - len(made)]
        code = _code(some, case.since, names) if some else []
        if some and (not lines or len(lines) + len(code) < MAX_LINES):
            lines += [*([""] if lines else []), *code]
            made += some
    if not made:
        return None
    handled = frozenset[tuple[str, str]]().union(*(change.handles for change in made))
    return Suggestion(
        _purpose(made), tuple(lines), len(handled & case.fates.keys()), len(case.fates)
    )


def _purpose(made: Sequence[Change]) -> str:
    purposes = list(dict.fromkeys(change.purpose for change in made if change.purpose))
    said = " and ".join(purposes) if len(purposes) < 3 else "bring old states to today's fields"
    return f"{said}, then acknowledge it" if any(c.lossy for c in made) else said


# Which changes make a step


def _alike(found: Sequence[Change]) -> list[_Step]:
    """A step for each set of changes, with all dicts that need them."""
    by_base: dict[Path, list[Change]] = {}
    for change in found:
        by_base.setdefault(change.base, []).append(change)
    steps: dict[tuple[object, ...], _Step] = {}
    for base, mine in by_base.items():
        key = tuple((c.call, c.old, c.new, c.gone, c.come, c.tests) for c in mine)
        known = steps.get(key, _Step((), tuple(mine)))
        together = tuple(
            replace(one, handles=one.handles | other.handles)
            for one, other in zip(known.changes, mine, strict=True)
        )
        steps[key] = _Step((*known.bases, base), together)
    return list(steps.values())


def _joined(steps: list[_Step]) -> list[_Step]:
    """The steps with those for a part of a layer, a cell say, put into the whole layer's."""
    for outer in steps:
        for inner in steps:
            suffix = _suffix(outer.bases, inner.bases)
            if suffix and len(outer.changes) + len(inner.changes) <= MAX_CHANGES:
                parts = (change.within(suffix) for change in inner.changes)
                both = _Step(outer.bases, (*outer.changes, *parts))
                rest = [step for step in steps if step is not inner]
                return _joined([both if step is outer else step for step in rest])
    return steps


def _suffix(outer: tuple[Path, ...], inner: tuple[Path, ...]) -> Path:
    """The names that lead from each outer dict to an inner one, if they are always the same."""
    if len(outer) != len(inner):
        return ()
    pairs = list(zip(outer, inner, strict=True))
    ways = {below[len(base) :] for base, below in pairs}
    starts = all(below[: len(base)] == base for base, below in pairs)
    way = ways.pop()
    return way if starts and not ways and all(isinstance(key, str) for key in way) else ()


def _ordered(found: Sequence[Change]) -> list[Change]:
    """The changes in an order in which each finds what it needs.

    Renames that wait for each other are left out.
    """
    todo = [change for change in found if change.verb in ("rename", "move")]
    renames: list[Change] = []
    while free := [c for c in todo if all(c.new != other.old for other in todo if other is not c)]:
        renames.append(free[0])
        todo.remove(free[0])
    added = [change for change in found if change.verb == "add"]
    removed = [change for change in found if change.verb == "remove"]
    others = [c for c in found if c.verb not in ("rename", "move", "add", "remove")]
    return [*renames, *added, *others, *removed]


# The code of a step


def _code(made: Sequence[Change], since: str, names: set[str]) -> list[str]:
    where = _where(made)
    lines = [f'@migrations.step("{since}", where=lambda s: {" and ".join(where)})']
    if len(lines[0]) > WIDTH:
        # A condition is never broken, and a line begins with its "and".
        unbroken = " and\0".join(part.replace(" ", "\0") for part in where)
        said = textwrap.wrap(
            f"where=lambda\0s:\0{unbroken}",
            WIDTH - 4,
            break_long_words=False,
            break_on_hyphens=False,
        )
        inside = [f'"{since}",', *(line.replace("\0", " ") for line in said)]
        lines = ["@migrations.step(", *(f"    {line}" for line in inside)]
        lines[-1] += ","
        lines.append(")")
    calls = [c.call.format(old=_quoted(c.old), new=_quoted(c.new)) for c in made]
    lines.append(f"def {_name(made, names)}(state):")
    chain = f"    return state.{'.'.join(calls)}"
    if len(calls) < 3 and len(chain) <= WIDTH:
        return [*lines, chain]
    *first, last = calls
    return [*lines, *(f"    state = state.{call}" for call in first), f"    return state.{last}"]


def _where(made: Sequence[Change]) -> list[str]:
    """The conditions by which a step finds its dicts, in the state and in the layer."""
    gone = list(dict.fromkeys(path for change in made for path in change.gone))
    come = list(dict.fromkeys(path for change in made for path in change.come))
    tests = [
        test.format(old=_quoted(change.old), new=_quoted(change.new))
        for change in made
        for test in change.tests
    ]
    found = []
    for paths, name in ((gone, "surplus"), (come, "lacking")):
        fields = [quoted(str(path[0])) for path in paths if len(path) == 1]
        if len(fields) == 1:
            found.append(f"{fields[0]} in s.{name}")
        elif fields:
            found.append(f"{{{', '.join(fields)}}} <= s.{name}")
    removed = {path for change in made if change.verb == "remove" for path in change.gone}
    for path in gone:
        if len(path) > 1:
            found.append(f"{_quoted(path)} in s")
            found += [f"{_quoted(path)} not in s.like"] if path in removed else []
    for path in {path[:-1]: path for path in reversed(come)}.values():
        if len(path) > 1:
            found += [f"{_quoted(path)} in s.like", f"{_quoted(path)} not in s"]
    return list(dict.fromkeys([*found, *tests]))


def _name(made: Sequence[Change], names: set[str]) -> str:
    """A function's name that tells what it does, and that no other step of these has."""
    verbs = {change.verb for change in made}
    verb = verbs.pop() if len(verbs) == 1 else "update"
    parts = [verb, *(_field(change) for change in made[: 1 if verb == "update" else 2])]
    name = re.sub(r"\W+", "_", "_".join(parts))
    if not name.isidentifier():
        name = re.sub(r"[^0-9A-Za-z_]+", "_", name)
    number = 2
    unique = name
    while unique in names:
        unique, number = f"{name}_{number}", number + 1
    names.add(unique)
    return unique


def _field(change: Change) -> str:
    """The last name of a path, with what numbers follow it."""
    last = max(at for at, key in enumerate(change.old) if isinstance(key, str))
    return "_".join(map(str, change.old[last:]))


def _quoted(path: Path) -> str:
    return quoted(format_path(path))
