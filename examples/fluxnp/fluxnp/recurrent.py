"""Recurrent layers over sequences (feature, time, batch), from a fresh state on each call.

A cell starts from its ``state0``, (out, 1), the same for every sequence of the batch. Flux 0.14
saves and loads it; from 0.15 to 0.16 there is none in the state, and it stays zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp import releases
from fluxnp.activations import Activation, sigmoid, tanh
from fluxnp.initialise import Init, bias_of, draw, zeros32
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from numpy.random import Generator

    from fluxnp.initialise import Array

Hidden = Any  # an array (out, batch), or the pair of them of an LSTM


class _Cell(Layer):
    gates: int
    Wi: Array
    Wh: Array
    bias: Array | bool
    state0: Hidden

    def _weights(
        self, inputs: int, outputs: int, bias: Any, init: Init | None, rng: Generator | None
    ) -> None:
        self.Wi = draw((self.gates * outputs, inputs), init, rng)
        self.Wh = draw((self.gates * outputs, outputs), init, rng)
        self.bias = bias_of(bias, self.gates * outputs)

    def _column(self) -> Array | int:
        return 0 if isinstance(self.bias, bool) else self.bias[:, np.newaxis]

    def step(self, hidden: Hidden, x: Array) -> tuple[Hidden, Array]:
        """From the hidden state and x (in, batch): the next hidden state, and the output."""
        raise NotImplementedError


class RNNCell(_Cell):
    """h = σ(Wi x + Wh h + b)."""

    gates = 1

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation = tanh,
        *,
        bias: Any = True,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.activation = activation
        self._weights(inputs, outputs, bias, init, rng)
        self.state0 = zeros32(outputs, 1)

    def step(self, hidden: Hidden, x: Array) -> tuple[Hidden, Array]:
        hidden = self.activation(self.Wi @ x + self.Wh @ hidden + self._column())
        return hidden, hidden


class LSTMCell(_Cell):
    """Gates in the order input, forget, cell, output:
    c = σ(f)·c + σ(i)·tanh(g), h = σ(o)·tanh(c)."""

    gates = 4

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: Any = True,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        self._weights(inputs, outputs, bias, init, rng)
        if bias is True and not releases.since("0.15.0"):
            self.bias[outputs : 2 * outputs] = 1  # type: ignore[index]
        self.state0 = (zeros32(outputs, 1), zeros32(outputs, 1))

    def step(self, hidden: Hidden, x: Array) -> tuple[Hidden, Array]:
        h, c = hidden
        gates = np.split(self.Wi @ x + self.Wh @ h + self._column(), 4)
        c = sigmoid(gates[1]) * c + sigmoid(gates[0]) * tanh(gates[2])
        h = sigmoid(gates[3]) * tanh(c)
        return (h, c), h


class GRUCell(_Cell):
    """Gates in the order reset, update, candidate:
    h̃ = tanh(Wi x + r·(Wh h) + b), h = (1 − z)·h̃ + z·h."""

    gates = 3

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: Any = True,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        self._weights(inputs, outputs, bias, init, rng)
        self.state0 = zeros32(outputs, 1)

    def step(self, hidden: Hidden, x: Array) -> tuple[Hidden, Array]:
        from_x = np.split(self.Wi @ x + self._column(), 3)
        from_h = np.split(self.Wh @ hidden, 3)
        reset = sigmoid(from_x[0] + from_h[0])
        update = sigmoid(from_x[1] + from_h[1])
        candidate = tanh(from_x[2] + reset * from_h[2])
        hidden = (1 - update) * candidate + update * hidden
        return hidden, hidden


class _Recurrent(Layer):
    cell: _Cell

    @property
    def initial_state(self) -> Hidden:
        """What Flux 0.14 calls ``state``: a fresh layer's is its cell's ``state0`` itself."""
        return self.cell.state0

    def __call__(self, x: Any) -> Array:
        """x (in, time, batch) or (in, time) gives (out, time, batch) or (out, time)."""
        x = np.asarray(x).astype(self.cell.Wi.dtype, copy=False)
        if x.ndim not in (2, 3) or x.shape[0] != self.cell.Wi.shape[1]:
            raise ValueError(
                f"{type(self).__name__} takes ({self.cell.Wi.shape[1]}, time, batch), not {x.shape}"
            )
        steps = x[..., np.newaxis] if x.ndim == 2 else x
        hidden, outputs = self.cell.state0, []
        for t in range(steps.shape[1]):
            hidden, output = self.cell.step(hidden, steps[:, t])
            outputs.append(output)
        y = np.stack(outputs, axis=1)
        return y[..., 0] if x.ndim == 2 else y


class RNN(_Recurrent):
    """An ``RNNCell`` over a sequence."""

    def __init__(
        self, inputs: int, outputs: int, activation: Activation = tanh, **options: Any
    ) -> None:
        self.cell = RNNCell(inputs, outputs, activation, **options)


class LSTM(_Recurrent):
    """An ``LSTMCell`` over a sequence."""

    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        self.cell = LSTMCell(inputs, outputs, **options)


class GRU(_Recurrent):
    """A ``GRUCell`` over a sequence."""

    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        self.cell = GRUCell(inputs, outputs, **options)
