"""A layer's state, as ``Flux.state`` gives it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fluxnp.layer import Layer, children


def state(layer: Any) -> Any:
    """The layer's fields in the release in force, as dicts and tuples of arrays and statics.

    Arrays, numbers, booleans, None and strings are kept; anything else, functions too, becomes
    the empty tuple. Arrays are copies; an array met twice is one copy.
    """
    copies: dict[int, np.ndarray[Any, Any]] = {}

    def take(value: Any) -> Any:
        if isinstance(value, Layer):
            parts = children(value)
            return () if parts is None else {name: take(part) for name, part in parts.items()}
        if isinstance(value, dict):
            return {name: take(part) for name, part in value.items()}
        if isinstance(value, (tuple, list)):
            return tuple(take(part) for part in value)
        if isinstance(value, np.ndarray):
            if id(value) not in copies:
                copies[id(value)] = value.copy()
            return copies[id(value)]
        if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
            return value
        return ()

    return take(layer)
