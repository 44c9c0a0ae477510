"""Structural comparison: how the state tree of one version differs from another's.

Written for Python 3.8, like ``state``: recording compares states in old environments too.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat.state import (
    Array,
    Container,
    Node,
    Path,
    Static,
    Tree,
    format_path,
    same_static,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How alike two names of static fields with one value must be to suggest a rename, from 0 to 1.
NAME_LIKENESS = 0.5

#: With how many names one that is gone is compared at most.
MOST_NAMES = 32

_NUMBER = re.compile(r"\d+")


class Kind(str, enum.Enum):  # StrEnum came with Python 3.11
    """What differs at one path. One place defines each kind: ``diff`` and its helpers below."""

    ADDED = "added"  # the current layer has it, the golden lacks it
    REMOVED = "removed"  # the golden has it, the current layer lacks it
    RENAMED = "renamed"  # removed and added under the same parent, alike in content
    MOVED = "moved"  # the same, under another parent
    RETYPED = "retyped"  # an array of another dtype
    RESHAPED = "reshaped"  # an array of another shape
    RESTRUCTURED = "restructured"  # another kind of container or leaf
    REORDERED = "reordered"  # the same keys in another order
    CHANGED = "value changed"  # a static value differs
    TIED = "tied"  # leaves that were separate arrays are one now
    UNTIED = "untied"  # leaves that were one array are separate now

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]


@dataclass(frozen=True)
class Drift:
    """One difference. ``path`` is the golden's where the golden has it, else the current one's.

    ``old`` and ``new`` are the nodes on both sides, None where there is none; ``new_path`` is
    set for what was renamed or moved.
    """

    kind: Kind
    path: Path
    old: Node | None = None
    new: Node | None = None
    new_path: Path | None = None

    @property
    def where(self) -> str:
        return format_path(self.path) or "(root)"

    @property
    def current_path(self) -> Path:
        """Where to look in the current layer."""
        return self.path if self.new_path is None else self.new_path

    def __str__(self) -> str:
        return f"{self.where}: {self.describe()}"

    def describe(self) -> str:
        """What happened, in words, without the path."""
        old, new = describe(self.old), describe(self.new)
        other = format_path(self.current_path)
        said = {
            Kind.ADDED: f"added; a fresh layer has {new}",
            Kind.REMOVED: f"removed; the golden has {old}",
            Kind.RENAMED: f"renamed to {other}?",
            Kind.MOVED: f"moved to {other}?",
            Kind.TIED: f"tied: one array with {other} now",
            Kind.UNTIED: f"untied: was one array with {other}",
        }
        return said.get(self.kind, f"{self.kind}: {old} -> {new}")


def describe(node: Node | None) -> str:
    """A node in a few words: an array by dtype and shape, a static value by itself."""
    if node is None:
        return "nothing"
    if isinstance(node, Array):
        return f"an array {node}"
    if isinstance(node, Static):
        text = show(node.value)
        return text if len(text) <= 120 else text[:117] + "..."
    keys = ", ".join(str(key) for key, _ in node.children[:8])
    more = ", ..." if len(node.children) > 8 else ""
    return f"a {node.kind} of ({keys}{more})" if node.children else f"an empty {node.kind}"


def diff(old: Tree, new: Tree) -> tuple[Drift, ...]:
    """All differences from ``old`` (a golden's state) to ``new`` (the current layer's).

    Array *values* are not compared: that is the state stage's question.
    """
    drifts = _pair_renames(list(_walk((), old.root, new.root)))
    return (*drifts, *_ties(old, new))


def _walk(path: Path, old: Node, new: Node) -> Iterator[Drift]:
    if isinstance(old, Container) and isinstance(new, Container):
        yield from _walk_containers(path, old, new)
    elif isinstance(old, Array) and isinstance(new, Array):
        if old.dtype != new.dtype:
            yield Drift(Kind.RETYPED, path, old, new)
        if old.shape != new.shape:
            yield Drift(Kind.RESHAPED, path, old, new)
    elif isinstance(old, Static) and isinstance(new, Static):
        if not same_static(old.value, new.value):
            yield Drift(Kind.CHANGED, path, old, new)
    else:
        yield Drift(Kind.RESTRUCTURED, path, old, new)


def _walk_containers(path: Path, old: Container, new: Container) -> Iterator[Drift]:
    if old.kind != new.kind:
        yield Drift(Kind.RESTRUCTURED, path, old, new)
        if "dict" in (old.kind, new.kind):
            return
    before, after = dict(old.children), dict(new.children)
    for key, child in before.items():
        if key in after:
            yield from _walk((*path, key), child, after[key])
        else:
            yield Drift(Kind.REMOVED, (*path, key), child, None)
    for key, child in after.items():
        if key not in before:
            yield Drift(Kind.ADDED, (*path, key), None, child)
    if [key for key in before if key in after] != [key for key in after if key in before]:
        yield Drift(Kind.REORDERED, path, old, new)


def _pair_renames(drifts: list[Drift]) -> tuple[Drift, ...]:
    """Join a removed and an added node of equal signature into a rename, where there is no
    other candidate, or the names single one out."""
    removed = [(d, _signature(d.old)) for d in drifts if d.kind is Kind.REMOVED and d.old]
    rivals = Counter(signature for _, signature in removed)
    candidates: dict[object, list[Drift]] = defaultdict(list)
    for drift in drifts:
        if drift.kind is Kind.ADDED and drift.new is not None:
            candidates[_signature(drift.new)].append(drift)
    partner: dict[Path, Drift] = {}
    taken: set[Path] = set()
    for drift, signature in removed:
        chosen = _closest(drift, candidates[signature], alone=rivals[signature] == 1)
        if chosen is not None:
            candidates[signature].remove(chosen)
            partner[drift.path] = chosen
            taken.add(chosen.path)
    result = []
    for drift in drifts:
        if drift.kind is Kind.REMOVED and drift.path in partner:
            new = partner[drift.path]
            kind = Kind.RENAMED if new.path[:-1] == drift.path[:-1] else Kind.MOVED
            result.append(Drift(kind, drift.path, drift.old, new.new, new.path))
        elif not (drift.kind is Kind.ADDED and drift.path in taken):
            result.append(drift)
    return tuple(result)


def _closest(drift: Drift, alike: list[Drift], *, alone: bool) -> Drift | None:
    if alone and len(alike) == 1 and drift.old is not None and Tree(drift.old).arrays():
        return alike[0]
    name = format_path(drift.path)
    # Names are compared in quadratic time; layers keep their numbers when they are renamed.
    numbers = _NUMBER.findall(name)
    near = [c for c in alike if _NUMBER.findall(format_path(c.path)) == numbers]
    for some in (near[:MOST_NAMES], alike[:MOST_NAMES]):
        matcher = difflib.SequenceMatcher(b=name, autojunk=False)
        likeness = []
        for candidate in some:
            matcher.set_seq1(format_path(candidate.path))
            likeness.append(matcher.ratio())
        if likeness and max(likeness) >= NAME_LIKENESS:
            return some[likeness.index(max(likeness))]
    return None


def _signature(node: Node) -> object:
    """What must be equal for a rename: structure, dtypes and shapes, and static values."""
    if isinstance(node, Array):
        return ("array", node.dtype, node.shape)
    if isinstance(node, Static):
        return ("static", type(node.value).__name__, show(node.value))
    return (node.kind, tuple((key, _signature(child)) for key, child in node.children))


def _ties(old: Tree, new: Tree) -> Iterator[Drift]:
    shared = old.arrays().keys() & new.arrays().keys()
    before, after = (
        {frozenset(path for path in group if path in shared) for group in tree.ties()}
        for tree in (old, new)
    )
    for kind, groups in ((Kind.UNTIED, before - after), (Kind.TIED, after - before)):
        for group in sorted(groups, key=lambda paths: sorted(map(format_path, paths))):
            if len(group) > 1:
                first, *rest = sorted(group, key=format_path)
                yield Drift(kind, first, new_path=rest[0])
