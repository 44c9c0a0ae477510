"""The field tree of a state as lines, made to be read in a diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.state import Array, Container, format_path, show

if TYPE_CHECKING:
    from pytest_ckptcompat.state import Path, Tree


def field_lines(tree: Tree) -> list[dict[str, Any]]:
    """One JSON object for each node of the tree, containers before what they hold.

    Each has ``path`` and ``kind``: ``dict``, ``list`` or ``tuple``; ``array`` with ``dtype``,
    ``shape`` and, where it is one with an earlier leaf, ``tied`` to that one's path; ``static``
    with ``value`` as people read it.
    """
    seen: dict[int, Path] = {}
    lines: list[dict[str, Any]] = []
    for path, node in tree.nodes():
        line: dict[str, Any] = {"path": format_path(path)}
        if isinstance(node, Container):
            line["kind"] = node.kind
        elif isinstance(node, Array):
            line |= {"kind": "array", "dtype": node.dtype, "shape": list(node.shape)}
            first = seen.setdefault(id(node.value), path)
            if first != path:
                line["tied"] = format_path(first)
        else:
            line |= {"kind": "static", "value": show(node.value)}
        lines.append(line)
    return lines
