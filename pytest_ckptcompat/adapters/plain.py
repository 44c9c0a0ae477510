"""The adapter of plain NumPy libraries: any object, or a library's own functions.

Self-contained: Python 3.8, standard library and NumPy only.
"""

from __future__ import annotations

import copy
import random
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

_LITERALS = (type(None), bool, int, float, complex, str, bytes, np.generic, np.ndarray, np.dtype)
_MISSING = object()


class PlainAdapter:
    """Reads and restores the fields of plain objects.

    The state of a layer is, in this order: what the configured ``state`` function gives; what its
    ``state_dict()`` gives; its fields (``__dict__``, which is what pickle and ``vars`` save, and
    slots), objects within it likewise. It is restored by the configured ``load`` function; by
    ``load_state_dict``; else as pickle does, by giving the object exactly the saved fields.
    """

    routes: Tuple[str, ...] = ("state",)

    def __init__(
        self,
        state: Optional[Callable[[Any], Any]] = None,
        load: Optional[Callable[[Any, Any], Any]] = None,
        forward: Optional[Callable[..., Any]] = None,
        inference: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        self._state = state
        self._load = load
        self._forward = forward
        self._inference = inference

    def carries_statics(self, route: str) -> bool:  # noqa: ARG002  there is one route
        return True

    def suffix(self, route: str) -> Optional[str]:  # noqa: ARG002
        return None

    def seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  what the libraries' own global draws use

    def prepare(self, layer: Any) -> Any:
        if self._inference is not None:
            prepared = self._inference(layer)
            return layer if prepared is None else prepared
        if callable(getattr(layer, "eval", None)):
            layer.eval()
        return layer

    def state(self, layer: Any) -> Any:
        if self._state is not None:
            return self._state(layer)
        if callable(getattr(layer, "state_dict", None)):
            return layer.state_dict()
        return _fields_of(layer, ())

    def load(self, layer: Any, state: Any, route: str) -> Any:  # noqa: ARG002
        if self._load is not None:
            loaded = self._load(layer, state)
        elif callable(getattr(layer, "load_state_dict", None)):
            # Some loaders return a report of the keys that they could not place.
            layer.load_state_dict(state)
            loaded = None
        else:
            loaded = _with_fields(layer, state, {id(layer): (layer, layer)})
        return layer if loaded is None else loaded

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        if callable(call):
            outputs = call(layer, *args, **kwargs)
        elif call is not None:
            outputs = getattr(layer, call)(*args, **kwargs)
        elif self._forward is not None:
            outputs = self._forward(layer, *args, **kwargs)
        else:
            outputs = layer(*args, **kwargs)
        return _fields_of(outputs, ())

    def double(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        return self.forward(_doubled(copy.deepcopy(layer), {}), args, kwargs, call)


def _doubled(value: Any, done: Dict[int, Any]) -> Any:
    """The value with its single-precision arrays in double; objects within it are changed."""
    if id(value) in done:
        return done[id(value)][1]
    done[id(value)] = (value, value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc":
        new: Any = value.astype(np.complex128 if value.dtype.kind == "c" else np.float64)
        done[id(value)] = (value, new)
        return new
    if isinstance(value, dict):
        for key, item in list(value.items()):
            value[key] = _doubled(item, done)
    elif isinstance(value, list):
        value[:] = [_doubled(item, done) for item in value]
    elif isinstance(value, tuple):
        items = [_doubled(item, done) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    elif _is_object(value):
        for name in _field_names(value):
            object.__setattr__(value, name, _doubled(getattr(value, name), done))
    return value


def _fields_of(value: Any, above: Tuple[int, ...]) -> Any:
    """The value with every object replaced by the dict of its fields."""
    if id(value) in above:
        raise ValueError(f"the {type(value).__qualname__} contains itself; give state= and load=")
    inner = (*above, id(value))
    if isinstance(value, dict):
        return {key: _fields_of(item, inner) for key, item in value.items()}
    if isinstance(value, list):
        return [_fields_of(item, inner) for item in value]
    if isinstance(value, tuple):
        return tuple(_fields_of(item, inner) for item in value)
    if not _is_object(value):
        return value
    return {name: _fields_of(getattr(value, name), inner) for name in _field_names(value)}


def _is_object(value: Any) -> bool:
    if isinstance(value, (*_LITERALS, type, dict, list, tuple)):
        return False
    return _own_fields(value)


def _own_fields(value: Any) -> bool:
    module = type(value).__module__
    if module in ("builtins", "enum", "functools", "types") or hasattr(value, "__members__"):
        return False
    # A ufunc has attributes of its own from NumPy 2.2 on.
    if module.partition(".")[0] == "numpy":
        return False
    if any(base.__module__ == "enum" for base in type(value).__mro__):
        return False
    return hasattr(value, "__dict__") or bool(_slots(value))


def _slots(value: Any) -> List[str]:
    names: List[str] = []
    for base in reversed(type(value).__mro__):
        own = base.__dict__.get("__slots__", ())
        names.extend(_mangled(name, base) for name in ([own] if isinstance(own, str) else own))
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _mangled(name: str, owner: type) -> str:
    """What a class makes of the name of a private slot."""
    private = name.startswith("__") and not name.endswith("__")
    return f"_{owner.__name__.lstrip('_')}{name}" if private else name


def _field_names(value: Any) -> List[str]:
    names = [name for name in _slots(value) if hasattr(value, name)]
    return names + [name for name in getattr(value, "__dict__", {}) if name not in names]


def _with_fields(value: Any, saved: Any, done: Dict[int, Tuple[Any, Any]]) -> Any:
    """The value with the saved fields, as pickle restores them.

    The layer itself is changed; objects within it are replaced by copies, since others may share
    them (a default of the library's). ``done`` holds what was replaced, by its id, and the copy.
    """
    if _is_object(value) and isinstance(saved, dict):
        old: Dict[str, Any] = {name: getattr(value, name) for name in _field_names(value)}
        _, target = done.setdefault(id(value), (value, copy.copy(value)))
        for name in _field_names(target):
            if name not in saved:
                object.__delattr__(target, name)
        for name, item in saved.items():
            object.__setattr__(target, name, _with_fields(old.get(name, _MISSING), item, done))
        return target
    if isinstance(value, dict) and isinstance(saved, dict):
        items = {key: _with_fields(value.get(key, _MISSING), saved[key], done) for key in saved}
        if type(value) is dict:
            return items
        own = copy.copy(value)
        own.clear()
        own.update(items)
        return own
    if isinstance(value, (list, tuple)) and isinstance(saved, (list, tuple)):
        olds = [*value, *[_MISSING] * len(saved)]
        restored = [_with_fields(old, item, done) for old, item in zip(olds, saved)]
        if isinstance(value, tuple) and isinstance(saved, tuple) and hasattr(value, "_make"):
            return value._make(restored)
        return type(saved)(restored)
    return saved
