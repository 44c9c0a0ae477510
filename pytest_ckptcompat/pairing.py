"""Which part of one tree is which of another: by equal values first, then by form and name.

Written for Python 3.8, like ``state``.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.bits import digest_bits
from pytest_ckptcompat.state import Array, Container, Node, Path, Static, Tree, format_path, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Nodes = Mapping[Path, Node]

#: How alike two names of static fields with one value must be to suggest a rename, from 0 to 1.
NAME_LIKENESS = 0.5
#: With how many names one that is gone is compared at most.
MOST_NAMES = 32
_NUMBER = re.compile(r"\d+")


def pairs(removed: Nodes, added: Nodes, digests: Mapping[Path, str]) -> dict[Path, Path]:
    """The new paths of what was renamed or moved, by the old ones: of whole subtrees where all
    of one went together.

    ``removed`` and ``added`` are the subtrees that one side has and the other lacks. ``digests``
    are those of arrays on the new side, where their values tell something: of a layer that the
    old state was loaded into, or of what every fresh layer has.
    """
    found: dict[Path, Path] = {}
    for find in (_by_values, _by_form, _within):
        old, new = left(removed, found.keys()), left(added, found.values())
        if not old or not new:
            break
        found.update(find(old, new, digests))
    return found


def shifted(old: Tree, new: Tree, digests: Mapping[Path, str]) -> dict[Path, Path]:
    """The new paths of arrays that made room for others, by paths that both sides have.

    A part that is put before others moves each of them on: to the place of the next, and the last
    to a place that the old side lacks. Arrays that changed places among themselves did not move:
    they were mixed up.
    """
    known = old.arrays()
    if not digests.keys() - known.keys():
        return {}
    wanted: dict[str, list[Path]] = defaultdict(list)
    for path, array in known.items():
        if path in digests and _tells(Array(array)):
            wanted[digest_bits(array)].append(path)
    places: dict[str, list[Path]] = defaultdict(list)
    for path, bits in digests.items():
        places[bits].append(path)
    went = {
        olds[0]: places[bits][0]
        for bits, olds in wanted.items()
        if len(olds) == len(places[bits]) == 1 and olds[0] != places[bits][0]
    }

    def ends(path: Path) -> bool:
        seen: set[Path] = set()
        while path in went and path not in seen:
            seen.add(path)
            path = went[path]
        return path not in known

    single = {path: place for path, place in went.items() if ends(path)}
    there = {path for path, _ in new.nodes()}
    return dict(_grown((), old.root, single, there)) if single else {}


def left(roots: Nodes, taken: Iterable[Path]) -> dict[Path, Node]:
    """The subtrees, as large as can be, that hold nothing of what is taken."""
    gone = set(taken)
    around = {path[:depth] for path in gone for depth in range(len(path))}
    found: dict[Path, Node] = {}

    def visit(path: Path, node: Node) -> None:
        if path in around and isinstance(node, Container):
            for key, child in node.children:
                visit((*path, key), child)
        elif path not in gone:
            found[path] = node

    for path, node in roots.items():
        visit(path, node)
    return found


# By values


def _by_values(removed: Nodes, added: Nodes, digests: Mapping[Path, str]) -> dict[Path, Path]:
    """Pairs of arrays that have the same bits and no rival, joined to subtrees."""
    wanted: dict[str, list[Path]] = defaultdict(list)
    for path, leaf in _leaves(removed):
        if isinstance(leaf, Array) and digests and _tells(leaf):
            wanted[digest_bits(leaf.value)].append(path)
    places: dict[str, list[Path]] = defaultdict(list)
    for path, leaf in _leaves(added):
        if isinstance(leaf, Array) and digests.get(path) in wanted:
            places[digests[path]].append(path)
    single = {
        olds[0]: places[bits][0]
        for bits, olds in wanted.items()
        if len(olds) == len(places[bits]) == 1
    }
    there = {path for root, node in added.items() for path in _paths(root, node)}
    found: dict[Path, Path] = {}
    for root, node in removed.items():
        found.update(_grown(root, node, single, there))
    return {**found, **_statics(left(removed, found), left(added, found.values()))}


def _grown(
    path: Path, node: Node, single: Mapping[Path, Path], there: set[Path]
) -> Iterator[tuple[Path, Path]]:
    """The largest subtrees of which every array went to the same place."""
    arrays = [inner for inner, leaf in Tree(node).leaves().items() if isinstance(leaf, Array)]
    targets = {_base(single.get((*path, *inner)), inner) for inner in arrays}
    target = targets.pop() if len(targets) == 1 else None
    if target is not None and target in there:
        yield path, target
    elif isinstance(node, Container):
        for key, child in node.children:
            yield from _grown((*path, key), child, single, there)


def _base(target: Path | None, inner: Path) -> Path | None:
    """Where a subtree went of which the part ``inner`` went to ``target``."""
    if target is None or target[len(target) - len(inner) :] != inner:
        return None
    return target[: len(target) - len(inner)]


def _tells(leaf: Array) -> bool:
    """Whether another array is hardly equal to this one by chance."""
    flat = leaf.value.reshape(-1)
    if not flat.size:
        return False
    first = flat[0]
    return bool((flat != first).any()) or first not in (0, 1, -1)


def _statics(removed: Nodes, added: Nodes) -> dict[Path, Path]:
    """Static values of one dict that have another name and a telling value, without rival."""
    sides: dict[tuple[Path, str], tuple[list[Path], list[Path]]] = {}
    for side, nodes in enumerate((removed, added)):
        for path, node in nodes.items():
            if isinstance(node, Static) and _telling(node.value):
                key = (path[:-1], f"{type(node.value).__name__} {show(node.value)}")
                sides.setdefault(key, ([], []))[side].append(path)
    return {old[0]: new[0] for old, new in sides.values() if len(old) == len(new) == 1}


def _telling(value: Any) -> bool:
    if hasattr(value, "dtype"):  # a NumPy scalar, which compares with () as an array would
        value = value.item()
    if value is None or isinstance(value, bool):
        return False
    return value not in (0, 1, -1, "", (), [], b"")


# By form and name


def _by_form(removed: Nodes, added: Nodes, _: object) -> dict[Path, Path]:
    """Pairs of the same form, where there is no other candidate, or the names single one out."""
    forms = {path: _form(node) for path, node in removed.items()}
    rivals = Counter(forms.values())
    candidates: dict[object, list[Path]] = defaultdict(list)
    for path, node in added.items():
        candidates[_form(node)].append(path)
    found: dict[Path, Path] = {}
    for path, form in forms.items():
        alone = rivals[form] == len(candidates[form]) == 1 and _has_arrays(removed[path])
        chosen = candidates[form][0] if alone else _closest(path, candidates[form])
        if chosen is not None:
            candidates[form].remove(chosen)
            found[path] = chosen
    return found


def _closest(path: Path, alike: list[Path]) -> Path | None:
    name = format_path(path)
    # Names are compared in quadratic time; layers keep their numbers when they are renamed.
    numbers = _NUMBER.findall(name)
    near = [other for other in alike if _NUMBER.findall(format_path(other)) == numbers]
    for some in (near[:MOST_NAMES], alike[:MOST_NAMES]):
        matcher = difflib.SequenceMatcher(b=name, autojunk=False)
        likeness = []
        for candidate in some:
            matcher.set_seq1(format_path(candidate))
            likeness.append(matcher.ratio())
        if likeness and max(likeness) >= NAME_LIKENESS:
            return some[likeness.index(max(likeness))]
    return None


def _within(removed: Nodes, added: Nodes, _: object) -> dict[Path, Path]:
    """Pairs at different depths: what got a container around it, or lost it.

    Their form occurs once on each side; or once together with their name.
    """
    found: dict[Path, Path] = {}
    for named in (False, True):
        sides = [
            _places(left(nodes, taken), named=named)
            for nodes, taken in ((removed, found.keys()), (added, found.values()))
        ]
        for form, olds in sides[0].items():
            news = sides[1].get(form, [])
            single = len(olds) == len(news) == 1
            if single and not any(
                _inside(olds[0], o) or _inside(news[0], n) for o, n in found.items()
            ):
                found[olds[0]] = news[0]
    return {**found, **_in_order(left(removed, found), left(added, found.values()))}


def _in_order(removed: Nodes, added: Nodes) -> dict[Path, Path]:
    """Pairs of several parts of one form under one parent, as many as have come there: query,
    key and value, say, which have other names now. A guess that a golden's outputs can refute."""
    news = _places(added, named=False)
    found: dict[Path, Path] = {}
    for form, olds in _places(removed, named=False).items():
        by_parent: dict[Path, list[Path]] = defaultdict(list)
        for path in olds:
            by_parent[path[:-1]].append(path)
        for parent, mine in by_parent.items():
            there = [path for path in news.get(form, ()) if _inside(path, parent)]
            free = not any(_inside(p, old) for p in mine for old in found)
            if free and len(mine) == len(there):
                found.update(zip(mine, there))
    return found


