"""Keras's idiom: a ``from_config`` that pops what is gone and fills in what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.report.idioms.calls import RENAMES, quoted, written
from pytest_ckptcompat.report.idioms.case import Suggestion
from pytest_ckptcompat.report.idioms.edits import Edit, best, indented
from pytest_ckptcompat.state import Path, Static

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.report.idioms.case import Case

#: Where the adapter puts a layer's configuration, and in it the name of a class.
_CONFIG, _CLASS = "config", "class_name"


def suggest(case: Case) -> Suggestion | None:
    """A class method for the layer whose configuration changed the most."""
    failing = [drift for drift in case.drifts if (drift.where, drift.kind.value) in case.fates]
    classes = _classes(case)
    body = best((edit for drift in failing for edit in _edits(drift, classes)), case.fates)
    if body is None:
        return None
    code = (
        "@classmethod",
        "def from_config(cls, config):",
        "    config = dict(config)",
        *indented(body.lines, 1),
        "    return super().from_config(config)",
    )
    owner = classes[body.bases[0]]
    return Suggestion(body.purpose, code, body.handled, len(case.fates), f"the class {owner}")


def _classes(case: Case) -> dict[Path, str]:
    """The names of the classes that are configured somewhere, by the place in the state."""
    found = {}
    for tree in (case.layer, case.golden):
        for path, leaf in (tree.leaves() if tree is not None else {}).items():
            if path and path[-1] == _CLASS and isinstance(leaf, Static):
                found[path[:-1]] = str(leaf.value).rpartition(">")[2].rpartition(":")[2]
    return found


def _edits(drift: Drift, classes: dict[Path, str]) -> Iterator[Edit]:
    base = drift.path[:-1]
    if drift.path[:1] != (_CONFIG,) or base not in classes:
        return
    handles, key = (drift.where, drift.kind.value), quoted(str(drift.path[-1]))
    if drift.kind is Kind.REMOVED:
        line = f"config.pop({key}, None)"
        lossy = not (isinstance(drift.old, Static) and drift.old.value in (None, (), ""))
        yield Edit(base, (line,), handles, "drop what is gone from old configurations", lossy)
    elif drift.kind is Kind.ADDED and isinstance(drift.new, Static):
        value = written(drift.new.value)
        if value is not None:
            line = f"config.setdefault({key}, {value})"
            yield Edit(base, (line,), handles, "give old configurations the default")
    elif drift.kind in RENAMES and drift.current_path[:-1] == base:
        new = quoted(str(drift.current_path[-1]))
        lines = (f"if {key} in config:", f"    config[{new}] = config.pop({key})")
        yield Edit(base, lines, handles, "rename what goes by another name")
