"""Plain Python trees: a container is a dict, a list or a tuple; everything else is a leaf."""

from __future__ import annotations

import copy
import re
from typing import Any, Callable, Dict, List, Tuple, Union
from urllib.parse import quote

Key = Union[str, int]
Path = Tuple[Key, ...]
Fields = Dict[Key, Any]
#: A path as text, ``layers/3/outpad``, or as its keys, ``("layers", 3, "outpad")``.
PathLike = Union[Key, Path]

#: In place of what is not there.
ABSENT = object()


class MigrationError(ValueError):
    """A state cannot be brought to the current version; says what is wrong and where."""


def children_of(node: Any) -> Fields:
    if isinstance(node, (list, tuple)):
        return dict(enumerate(node))
    return dict(node) if isinstance(node, dict) else {}


def rebuilt(node: Any, children: Fields) -> Any:
    """A new container like ``node``, of the same class, with other children."""
    if isinstance(node, dict):
        new = copy.copy(node)  # keeps what a subclass carries
        new.clear()
        new.update(children)
        return new
    return getattr(node, "_make", type(node))(children.values())


def mapped(node: Any, change: Callable[[Key, Any], Any]) -> Any:
    """A new container with each child changed; a leaf as it is."""
    if not isinstance(node, (dict, list, tuple)):
        return node
    return rebuilt(node, {key: change(key, child) for key, child in children_of(node).items()})


def fresh(node: Any) -> Any:
    """The same leaves in new containers."""
    return mapped(node, lambda _, child: fresh(child))


def locate(node: Any, keys: Path) -> Tuple[Path, Any]:
    """What lies at ``keys``, or ABSENT, and the path there in the containers' own keys: in a
    path from text the key 3 is "3"."""
    own: List[Key] = []
    for key in keys:
        children = children_of(node)
        is_number = key not in children and re.fullmatch("0|[1-9][0-9]*", str(key))
        own.append(int(key) if is_number and int(key) in children else key)
        node = children.get(own[-1], ABSENT)
    return tuple(own), node


def is_empty(node: Any) -> bool:
    return isinstance(node, (dict, list, tuple)) and not node


def is_branch(node: Any) -> bool:
    """Whether a node has fields: a dict, or a sequence of more than static values."""
    if isinstance(node, (list, tuple)):
        return any(is_branch(item) or getattr(item, "shape", ()) for item in node)
    return isinstance(node, dict)


def format_path(path: Path) -> str:
    def encoded(key: Key) -> str:
        return re.sub(r"[/%\x00-\x1f\x7f-\x9f]", lambda char: quote(char[0], safe=""), str(key))

    return "/".join(encoded(key) or "%" for key in path) or "the state"
