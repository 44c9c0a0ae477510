"""Plain JSON brought back into the dataclasses that it was written from."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


class ShapeError(Exception):
    """JSON that is not what the dataclass says; the sentence says where."""


def build(cls: type[T], data: Any) -> T:
    """An instance of a dataclass from plain JSON, as ``dataclasses.asdict`` wrote it.

    Fields may be numbers, texts, enumerations, dataclasses, mappings of these by text, tuples of
    one type, and unions. Raises ShapeError.
    """
    return typing.cast("T", _dataclass(cls, data, ""))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ShapeError(f"{where or 'it'} is {data!r:.60}, not an object")
    hints = _hints(cls)
    values = {}
    for one in dataclasses.fields(cls):
        path = f"{where}.{one.name}" if where else one.name
        if one.name in data:
            values[one.name] = _value(hints[one.name], data[one.name], path)
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise ShapeError(f"{path} is missing")
    return cls(**values)


def _value(hint: Any, data: Any, where: str) -> Any:
    if hint is Any:
        return data
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _one_of(arguments, data, where)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise ShapeError(f"{where} is {data!r:.60}, not a list")
        return tuple(_value(arguments[0], one, f"{where}[{at}]") for at, one in enumerate(data))
    if origin is Mapping:
        if not isinstance(data, dict):
            raise ShapeError(f"{where} is {data!r:.60}, not an object")
        return {key: _value(arguments[1], one, f"{where}.{key}") for key, one in data.items()}
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, where)
    return _scalar(hint, data, where)


def _one_of(hints: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in hints:
        return None
    wrong = None
    for hint in hints:
        if hint is not type(None):
            try:
                return _value(hint, data, where)
            except ShapeError as error:
                wrong = error
    raise wrong or ShapeError(f"{where} is {data!r:.60}")


def _scalar(hint: Any, data: Any, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in hint)
            raise ShapeError(f"{where} is {data!r:.60}: it is one of {known}") from None
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return data
    if not isinstance(data, hint) or (isinstance(data, bool) and hint is not bool):
        raise ShapeError(f"{where} is {data!r:.60}, not {hint.__name__}")
    return data
