"""A checkpoint file of any known format: its variables, and the state among them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.formats import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The module of this package that reads files of an ending.
READERS = {
    ".jld2": "jld2",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".pt": "pytorch",
    ".pth": "pytorch",
}
#: How names of arrays are joined in formats of flat names, by the reader.
SEPARATORS = {"safetensors": ".", "pytorch": "."}


def is_known(path: Path) -> bool:
    return path.suffix.lower() in READERS


def read(path: Path) -> dict[str, Any]:
    """The variables of a file. Raises FormatError."""
    if not path.is_file():
        raise FormatError(f"{path} does not exist")
    if not is_known(path):
        raise FormatError(
            f"{path} is of no format that is known here; known: {', '.join(sorted(READERS))}"
        )
    name = READERS[path.suffix.lower()]
    reader = importlib.import_module(f"pytest_ckptcompat.formats.{name}")
    values: dict[str, Any] = reader.read(path)
    return values


def read_state(path: Path, key: str | None = None, separator: str | None = None) -> Any:
    """The state in a file: the variable ``key``, or the only one of a JLD2 file, or all of them.

    ``separator`` joins names of arrays (``.`` by default in files of PyTorch and safetensors,
    ``""`` for none): what stands between becomes a level of the tree. Raises FormatError.
    """
    values = read(path)
    name = READERS[path.suffix.lower()]
    if key is not None:
        if key not in values:
            raise FormatError(f"{path} has no {key!r}, only {', '.join(list(values)[:12])}")
        values = values[key]
    elif name == "jld2":
        if len(values) != 1:
            raise FormatError(
                f"{path} holds {', '.join(values) or 'nothing'}: expected one variable, the "
                f"state; name it with --key"
            )
        values = next(iter(values.values()))
    joint = SEPARATORS.get(name, "") if separator is None else separator
    return nested(values, joint, path) if joint and isinstance(values, dict) else values


def nested(values: Mapping[str, Any], separator: str, path: Path) -> dict[str, Any]:
    """A dict of dicts in place of joined names. Raises FormatError where one is part of another."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(separator)
        node: Any = tree
        for part in above:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or last in node:
            raise FormatError(
                f"{path}: {name} cannot be nested at {separator!r}, since a part of it is a name "
                f"itself: give --separator ''"
            )
        node[last] = value
    return tree
