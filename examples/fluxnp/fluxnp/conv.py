"""Convolution layers. Inputs and outputs are (spatial …, channel, batch), float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp import convolve, releases
from fluxnp.activations import Activation, identity
from fluxnp.initialise import Init, bias_of, draw
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from fluxnp.convolve import Array, Ints

IntOrInts = int | tuple[int, ...]


@dataclass(frozen=True)
class SamePad:
    """Padding such that, with stride 1, the output is as large as the input."""


Pad = IntOrInts | SamePad


def expand(value: IntOrInts, n: int, name: str) -> Ints:
    """A number for every axis, or a tuple that has one for each."""
    if isinstance(value, int):
        return (value,) * n
    if len(value) != n:
        raise ValueError(f"{name} {value} has {len(value)} entries, not {n}")
    return tuple(value)


def padding(pad: Pad, kernel: Ints, dilation: Ints, *, shrink: Ints | None = None) -> Ints:
    """The pad to keep: 2n entries for a number or SamePad, else the n or 2n that were given.

    SamePad shares (k − 1)·dilation + 1 − shrink between both sides, the larger half first;
    ``shrink`` is 1, but the stride where the layer enlarges its input.
    """
    n = len(kernel)
    if isinstance(pad, SamePad):
        amounts = (
            max((k - 1) * d + 1 - s, 0)
            for k, d, s in zip(kernel, dilation, shrink or (1,) * n, strict=True)
        )
        return tuple(side for amount in amounts for side in (amount - amount // 2, amount // 2))
    if isinstance(pad, int):
        return (pad,) * (2 * n)
    convolve.pairs_of(pad, n)
    return tuple(pad)


def _with_bias(y: Array, bias: Array | bool) -> Array:
    return y if isinstance(bias, bool) else y + bias[:, np.newaxis]


class _Convolution(Layer):
    activation: Activation
    weight: Array
    bias: Array | bool
    stride: Ints
    pad: Ints
    dilation: Ints

    def _configure(
        self, kernel: Ints, stride: IntOrInts, pad: Pad, dilation: IntOrInts, *, enlarges: bool
    ) -> None:
        n = len(kernel)
        self.stride = expand(stride, n, "stride")
        self.dilation = expand(dilation, n, "dilation")
        if min(*self.stride, *self.dilation) < 1:
            raise ValueError("stride and dilation are at least 1")
        self.pad = padding(pad, kernel, self.dilation, shrink=self.stride if enlarges else None)

    def _taken(self, x: Any) -> Array:
        return np.asarray(x).astype(self.weight.dtype, copy=False)


class Conv(_Convolution):
    """Convolution: the kernel is turned round along each spatial axis.

    ``kernel`` has one size per spatial axis, ``channels`` is (in, out). The weight is
    (kernel …, in/groups, out). ``pad`` is a number, one per axis, (low, high) per axis in one
    flat tuple, or ``SamePad()``.
    """

    def __init__(
        self,
        kernel: Ints,
        channels: tuple[int, int],
        activation: Activation = identity,
        *,
        stride: IntOrInts = 1,
        pad: Pad = 0,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: Any = True,
        init: Init | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        inputs, outputs = channels
        _divides(groups, inputs, outputs)
        self.activation = activation
        self.weight = draw((*kernel, inputs // groups, outputs), init, rng)
        self.bias = bias_of(bias, outputs)
        self._configure(kernel, stride, pad, dilation, enlarges=False)
        self.groups = groups

    def __call__(self, x: Any) -> Any:
        y = convolve.conv(
            self._taken(x),
            self.weight,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.groups,
        )
        return self.activation(_with_bias(y, self.bias))


def DepthwiseConv(  # noqa: N802 - a layer's constructor
    kernel: Ints,
    channels: tuple[int, int],
    activation: Activation = identity,
    **options: Any,
) -> Conv:
    """A ``Conv`` with a group per input channel; ``out`` is a multiple of ``in``."""
    return Conv(kernel, channels, activation, groups=channels[0], **options)


class CrossCor(_Convolution):
    """Cross-correlation: a ``Conv`` whose kernel is not turned round, and without groups."""

    def __init__(
        self,
        kernel: Ints,
        channels: tuple[int, int],
        activation: Activation = identity,
        *,
        stride: IntOrInts = 1,
        pad: Pad = 0,
        dilation: IntOrInts = 1,
        bias: Any = True,
        init: Init | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.activation = activation
        self.weight = draw((*kernel, *channels), init, rng)
        self.bias = bias_of(bias, channels[1])
        self._configure(kernel, stride, pad, dilation, enlarges=False)

    def __call__(self, x: Any) -> Any:
        y = convolve.conv(
            self._taken(x),
            self.weight,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            flip=False,
        )
        return self.activation(_with_bias(y, self.bias))


class ConvTranspose(_Convolution):
    """Transposed convolution, the adjoint of ``Conv``; the weight is (kernel …, out/groups, in).

    Size per spatial axis: (x − 1)·stride + 1 + (k − 1)·dilation − (low + high) + outpad.
    ``outpad`` came with Flux 0.14.17: earlier releases refuse it with TypeError.
    """

    def __init__(
        self,
        kernel: Ints,
        channels: tuple[int, int],
        activation: Activation = identity,
        *,
        stride: IntOrInts = 1,
        pad: Pad = 0,
        outpad: IntOrInts | None = None,
        dilation: IntOrInts = 1,
        groups: int = 1,
        bias: Any = True,
        init: Init | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        if outpad is not None and not releases.since("0.14.17"):
            raise TypeError(
                f"ConvTranspose of Flux {releases.release()} has no outpad: it came with 0.14.17"
            )
        inputs, outputs = channels
        _divides(groups, inputs, outputs)
        self.activation = activation
        self.weight = draw((*kernel, outputs // groups, inputs), init, rng)
        self.bias = bias_of(bias, outputs)
        self._configure(kernel, stride, pad, dilation, enlarges=True)
        self.outpad = expand(outpad or 0, len(kernel), "outpad")
        self.groups = groups

    def __call__(self, x: Any) -> Any:
        if len(self.pad) == len(self.stride) and not releases.since("0.14.17"):
            raise ValueError(
                f"ConvTranspose of Flux {releases.release()} needs low and high padding of each "
                f"axis: {2 * len(self.stride)} entries, not {len(self.pad)}"
            )
        y = convolve.conv_transpose(
            self._taken(x),
            self.weight,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.groups,
            outpad=self.outpad,
        )
        return self.activation(_with_bias(y, self.bias))


def _divides(groups: int, inputs: int, outputs: int) -> None:
    if groups < 1 or inputs % groups or outputs % groups:
        raise ValueError(
            f"{groups} groups do not divide {inputs} input and {outputs} output channels"
        )
