"""The field tree of a recipe as text, one line a field, and what differs between two of them.

    # dense of mylayers
    /: dict
    weight: float32[2, 3]
    bias: float32[2]
    blocks/: list
    blocks/0: float32[2, 3], tied to weight
    slope = 1.5
    activation = tanh (numpy:tanh)

A colon declares an array or, after a slash, a container; an equals sign gives a static value.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.drift import Drift, describe, diff
from pytest_ckptcompat.fields import field_lines
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.state import (
    Array,
    Container,
    Name,
    Static,
    Tree,
    as_dtype,
    parse_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.state import Key, Node

    Keys = tuple[str, ...]

_LINE = re.compile(r"(?P<path>\S*)(?P<sign>: | = )(?P<rest>.*)")
_ARRAY = re.compile(r"(?P<dtype>\w+|[<>]\w+)\[(?P<shape>[0-9, ]*)\](?:, tied to (?P<tied>\S*))?")
_CONTAINER = re.compile(r"(?P<kind>dict|list|tuple)(?: with integer keys (?P<keys>[0-9 -]+))?")
_SPACE = re.compile(r"\s")
#: What marks a line of the text, by the kind of drift.
_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-"}


class _Shown(str):
    """A static value of which only the text is known; its representation is that text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def text_of(tree: Tree, recipe: str, library: str) -> str:
    """The text of a recipe's field tree. Equal texts mean equal field trees."""
    lines = [f"# {recipe} of {library}"]
    for line, (_, node) in zip(field_lines(tree), tree.nodes(), strict=True):
        path = _spaceless(line["path"])
        if isinstance(node, Container):
            numbers = [str(key) for key, _ in node.children if isinstance(key, int)]
            keyed = node.kind == "dict" and numbers
            more = f" with integer keys {' '.join(numbers)}" if keyed else ""
            lines.append(f"{path}/: {node.kind}{more}")
        elif isinstance(node, Array):
            tied = f", tied to {_spaceless(line['tied'])}" if "tied" in line else ""
            lines.append(f"{path}: {node.dtype}{line['shape']}{tied}")
        else:
            places = [name.text for name in _names(node.value) if ":" in name.text]
            more = f" ({', '.join(places)})" if places else ""
            lines.append(f"{path} = {line['value']}{more}")
    return "\n".join(lines) + "\n"


def _spaceless(path: str) -> str:
    """A formatted path without white space, which would end it; ``parse_path`` understands."""
    return _SPACE.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), path)


def _names(value: Any) -> Iterator[Name]:
    if isinstance(value, Name):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _names(item)


def changes(old: str, new: str) -> list[str]:
    """What differs from one text to another, in words, one line for each field."""
    try:
        drifts = diff(parse(old), parse(new))
    except ValueError:  # edited by hand, or of a dtype that is not known here
        drifts = ()
    same_head = old.partition("\n")[0] == new.partition("\n")[0]
    if drifts and same_head:
        return [f"{_SIGNS.get(d.kind, '~')} {d.where}   {_in_words(d)}" for d in drifts]
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return [f"{line[0]} {line[1:]}" for line in list(lines)[2:] if line[0] in "+-"]


def _in_words(drift: Drift) -> str:
    if drift.kind is Kind.ADDED:
        return f"added; it is {describe(drift.new)}"
    if drift.kind is Kind.REMOVED:
        return f"removed; it was {describe(drift.old)}"
    return drift.describe()


def parse(text: str) -> Tree:
    """The field tree of a text. Its arrays have dtype, shape and ties, but no values; its static
    values are texts.

    Raises ValueError for what ``text_of`` does not write.
    """
    nodes: dict[Keys, Node] = {}
    children: dict[Keys, list[Keys]] = {}
    integers: dict[Keys, set[str]] = {}
    for line in text.removesuffix("\n").split("\n")[1:]:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"not a field: {line!r:.80}")
        is_container = found["sign"] == ": " and found["path"].endswith("/")
        path = parse_path(found["path"].removesuffix("/"))
        if path in nodes or (path and path[:-1] not in children):
            raise ValueError(f"{found['path']} stands there twice, or without what holds it")
        if path:
            children[path[:-1]].append(path)
        if is_container:
            nodes[path], integers[path] = _container(found["rest"])
            children[path] = []
        elif found["sign"] == " = ":
            nodes[path] = Static(_Shown(found["rest"]))
        else:
            nodes[path] = _array(found["rest"], nodes)
    if () not in nodes:
        raise ValueError("there is no root")
    return Tree(_joined((), nodes, children, integers))


def _container(rest: str) -> tuple[Container, set[str]]:
    found = _CONTAINER.fullmatch(rest)
    if found is None:
        raise ValueError(f"not a container: {rest!r:.80}")
    return Container(found["kind"], ()), set((found["keys"] or "").split())


def _array(rest: str, nodes: dict[Keys, Node]) -> Array:
    found = _ARRAY.fullmatch(rest)
    if found is None:
        raise ValueError(f"not an array: {rest!r:.80}")
    if found["tied"] is not None:
        other = nodes.get(parse_path(found["tied"]))
        if not isinstance(other, Array):
            raise ValueError(f"tied to what is no array: {rest!r:.80}")
        return other
    shape = tuple(int(length) for length in found["shape"].split(", ") if length)
    # Strides of 0: the values take no memory.
    return Array(np.broadcast_to(np.zeros((), as_dtype(found["dtype"])), shape))


def _joined(
    path: Keys,
    nodes: dict[Keys, Node],
    children: dict[Keys, list[Keys]],
    integers: dict[Keys, set[str]],
) -> Node:
    node = nodes[path]
    if not isinstance(node, Container):
        return node
    pairs: list[tuple[Key, Node]] = []
    for number, inner in enumerate(children[path]):
        key: Key = inner[-1]
        if node.kind != "dict":
            key = number
        elif key in integers[path]:
            key = int(key)
        pairs.append((key, _joined(inner, nodes, children, integers)))
    return Container(node.kind, tuple(pairs))
