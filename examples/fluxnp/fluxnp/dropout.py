"""Dropout layers; out of training they hand their input on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp.initialise import Shared
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from numpy.random import Generator


class Dropout(Layer):
    """Set elements to 0 with probability p and scale the rest by 1/(1 − p), in training.

    ``dims`` limits it to whole slices: the axes, counted from 1 as in Flux, along which
    elements differ in their fate. None, the default, is all.
    """

    def __init__(
        self,
        p: float,
        *,
        dims: int | tuple[int, ...] | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.p = _probability(p)
        self.dims: Any = () if dims is None else dims
        self.active: bool | None = None
        self.rng: Generator | Shared = Shared() if rng is None else rng

    def __call__(self, x: Any) -> Any:
        if not self.active:
            return x
        x = np.asarray(x)
        chosen = (self.dims,) if isinstance(self.dims, int) else self.dims
        shape = tuple(n if not chosen or i in chosen else 1 for i, n in enumerate(x.shape, 1))
        kept = self.rng.random(shape) >= self.p
        return x * np.where(kept, 1 / (1 - self.p) if self.p < 1 else 0.0, 0.0).astype(x.dtype)


class AlphaDropout(Layer):
    """Dropout that keeps mean and variance behind a selu (Klambauer et al., 2017)."""

    def __init__(self, p: float, *, rng: Generator | None = None) -> None:
        self.p = _probability(p)
        self.active: bool | None = None
        self.rng: Generator | Shared = Shared() if rng is None else rng

    def __call__(self, x: Any) -> Any:
        if not self.active or self.p == 0:
            return x
        x = np.asarray(x)
        if self.p == 1:
            return np.zeros_like(x)
        low = -1.7580993408473766  # selu(−∞)
        slope = 1 / np.sqrt((1 - self.p) * (1 + self.p * low**2))
        kept = self.rng.random(x.shape) > self.p
        return (slope * np.where(kept, x, low) - slope * low * self.p).astype(x.dtype)


def _probability(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"a probability lies between 0 and 1; {p} does not")
    return float(p)
