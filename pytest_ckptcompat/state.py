"""The state tree: what a layer saves, as an ordered tree of arrays and static values.

A state is given as plain Python: dicts, lists and tuples of NumPy arrays and static values.
``Tree.of`` takes it apart, ``Tree.plain`` puts it together again, and ``encode``/``decode``
turn it into JSON plus named arrays, which is how a golden keeps it.

Written for Python 3.8 with NumPy alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple, Union
from urllib.parse import quote, unquote

import numpy as np

from pytest_ckptcompat.values import (
    MAX_DEPTH,
    Name,
    StateError,
    as_dtype,
    decode_static,
    encode_static,
    named,
    restored,
    same_static,
    show,
)

__all__ = [
    "MAX_DEPTH",
    "Array",
    "Arrays",
    "Container",
    "Key",
    "Leaf",
    "Name",
    "Node",
    "Path",
    "StateError",
    "Static",
    "Tree",
    "as_dtype",
    "decode",
    "encode",
    "format_path",
    "parse_path",
    "same_static",
    "show",
]

Key = Union[str, int]
Path = Tuple[Key, ...]
Arrays = Dict[str, "np.ndarray[Any, Any]"]

_RESERVED = {".": "%2E", "..": "%2E%2E", "": "%"}


@dataclass(frozen=True)
class Array:
    """A leaf that is an array. Two leaves that share one array are tied."""

    value: np.ndarray[Any, Any]

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)

    @property
    def shape(self) -> Tuple[int, ...]:
        return tuple(self.value.shape)

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Static:
    """A leaf that is a static value: None, bool, int, float, complex, str, bytes, a NumPy
    scalar, a ``Name``, or a tuple or list of these."""

    value: Any

    def __str__(self) -> str:
        return show(self.value)


@dataclass(frozen=True)
class Container:
    """An inner node. ``kind`` is ``dict``, ``list`` or ``tuple``; sequences have keys 0, 1, …"""

    kind: str
    children: Tuple[Tuple[Key, Node], ...]


Leaf = Union[Array, Static]
Node = Union[Container, Array, Static]


@dataclass(frozen=True)
class Tree:
    root: Node

    @classmethod
    def of(cls, value: Any) -> Tree:
        """Take plain Python apart.

        Raises StateError, with the path, for a value that a golden cannot keep (an object
        array, a reference cycle).
        """
        return cls(_take_apart(value, (), ()))

    def plain(self) -> Any:
        """The tree as plain Python; arrays are copied, tied ones into one shared copy.

        Functions, types and enum members that can still be found by name are restored.
        """
        copies: Dict[int, np.ndarray[Any, Any]] = {}

        def build(node: Node) -> Any:
            if isinstance(node, Container):
                if node.kind == "dict":
                    return {key: build(child) for key, child in node.children}
                items = [build(child) for _, child in node.children]
                return tuple(items) if node.kind == "tuple" else items
            if isinstance(node, Array):
                if id(node.value) not in copies:
                    copies[id(node.value)] = _own(node.value)
                return copies[id(node.value)]
            return restored(node.value)

        return build(self.root)

    def nodes(self) -> Iterator[Tuple[Path, Node]]:
        """Every node with its path, containers before their children, in order."""
        todo: List[Tuple[Path, Node]] = [((), self.root)]
        while todo:
            path, node = todo.pop()
            yield path, node
            if isinstance(node, Container):
                todo.extend(((*path, key), child) for key, child in reversed(node.children))

    def leaves(self) -> Dict[Path, Leaf]:
        return {path: node for path, node in self.nodes() if not isinstance(node, Container)}

    def arrays(self) -> Dict[Path, np.ndarray[Any, Any]]:
        return {path: leaf.value for path, leaf in self.leaves().items() if isinstance(leaf, Array)}

    def ties(self) -> Tuple[Tuple[Path, ...], ...]:
        """Groups of two or more paths whose leaves are one array."""
        groups: Dict[int, List[Path]] = {}
        for path, array in self.arrays().items():
            groups.setdefault(id(array), []).append(path)
        return tuple(tuple(paths) for paths in groups.values() if len(paths) > 1)

    def map_arrays(
        self, change: Callable[[Path, np.ndarray[Any, Any]], np.ndarray[Any, Any]]
    ) -> Tree:
        """The same tree with each array changed once; tied leaves stay tied.

        ``change`` gets the first path of a tied array.
        """
        done: Dict[int, np.ndarray[Any, Any]] = {}

        def build(path: Path, node: Node) -> Node:
            if isinstance(node, Container):
                children = tuple((key, build((*path, key), child)) for key, child in node.children)
                return Container(node.kind, children)
            if isinstance(node, Array):
                if id(node.value) not in done:
                    done[id(node.value)] = change(path, node.value)
                return Array(done[id(node.value)])
            return node

        return Tree(build((), self.root))


def _own(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy that may be written to. Of an array that lies in a file, only what is written to
    takes memory."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return array.copy()
    place: Any = {"offset": array.offset, "shape": array.shape}
    return np.memmap(array.filename, array.dtype, "c", **place).view(np.ndarray)


def format_path(path: Path) -> str:
    """A path as people write it: keys joined by ``/``.

    ``/``, ``%`` and control characters in a key are percent-encoded; an empty key is ``%``.
    """
    return "/".join(_quoted(str(key)) for key in path)


def parse_path(text: str) -> Tuple[str, ...]:
    """The keys of a formatted path, all as strings. The inverse of ``format_path``."""
    if not text:
        return ()
    return tuple("" if part == "%" else unquote(part) for part in text.split("/"))


def _quoted(key: str) -> str:
    if key in _RESERVED:
        return _RESERVED[key]
    return "".join(
        quote(char, safe="") if char in "/%" or ord(char) < 32 or 0x7F <= ord(char) < 0xA0 else char
        for char in key.encode("utf-8", "backslashreplace").decode("utf-8")
    )


def _take_apart(value: Any, path: Path, above: Tuple[int, ...]) -> Node:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject or value.dtype.names is not None or value.dtype.kind in "USV":
            _check_named_dtype(value, path)
        return Array(value)
    if isinstance(value, (dict, list, tuple)) and not _is_static(value):
        if id(value) in above or len(above) >= MAX_DEPTH:
            raise StateError(f"{format_path(path) or 'the state'} contains itself")
        above = (*above, id(value))
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, (str, int)) or isinstance(key, bool):
                    raise StateError(
                        f"{format_path(path) or 'the state'} has the key {key!r}: "
                        f"keys are strings or integers"
                    )
            pairs: List[Tuple[Key, Any]] = list(value.items())
            kind = "dict"
        else:
            pairs = list(enumerate(value))
            kind = "tuple" if isinstance(value, tuple) else "list"
        children = tuple((key, _take_apart(item, (*path, key), above)) for key, item in pairs)
        return Container(kind, children)
    return Static(named(value))


def _check_named_dtype(array: np.ndarray[Any, Any], path: Path) -> None:
    # bfloat16 and its kin are of kind V as well, but have a scalar type of their own.
    if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.type is not np.void:
        return
    raise StateError(
        f"{format_path(path) or 'the state'} is an array of dtype {array.dtype}: "
        f"a golden keeps numbers and booleans"
    )


def _is_static(value: Any, depth: int = 0) -> bool:
    """Whether a sequence holds nothing but static values, at any depth."""
    if isinstance(value, (list, tuple)):
        return depth < MAX_DEPTH and all(_is_static(item, depth + 1) for item in value)
    return not isinstance(value, (dict, np.ndarray))


# JSON. Literals stand for themselves where JSON has them; everything else is an object with
# one key, its type. Arrays are named; a name met twice is a tied leaf.


def encode(tree: Tree, prefix: str = "") -> Tuple[Any, Arrays]:
    """The tree as JSON-able data, and its arrays by unique name under ``prefix``.

    No name is a part of another's path, so that they can be places in a tree of groups.
    """
    arrays: Arrays = {}
    names: Dict[int, str] = {}
    groups: Set[str] = set()

    def place(path: Path) -> str:
        name = prefix + (format_path(path) or "%")
        # Keys 1 and "1" are written alike. No formatted path has %%.
        if name in arrays or name in groups or any(part in arrays for part in _outer(name)):
            name = f"{prefix}%%{len(arrays)}"
        groups.update(_outer(name))
        return name

    def build(path: Path, node: Node) -> Any:
        if isinstance(node, Container):
            if node.kind == "dict":
                return {"dict": [[key, build((*path, key), child)] for key, child in node.children]}
            return {node.kind: [build((*path, key), child) for key, child in node.children]}
        if isinstance(node, Array):
            if id(node.value) not in names:
                names[id(node.value)] = place(path)
                arrays[names[id(node.value)]] = node.value
            return {"array": names[id(node.value)]}
        return {"static": encode_static(node.value)}

    return build((), tree.root), arrays


def _outer(name: str) -> List[str]:
    """What stands before each slash of a name."""
    parts = name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def decode(data: Any, fetch: Callable[[str], np.ndarray[Any, Any]]) -> Tree:
    """The tree that ``encode`` made. ``fetch`` gives the array of a name; it is asked once.

    Raises StateError for data that is not an encoded tree.
    """
    fetched: Arrays = {}

    def build(item: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise StateError("the tree is nested too deeply")
        kind, content = _single(item)
        if kind == "array" and isinstance(content, str):
            if content not in fetched:
                fetched[content] = fetch(content)
            return Array(fetched[content])
        if kind == "static":
            return Static(decode_static(content, depth))
        if kind == "dict" and isinstance(content, list):
            children = []
            for pair in content:
                if not (isinstance(pair, list) and len(pair) == 2 and _is_key(pair[0])):
                    raise StateError(f"not a key and a node: {pair!r:.80}")
                children.append((pair[0], build(pair[1], depth + 1)))
            if len({key for key, _ in children}) != len(children):
                raise StateError("a dict has a key twice")
            return Container("dict", tuple(children))
        if kind in ("list", "tuple") and isinstance(content, list):
            return Container(
                kind, tuple((i, build(child, depth + 1)) for i, child in enumerate(content))
            )
        raise StateError(f"not a node: {item!r:.80}")

    return Tree(build(data, 0))


def _is_key(key: Any) -> bool:
    return isinstance(key, (str, int)) and not isinstance(key, bool)


def _single(item: Any) -> Tuple[str, Any]:
    if not isinstance(item, dict) or len(item) != 1:
        raise StateError(f"not a node: {item!r:.80}")
    return next(iter(item.items()))
