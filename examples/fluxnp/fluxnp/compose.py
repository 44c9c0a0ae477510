"""Layers made of layers. A part may be a layer or any function of one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np

from fluxnp.layer import Layer

Part = Callable[..., Any]


def _parts(layers: tuple[Part, ...], named: dict[str, Part]) -> tuple[Part, ...] | dict[str, Part]:
    if layers and named:
        raise ValueError("give all layers names, or none of them")
    if "layers" in named or "connection" in named:
        raise ValueError("a layer among others cannot be named 'layers' or 'connection'")
    return dict(named) if named else tuple(layers)


def _each(layers: tuple[Part, ...] | dict[str, Part]) -> Iterable[Part]:
    return layers.values() if isinstance(layers, dict) else layers


class Chain(Layer):
    """Each layer applied to what the one before gave: ``Chain(a, b)``, ``Chain(enc=a, dec=b)``."""

    def __init__(self, *layers: Part, **named: Part) -> None:
        self.layers = _parts(layers, named)

    def __call__(self, x: Any) -> Any:
        return reduce(lambda value, part: part(value), _each(self.layers), x)

    def __getitem__(self, key: int | str) -> Part:
        if isinstance(self.layers, dict):
            return self.layers[key] if isinstance(key, str) else list(self.layers.values())[key]
        if isinstance(key, str):
            raise KeyError(f"the layers of this Chain have no names, so none is {key!r}")
        return self.layers[key]

    def __len__(self) -> int:
        return len(self.layers)


class Maxout(Layer):
    """The elementwise maximum of what the layers make of one input."""

    def __init__(self, *layers: Part) -> None:
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        return reduce(np.maximum, (part(x) for part in self.layers))


class Parallel(Layer):
    """``connection`` of what the layers give: all of one input, or each of its own."""

    def __init__(self, connection: Part, *layers: Part, **named: Part) -> None:
        self.connection = connection
        self.layers = _parts(layers, named)

    def __call__(self, *inputs: Any) -> Any:
        parts = list(_each(self.layers))
        if len(inputs) == 1:
            inputs = inputs * len(parts)
        if len(inputs) != len(parts):
            raise ValueError(
                f"Parallel has {len(parts)} layers; it takes 1 or {len(parts)} inputs, "
                f"not {len(inputs)}"
            )
        return self.connection(*(part(x) for part, x in zip(parts, inputs, strict=True)))


class SkipConnection(Layer):
    """``connection(layers(x), x)``."""

    def __init__(self, layers: Part, connection: Part) -> None:
        self.layers = layers
        self.connection = connection

    def __call__(self, x: Any) -> Any:
        return self.connection(self.layers(x), x)
