"""What a step sees of a state."""

from __future__ import annotations

import copy
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Set, Tuple
from urllib.parse import unquote

from .trees import (
    ABSENT,
    Fields,
    Key,
    MigrationError,
    Path,
    PathLike,
    children_of,
    format_path,
    locate,
    mapped,
    rebuilt,
)


class _NoSuchFieldError(MigrationError, KeyError):  # a KeyError for a Mapping's ``in`` and ``get``
    __str__ = ValueError.__str__


class State(Mapping[Any, Any]):
    """What a step sees: a view of one dict in the state, which nothing can change.

    Reading takes a key or a path, and gives a State for a dict and a read-only view for a NumPy
    array. Each of the four methods returns a new State. They say what must hold afterwards:
    where it holds already they change nothing, where it cannot hold they raise MigrationError.
    """

    def __init__(self, fields: Fields, path: Path = (), like: Any = None) -> None:
        self._fields, self._like = fields, like
        #: Where this dict lies in the whole state.
        self.path = path

    @property
    def like(self) -> State:
        """The current layer's fields at this path; empty where it has none."""
        _, found = locate(self._like, self.path)
        return State(found if isinstance(found, dict) else {}, self.path)

    @property
    def surplus(self) -> Set[Key]:
        """The fields here that the current layer lacks."""
        return set(self._fields) - set(self.like._fields)

    @property
    def lacking(self) -> Set[Key]:
        """The current layer's fields that are not here."""
        return set(self.like._fields) - set(self._fields)

    def added(self, path: PathLike, default: Any) -> State:
        """With a copy of ``default`` at ``path``, last in its dict, if there is no such field.

        Dicts on the way there that the layer has are made.
        """
        return self if path in self else self._put(path, copy.deepcopy(default))

    def removed(self, path: PathLike) -> State:
        """Without the field at ``path``, if it was there."""
        if path not in self:
            return self
        return self._edited(path, lambda old, name: {k: old[k] for k in old if k != name})

    def renamed(self, old: PathLike, new: PathLike) -> State:
        """With the field ``old`` called ``new``, in the same place of the order.

        ``new`` may lie in another dict; the field comes last there. Dicts on the way there that
        the layer has are made, and dicts left empty that it lacks are taken out. Raises
        MigrationError if both fields are there, or neither.
        """
        (source, value), (target, taken) = self._locate(old), self._locate(new)
        if value is ABSENT:
            return self if taken is not ABSENT else self[old]  # which raises
        if taken is not ABSENT:
            raise MigrationError(f"{self._show(old)} and {self._show(new)} are both there")
        if source[:-1] != target[:-1]:
            moved = self._put(target, value).removed(source)
            for parent in (source[:depth] for depth in range(len(source) - 1, 0, -1)):
                if self._like is None or self._layer_has(parent) or moved[parent]:
                    break
                moved = moved.removed(parent)
            return moved
        last = target[-1]
        return self._edited(source, lambda f, name: {last if k == name else k: f[k] for k in f})

    def transformed(self, path: PathLike, fn: Callable[[Any], Any]) -> State:
        """With a copy of ``fn(value)`` for the value at ``path``; ``fn`` gets what reading gives.

        Raises MigrationError if there is no such field. An array that was tied to another is a
        separate one afterwards.
        """
        return self._put(path, copy.deepcopy(fn(self[path])))

    def __getitem__(self, path: PathLike) -> Any:
        keys, value = self._locate(path)
        if value is ABSENT:
            raise _NoSuchFieldError(f"there is no {self._show(path)} in {self!r}")
        return _readable(value, (*self.path, *keys), self._like)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self._fields) or "no fields"
        return f"{format_path(self.path)} ({names})"

    def __deepcopy__(self, memo: Dict[int, Any]) -> Fields:
        """Plain Python, which is what a state is made of."""
        return copy.deepcopy(self._fields, memo)

    def _locate(self, path: PathLike) -> Tuple[Path, Any]:
        if isinstance(path, str) and path not in self._fields:
            path = tuple("" if key == "%" else unquote(key) for key in path.split("/"))
        return locate(self._fields, path if isinstance(path, tuple) else (path,))

    def _show(self, path: PathLike) -> str:
        return format_path((*self.path, *self._locate(path)[0]))

    def _put(self, path: PathLike, value: Any) -> State:
        return self._edited(path, lambda fields, name: {**fields, name: value})

    def _layer_has(self, keys: Path) -> bool:
        return isinstance(locate(self._like, (*self.path, *keys))[1], dict)

    def _edited(self, path: PathLike, edit: Callable[[Fields, Key], Fields]) -> State:
        *parents, name = self._locate(path)[0]

        def edited(node: Any, depth: int) -> Any:
            children = children_of(node)
            if depth == len(parents):
                result = edit(children, name)
                if isinstance(node, dict) or result.keys() == children.keys():
                    return rebuilt(node, result)
            elif parents[depth] in children or (
                isinstance(node, dict) and self._layer_has(tuple(parents[: depth + 1]))
            ):
                child = edited(children.get(parents[depth], {}), depth + 1)
                return rebuilt(node, {**children, parents[depth]: child})
            raise MigrationError(f"{self._show(path)} does not lie in a dict of {self!r}")

        return State(edited(self._fields, 0), self.path, self._like)


def fields_of(state: State) -> Fields:
    """What a step made, as plain Python."""
    return state._fields


def _readable(value: Any, path: Path, like: Any) -> Any:
    if isinstance(value, dict):
        return State(value, path, like)
    numpy = sys.modules.get("numpy")  # whoever has an array has imported it
    if numpy is not None and isinstance(value, numpy.ndarray):
        value = value.view()
        value.flags.writeable = False
    return mapped(value, lambda key, child: _readable(child, (*path, key), like))


def has_exactly(names: Iterable[str], state: State) -> bool:
    return state.keys() == set(names)
