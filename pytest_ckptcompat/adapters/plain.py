"""The adapter of plain NumPy libraries: any object, or a library's own functions.

Self-contained: Python 3.8, standard library and NumPy only.
"""

from __future__ import annotations

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
            loaded = _with_fields(layer, state)
        return layer if loaded is None else loaded

    def forward(self, layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any], call: Any) -> Any:
        if callable(call):
            return call(layer, *args, **kwargs)
        if call is not None:
            return getattr(layer, call)(*args, **kwargs)
        if self._forward is not None:
            return self._forward(layer, *args, **kwargs)
        return layer(*args, **kwargs)


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
    if isinstance(value, (*_LITERALS, type)) or (callable(value) and not _own_fields(value)):
        return False
    return bool(_own_fields(value))


def _own_fields(value: Any) -> bool:
    module = type(value).__module__
    if module in ("builtins", "enum", "functools", "types") or hasattr(value, "__members__"):
        return False
    if any(base.__module__ == "enum" for base in type(value).__mro__):
        return False
    return hasattr(value, "__dict__") or bool(_slots(value))


def _slots(value: Any) -> List[str]:
    names: List[str] = []
    for base in reversed(type(value).__mro__):
        own = base.__dict__.get("__slots__", ())
        names.extend([own] if isinstance(own, str) else own)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _field_names(value: Any) -> List[str]:
    names = [name for name in _slots(value) if hasattr(value, name)]
    return names + [name for name in getattr(value, "__dict__", {}) if name not in names]


def _with_fields(value: Any, saved: Any) -> Any:
    """The value with the saved fields, in place for objects: as pickle restores them."""
    if _is_object(value) and isinstance(saved, dict):
        old: Dict[str, Any] = {name: getattr(value, name) for name in _field_names(value)}
        for name in old:
            if name not in saved:
                object.__delattr__(value, name)
        for name, item in saved.items():
            object.__setattr__(value, name, _with_fields(old.get(name, _MISSING), item))
        return value
    if isinstance(value, dict) and isinstance(saved, dict):
        return {key: _with_fields(value.get(key, _MISSING), item) for key, item in saved.items()}
    if isinstance(value, (list, tuple)) and isinstance(saved, (list, tuple)):
        olds = [*value, *[_MISSING] * len(saved)]
        return type(saved)(_with_fields(old, item) for old, item in zip(olds, saved))
    return saved
