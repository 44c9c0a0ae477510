"""Static values of a state: what one is, how it is shown, compared, and kept as JSON.

Written for Python 3.8 with NumPy alone, like ``state``, which gives most of this to others.
"""

from __future__ import annotations

import enum
import functools
import importlib
import types
from dataclasses import dataclass
from typing import Any, Callable, Dict, Tuple

import numpy as np

#: Bounds on a decoded tree, so that a hostile golden can't exhaust the stack or the memory.
MAX_DEPTH = 200


class StateError(ValueError):
    """A value that a golden cannot keep, or an encoded tree that cannot be understood."""


@dataclass(frozen=True)
class Name:
    """A function, class, enum member, dtype or symbol, kept by its name.

    ``kind`` is one of ``function``, ``type``, ``enum``, ``dtype``, ``symbol``, ``object``;
    ``text`` is ``module:qualified.name`` where the thing lives in a module. An ``object`` is
    one whose type alone is known.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text.rpartition(":")[2] if self.kind != "object" else f"<{self.text}>"


def show(value: Any) -> str:
    """A static value as people read it."""
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, np.generic):
        return f"{value.dtype}({value})"
    if isinstance(value, tuple):
        inner = ", ".join(show(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return "[" + ", ".join(show(item) for item in value) + "]"
    return repr(value)


def same_static(left: Any, right: Any) -> bool:
    """Equal in type and value; NaN equals NaN, 1 is not True, -0.0 is not 0.0."""
    # By repr, since True == 1 in what JSON has of them.
    return repr(encode_static(left)) == repr(encode_static(right))


def named(value: Any) -> Any:
    """A static value with everything that has no literal form replaced by its name."""
    if isinstance(value, enum.Enum):
        return Name("enum", f"{type(value).__module__}:{type(value).__qualname__}.{value.name}")
    if value is None or isinstance(value, (bool, Name)):
        return value
    if isinstance(value, np.generic) and value.dtype.names is None and value.dtype.kind not in "SU":
        return value
    literals: Tuple[Any, ...] = (int, float, complex, str, bytes)
    for literal in literals:
        if isinstance(value, literal):
            return literal(value)
    if isinstance(value, tuple):
        return tuple(named(item) for item in value)
    if isinstance(value, list):
        return [named(item) for item in value]
    if isinstance(value, np.dtype):
        return Name("dtype", str(value))
    if isinstance(value, type):
        return Name("type", f"{value.__module__}:{value.__qualname__}")
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
        return Name(
            "function", f"{_module_of(value)}:{getattr(value, '__qualname__', value.__name__)}"
        )
    if isinstance(value, functools.partial):
        return Name("object", "functools:partial")
    return Name("object", f"{type(value).__module__}:{type(value).__qualname__}")


def _module_of(function: Any) -> str:
    if isinstance(function, np.ufunc):
        return "numpy"
    return str(getattr(function, "__module__", None) or "builtins")


def restored(value: Any) -> Any:
    """A static value with functions, types and enum members looked up by name again.

    Only in modules that are already imported or importable by that very name, and only if
    what is found there goes by the same name; else the ``Name`` stays.
    """
    if isinstance(value, tuple):
        return tuple(restored(item) for item in value)
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, Name):
        return value
    if value.kind == "dtype":
        try:
            return np.dtype(value.text)
        except TypeError:
            return value
    if value.kind in ("function", "type", "enum"):
        module, _, qualname = value.text.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError, ValueError):
            return value
        return found if named(found) == value else value
    return value


def encode_static(value: Any) -> Any:
    if isinstance(value, np.generic):
        return {"scalar": [str(value.dtype), value.tobytes().hex()], "shown": str(value)}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else {"int": str(value)}
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, complex):
        return {"complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Name):
        return {value.kind: value.text}
    if isinstance(value, tuple):
        return {"tuple": [encode_static(item) for item in value]}
    if isinstance(value, list):
        return [encode_static(item) for item in value]
    raise StateError(f"not a static value: {value!r:.80}")


_NAME_KINDS = ("function", "type", "enum", "dtype", "symbol", "object")


def decode_static(data: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise StateError("a static value is nested too deeply")
    if data is None or isinstance(data, (bool, int, str)):
        return data
    if isinstance(data, list):
        return [decode_static(item, depth + 1) for item in data]
    if isinstance(data, dict):
        try:
            return _decode_typed(data, depth)
        except (TypeError, ValueError, KeyError) as error:
            raise StateError(f"not a static value: {data!r:.80} ({error})") from error
    raise StateError(f"not a static value: {data!r:.80}")


def _decode_typed(data: Dict[str, Any], depth: int) -> Any:
    kind, content = next(iter(data.items()))
    if kind in _NAME_KINDS and isinstance(content, str):
        return Name(kind, content)
    if kind == "scalar":
        scalar = np.frombuffer(bytes.fromhex(content[1]), dtype=as_dtype(content[0]))
        if scalar.size != 1:
            raise ValueError("not one scalar")
        return scalar[0]
    decoders: Dict[str, Callable[[Any], Any]] = {
        "int": int,
        "float": float,
        "complex": lambda parts: complex(float(parts[0]), float(parts[1])),
        "bytes": bytes.fromhex,
        "tuple": lambda items: tuple(decode_static(item, depth + 1) for item in items),
    }
    return decoders[kind](content)


def as_dtype(name: str) -> np.dtype[Any]:
    """The dtype of that name; those that NumPy lacks (bfloat16, float8_*, int4) come from
    ml_dtypes. Raises StateError, with what to install, for one that is not to be had."""
    try:
        dtype = np.dtype(name)
    except TypeError:
        try:
            extra = importlib.import_module("ml_dtypes")
        except ImportError:
            raise StateError(f"dtype {name} needs ml_dtypes: pip install ml_dtypes") from None
        if not hasattr(extra, name):
            raise StateError(f"unknown dtype {name!r}") from None
        dtype = np.dtype(getattr(extra, name))
    if dtype.hasobject or dtype.names is not None:
        raise StateError(f"dtype {name} is not one of numbers")
    return dtype
