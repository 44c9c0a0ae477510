"""One edit of a state tree. The tree that is edited stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.state import Array, Container, Key, Node, Path, Static, Tree, same_static

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

    AnyArray = np.ndarray[Any, Any]


def edited(tree: Tree, path: Path, change: Callable[[Node], Node]) -> Tree:
    """The tree with another node at a path. Arrays elsewhere are shared, so ties stay."""
    return Tree(_edited(tree.root, path, change))


def _edited(node: Node, path: Path, change: Callable[[Node], Node]) -> Node:
    if not path:
        return change(node)
    assert isinstance(node, Container)
    return Container(
        node.kind,
        tuple(
            (key, _edited(child, path[1:], change) if key == path[0] else child)
            for key, child in node.children
        ),
    )


def with_children(node: Node, children: Iterable[tuple[Key, Node]]) -> Container:
    """The container with other children; those of a sequence are numbered anew."""
    assert isinstance(node, Container)
    pairs = tuple(children)
    if node.kind != "dict":
        pairs = tuple((number, child) for number, (_, child) in enumerate(pairs))
    return Container(node.kind, pairs)


def with_array(tree: Tree, path: Path, change: Callable[[AnyArray], AnyArray]) -> Tree:
    """The tree with another array at a path, and at every path that is tied to it."""
    target = tree.arrays()[path]
    return tree.map_arrays(lambda _, array: change(array) if array is target else array)


def with_arrays(tree: Tree, new: Mapping[Path, AnyArray]) -> Tree:
    """The tree with other arrays at some paths; what is tied to them stays behind."""

    def build(path: Path, node: Node) -> Node:
        if isinstance(node, Container):
            pairs = ((key, build((*path, key), child)) for key, child in node.children)
            return Container(node.kind, tuple(pairs))
        return Array(new[path]) if path in new else node

    return Tree(build((), tree.root))


def containers(tree: Tree) -> dict[Path, Container]:
    return {path: node for path, node in tree.nodes() if isinstance(node, Container)}


def same(left: Tree, right: Tree) -> bool:
    """Whether two trees are alike in structure, order, ties, static values and bits."""
    before, after = list(left.nodes()), list(right.nodes())
    return (
        [path for path, _ in before] == [path for path, _ in after]
        and all(_alike(a, b) for (_, a), (_, b) in zip(before, after, strict=True))
        and left.ties() == right.ties()
    )


def _alike(left: Node, right: Node) -> bool:
    if isinstance(left, Array) and isinstance(right, Array):
        return left.value is right.value or same_bits(left.value, right.value)
    if isinstance(left, Static) and isinstance(right, Static):
        return same_static(left.value, right.value)
    if isinstance(left, Container) and isinstance(right, Container):
        return left.kind == right.kind
    return False