def _inside(path: Path, outer: Path) -> bool:
    return path[: len(outer)] == outer


def _places(roots: Nodes, *, named: bool) -> dict[object, list[Path]]:
    """The paths of all nodes with arrays by form, outer ones first."""
    found: dict[object, list[Path]] = defaultdict(list)
    for root, node in roots.items():
        for path, inner in Tree(node).nodes():
            if _has_arrays(inner):
                whole = (*root, *path)
                found[(_form(inner), whole[-1]) if named else _form(inner)].append(whole)
    return found


def _form(node: Node) -> object:
    """What must be equal for a rename: structure, dtypes and shapes, and static values."""
    if isinstance(node, Array):
        return ("array", node.dtype, node.shape)
    if isinstance(node, Static):
        return ("static", type(node.value).__name__, show(node.value))
    return (node.kind, tuple((key, _form(child)) for key, child in node.children))


def _has_arrays(node: Node) -> bool:
    return any(isinstance(leaf, Array) for leaf in Tree(node).leaves().values())


def _leaves(roots: Nodes) -> Iterator[tuple[Path, Node]]:
    for root, node in roots.items():
        for path, leaf in Tree(node).leaves().items():
            yield (*root, *path), leaf


def _paths(root: Path, node: Node) -> Iterator[Path]:
    return ((*root, *path) for path, _ in Tree(node).nodes())
