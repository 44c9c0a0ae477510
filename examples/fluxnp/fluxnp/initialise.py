"""Initial values of weights, random but seedable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
#: Called with the sizes of a weight; gives an array of that shape.
Init = Callable[..., Any]

_generator = np.random.default_rng()


def seed(value: int | None) -> None:
    """Start fluxnp's own generator anew. None seeds it from the operating system."""
    global _generator  # noqa: PLW0603 - this is what the function is for
    _generator = np.random.default_rng(value)


class Shared:
    """fluxnp's own generator, whichever it is when it is asked."""

    def random(self, shape: tuple[int, ...]) -> Array:
        return _generator.random(shape)


def glorot_uniform(*shape: int, rng: np.random.Generator | None = None) -> Array:
    """A float32 array, uniform on ±√(6 / (fan in + fan out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010). The last two sizes are the fans, those before them the receptive field.
    """
    field = math.prod(shape[:-2])
    fans = sum(shape[-2:]) * field
    bound = math.sqrt(6 / max(fans, 1))
    return (rng or _generator).uniform(-bound, bound, shape).astype(np.float32)


def randn32(*shape: int, rng: np.random.Generator | None = None) -> Array:
    """A float32 array of standard normal values."""
    return (rng or _generator).standard_normal(shape, dtype=np.float32)


def zeros32(*shape: int) -> Array:
    return np.zeros(shape, np.float32)


def ones32(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def draw(
    shape: tuple[int, ...],
    init: Init | None,
    rng: np.random.Generator | None,
    default: Init = glorot_uniform,
) -> Array:
    """A new float32 weight: ``init(*shape)`` where given, else the default's, from ``rng``."""
    values = default(*shape, rng=rng) if init is None else init(*shape)
    array = np.array(values, np.float32)
    if array.shape != shape:
        raise ValueError(f"init gave an array of shape {array.shape}; the weight has {shape}")
    return array


def bias_of(bias: bool | Any, size: int) -> Array | bool:
    """A layer's bias: zeros for True, False for False, or the array that was given."""
    if bias is True:
        return zeros32(size)
    if bias is False:
        return False
    array = np.array(bias, np.float32)
    if array.shape != (size,):
        raise ValueError(f"the bias has shape {array.shape}; the layer's is {(size,)}")
    return array
