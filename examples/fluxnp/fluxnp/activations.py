"""Activation functions of NNlib, elementwise on float arrays of any shape unless said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Activation = Callable[[Any], Any]

# tanh for float32 as NNlib.tanh_fast computes it: x·n(x²)/d(x²), a Remez fit, within 5 eps
# (NNlib.jl, src/activations.jl, pull request 345). Lowest power first.
_TANH_N = (1.0, 0.1346604, 0.0035974074, 2.2332108e-5, 1.587199e-8)
_TANH_D = (1.0, 0.4679937, 0.026262015, 0.0003453992, 8.7767893e-7)
_TANH_LIMIT = 66.0  # x² from which on tanh is ±1 in float32


def identity(x: Any) -> Any:
    return x


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leakyrelu(x: Array, a: float = 0.01) -> Array:
    return np.maximum(x, x * a)


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def selu(x: Array) -> Array:
    return np.multiply(1.0507009873554805, elu(x, 1.6732632423543772))


def tanh(x: Array) -> Array:
    """tanh; in float32 by NNlib's fast rational form."""
    x = np.asarray(x)
    if x.dtype != np.float32:
        return np.asarray(np.tanh(x))
    square = np.square(np.clip(x, -9, 9))
    inside = x * (_polynomial(square, _TANH_N) / _polynomial(square, _TANH_D))
    return np.where(square < _TANH_LIMIT, inside, np.sign(x))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow on either side."""
    small = np.exp(-np.abs(x))
    return np.where(np.asarray(x) >= 0, 1 / (1 + small), small / (1 + small))


def hardsigmoid(x: Array) -> Array:
    return np.clip((np.asarray(x) + 3) / 6, 0, 1)


def hardtanh(x: Array) -> Array:
    return np.clip(x, -1, 1)


def swish(x: Array) -> Array:
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """x·σ(√(8/π)·(x + 0.044715·x³)): the tanh approximation, which is NNlib's gelu."""
    return x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def softsign(x: Array) -> Array:
    return np.asarray(x / (1 + np.abs(x)))


def mish(x: Array) -> Array:
    return x * tanh(softplus(x))


def softmax(x: Array) -> Array:
    """exp(x) / Σ exp(x) along the first axis."""
    powers = np.exp(x - np.max(x, axis=0, keepdims=True))
    return np.asarray(powers / powers.sum(axis=0, keepdims=True))


def logsoftmax(x: Array) -> Array:
    """log of ``softmax``, along the first axis."""
    shifted = x - np.max(x, axis=0, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True)))


def flatten(x: Array) -> Array:
    """All axes but the last (the batch) made one, the first axis running fastest."""
    return np.reshape(x, (-1, np.shape(x)[-1]), order="F")


def _polynomial(x: Array, coefficients: tuple[float, ...]) -> Array:
    value = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + np.float32(coefficient)
    return value
