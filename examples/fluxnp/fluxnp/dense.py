"""Layers that are one product with a weight: Dense, Bilinear, Scale, Embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp.activations import Activation, identity
from fluxnp.initialise import Array, Init, bias_of, draw, ones32, randn32
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from numpy.random import Generator


class Dense(Layer):
    """σ(W x + b) along the first axis: x (in, …) gives (out, …); the weight is (out, in)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation = identity,
        *,
        bias: Any = True,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.weight = draw((outputs, inputs), init, rng)
        self.bias = bias_of(bias, outputs)
        self.activation = activation

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x).astype(self.weight.dtype, copy=False)
        y = np.tensordot(self.weight, x, axes=(1, 0))
        return self.activation(y + along_first(self.bias, y.ndim))


class Bilinear(Layer):
    """z_o = σ(Σ_ij W[o, i, j] x_i y_j + b_o), for each column of x (in1, B) and y (in2, B).

    Called with one input, it takes it twice. The weight is (out, in1, in2).
    """

    def __init__(
        self,
        inputs: tuple[int, int],
        outputs: int,
        activation: Activation = identity,
        *,
        bias: Any = True,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.weight = draw((outputs, *inputs), init, rng)
        self.bias = bias_of(bias, outputs)
        self.activation = activation

    def __call__(self, x: Any, y: Any = None) -> Any:
        x = np.asarray(x).astype(self.weight.dtype, copy=False)
        y = x if y is None else np.asarray(y).astype(self.weight.dtype, copy=False)
        z = np.einsum("oib,i...b->o...b", np.tensordot(self.weight, y, axes=(2, 0)), x)
        return self.activation(z + along_first(self.bias, z.ndim))


class Scale(Layer):
    """σ(scale · x + bias) along the first axes, those of ``size``."""

    def __init__(
        self,
        *size: int,
        activation: Activation = identity,
        bias: bool = True,
        init: Init = ones32,
    ) -> None:
        self.scale = draw(size, init, None)
        self.bias = np.zeros(size, np.float32) if bias else False
        self.activation = activation

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x).astype(self.scale.dtype, copy=False)
        scaled = along_first(self.scale, x.ndim) * x
        return self.activation(scaled + along_first(self.bias, x.ndim))


class Embedding(Layer):
    """Columns of a (out, in) weight by their numbers, which start at 1 as Julia's do.

    An index array of shape (…) gives (out, …). Raises IndexError for a number that is not one
    of 1 … in.
    """

    def __init__(
        self, inputs: int, outputs: int, *, init: Init | None = None, rng: Generator | None = None
    ) -> None:
        self.weight = draw((outputs, inputs), init, rng, randn32)

    def __call__(self, index: Any) -> Array:
        index = np.asarray(index)
        count = self.weight.shape[1]
        if index.dtype.kind not in "iu" or (
            index.size and not 1 <= index.min() <= index.max() <= count
        ):
            raise IndexError(f"an Embedding takes integers from 1 to {count}")
        return self.weight[:, index.astype(np.intp) - 1]


def along_first(values: Array | bool, ndim: int) -> Array | int:
    """``values`` shaped to meet the first axes of an array of ``ndim`` axes; 0 for False."""
    if isinstance(values, bool):
        return 0
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))
