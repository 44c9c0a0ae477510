"""Pooling layers over the spatial axes of (spatial …, channel, batch)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fluxnp.conv import IntOrInts, Pad, expand, padding
from fluxnp.convolve import Array, Ints, pad_spatial, pairs_of, windows
from fluxnp.layer import Layer


def _pooled(x: Any, kernel: Ints, stride: Ints, pad: Ints, *, largest: bool) -> Array:
    x = np.asarray(x)
    n = len(kernel)
    if x.ndim != n + 2:
        raise ValueError(f"the input has {x.ndim} axes; {n} spatial ones, channel and batch fit")
    filled = pad_spatial(x, pairs_of(pad, n), -np.inf if largest else 0.0)
    view = windows(filled, kernel, stride, (1,) * n)
    axes = tuple(range(n + 2, 2 * n + 2))
    return np.asarray(view.max(axes) if largest else view.mean(axes))


class _Pool(Layer):
    largest: bool

    def __init__(self, k: Ints, *, pad: Pad = 0, stride: IntOrInts | None = None) -> None:
        self.k = tuple(k)
        self.pad = padding(pad, self.k, (1,) * len(k))
        self.stride = self.k if stride is None else expand(stride, len(k), "stride")

    def __call__(self, x: Any) -> Array:
        return _pooled(x, self.k, self.stride, self.pad, largest=self.largest)


class MaxPool(_Pool):
    """The largest of each window of size k; steps of k unless ``stride`` says otherwise."""

    largest = True


class MeanPool(_Pool):
    """The mean of each window of size k, padding zeros counted."""

    largest = False


class _AdaptivePool(Layer):
    largest: bool

    def __init__(self, out: Ints) -> None:
        self.out = tuple(out)

    def __call__(self, x: Any) -> Array:
        x = np.asarray(x)
        sizes = x.shape[: len(self.out)]
        if x.ndim != len(self.out) + 2 or any(n < o for n, o in zip(sizes, self.out, strict=True)):
            raise ValueError(f"an input of shape {x.shape} cannot be pooled to {self.out}")
        stride = tuple(n // o for n, o in zip(sizes, self.out, strict=True))
        kernel = tuple(n - (o - 1) * s for n, o, s in zip(sizes, self.out, stride, strict=True))
        return _pooled(x, kernel, stride, (0,) * len(kernel), largest=self.largest)


class AdaptiveMaxPool(_AdaptivePool):
    """``MaxPool`` whose windows are chosen such that the output has the size ``out``."""

    largest = True


class AdaptiveMeanPool(_AdaptivePool):
    """``MeanPool`` whose windows are chosen such that the output has the size ``out``."""

    largest = False


class GlobalMaxPool(Layer):
    """The largest over all spatial axes, which become 1."""

    def __call__(self, x: Any) -> Array:
        x = np.asarray(x)
        return np.asarray(x.max(tuple(range(x.ndim - 2)), keepdims=True))


class GlobalMeanPool(Layer):
    """The mean over all spatial axes, which become 1."""

    def __call__(self, x: Any) -> Array:
        x = np.asarray(x)
        return np.asarray(x.mean(tuple(range(x.ndim - 2)), keepdims=True))
