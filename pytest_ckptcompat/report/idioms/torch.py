"""PyTorch's idioms: ``_load_from_state_dict`` with ``_version``, and ``__setstate__``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.report.idioms.calls import RENAMES, quoted, refines, written
from pytest_ckptcompat.report.idioms.case import Suggestion
from pytest_ckptcompat.report.idioms.edits import Body, Edit, best, indented, named
from pytest_ckptcompat.state import Array, Container, Path, Static, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.drift import Drift
    from pytest_ckptcompat.report.idioms.case import Case
    from pytest_ckptcompat.state import Node


#: How wide the statements may be.
WIDTH = 86


def suggest(case: Case) -> Suggestion | None:
    """A method for the class of a module: for a ``state_dict``, or for a pickled module."""
    failing = [
        drift
        for drift in case.drifts
        if (drift.where, drift.kind.value) in case.fates
        and (case.holds_statics or _arrays(drift.old) or _arrays(drift.new))
    ]
    edit = _attribute if case.holds_statics else _entry
    edits = [one for drift in failing for one in edit(drift)]
    # What is gone may have come back by another name, which a person is to find.
    gained = {drift.path[:-1] for drift in failing if drift.kind is Kind.ADDED}
    edits = [one for one in edits if not (one.lossy and one.base in gained)]
    body = best(edits, case.fates)
    if body is None:
        return None
    code = _setstate(body) if case.holds_statics else _load_from(body, case)
    where = named(body.bases, ".")
    place = f"the class of {where}" if where else "the module's class"
    return Suggestion(body.purpose, code, body.handled, len(failing), place)


def _load_from(body: Body, case: Case) -> tuple[str, ...]:
    base = body.bases[0]
    saved, today = _version(case.golden, base), _version(case.layer, base)
    version = today if today > saved else saved + 1
    return (
        f"_version = {version}",
        "",
        "def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):",
        f'    if local_metadata.get("version", 1) < {version}:',
        *indented(_statements(body), 2),
        "    super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)",
    )


def _version(tree: Tree | None, base: Path) -> int:
    """The number of a module's layout, which is 1 where its class does not say."""
    leaf = tree.leaves().get((*base, "_version")) if tree is not None else None
    return leaf.value if isinstance(leaf, Static) and isinstance(leaf.value, int) else 1


def _setstate(body: Body) -> tuple[str, ...]:
    return (
        "def __setstate__(self, state):",
        *indented(body.lines, 1),
        "    super().__setstate__(state)",
    )


# What a state_dict has


def _entry(drift: Drift) -> Iterator[Edit]:
    """Edits of a ``state_dict``, for arrays alone: it has no static values."""
    handles = (drift.where, drift.kind.value)
    base, name = drift.path[:-1], drift.path[-1:]
    added = drift.kind in (Kind.ADDED, Kind.FILLED)
    inner = _arrays(drift.new if added else drift.old)
    keys = [quoted(_dotted((*name, *path))) for path in inner]
    if drift.kind in RENAMES and inner:
        yield _renamed(drift)
    elif added and inner:
        lines = (f"state_dict.setdefault(prefix + {k}, self.state_dict()[{k}])" for k in keys)
        yield Edit(base, tuple(lines), handles, "give old states what the module has")
    elif drift.kind in (Kind.REMOVED, Kind.EMPTIED) and inner:
        lines = (f"state_dict.pop(prefix + {k}, None)" for k in keys)
        yield Edit(base, tuple(lines), handles, "drop what is gone", lossy=True)
    elif drift.kind is Kind.RESHAPED and refines(drift.old, drift.new):
        key = quoted(_dotted(name))
        line = (
            f"state_dict[prefix + {key}] = state_dict[prefix + {key}].reshape(self.{name[0]}.shape)"
        )
        yield Edit(base, (line,), handles, "reshape to today's shape")


def _renamed(drift: Drift) -> Edit:
    old, new = drift.path, drift.current_path
    shared = 0
    while shared < min(len(old), len(new)) - 1 and old[shared] == new[shared]:
        shared += 1
    names = _dotted(old[shared:]), _dotted(new[shared:])
    handles = (drift.where, drift.kind.value)
    return Edit(old[:shared], (), handles, "rename what goes by another name", rename=names)


def _statements(body: Body) -> tuple[str, ...]:
    """Renames come first: what is dropped or filled in goes by today's names."""
    if not body.renames:
        return body.lines
    pairs = [f"({quoted(old)},\0{quoted(new)})" for old, new in body.renames.items()]
    heads = [f"for old, new in [{', '.join(pairs)}]:"]
    if len(heads[0]) > WIDTH:
        filled = textwrap.wrap(", ".join(pairs) + ",", WIDTH - 4, break_on_hyphens=False)
        heads = ["for old, new in [", *(f"    {line}" for line in filled), "]:"]
    heads = [line.replace("\0", " ") for line in heads]
    return (
        *heads,
        '    for key in [k for k in state_dict if f"{k}.".startswith(f"{prefix}{old}.")]:',
        "        state_dict[prefix + new + key[len(prefix + old) :]] = state_dict.pop(key)",
        *body.lines,
    )


def _arrays(node: Node | None) -> list[Path]:
    if not isinstance(node, (Array, Container)):
        return []
    return list(Tree(node).arrays())


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


# What a pickled module has


def _attribute(drift: Drift) -> Iterator[Edit]:
    """Edits of a pickled module's attributes, for statics that it lacks or calls otherwise."""
    handles = (drift.where, drift.kind.value)
    base, name = drift.path[:-1], quoted(str(drift.path[-1])) if drift.path else ""
    if drift.kind is Kind.ADDED and isinstance(drift.new, Static):
        value = written(drift.new.value)
        if value is not None:
            line = f"state.setdefault({name}, {value})"
            yield Edit(base, (line,), handles, "give old modules the default")
    elif drift.kind is Kind.RENAMED and isinstance(drift.old, Static):
        new = quoted(str(drift.current_path[-1]))
        lines = (f"if {name} in state:", f"    state[{new}] = state.pop({name})")
        yield Edit(base, lines, handles, "rename what goes by another name")
