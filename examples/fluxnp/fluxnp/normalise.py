"""Normalisation layers. The channel is the last axis but one, the batch the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp import releases
from fluxnp.activations import Activation, identity
from fluxnp.dense import Scale
from fluxnp.initialise import ones32, zeros32
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from fluxnp.initialise import Array


class LayerNorm(Layer):
    """Normalise over the first axes, those of ``size``, then scale, shift and activate.

    Flux 0.14 computes (x − μ)/(σ + ε), 0.15 and later (x − μ)/√(σ² + ε²): the same fields, and
    outputs that differ by a hair.
    """

    def __init__(
        self,
        *size: int,
        activation: Activation = identity,
        affine: bool = True,
        eps: float = 1e-5,
    ) -> None:
        self.activation = activation
        self.diag: Scale | Activation = (
            Scale(*size, activation=activation) if affine else activation
        )
        self.eps = np.float32(eps)
        self.size = size
        self.affine = affine

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x)
        axes = tuple(range(len(self.size)))
        centred = x - x.mean(axes, keepdims=True)
        variance = np.square(centred).mean(axes, keepdims=True)
        if releases.since("0.15.0"):
            return self.diag(centred / np.sqrt(variance + self.eps * self.eps))
        return self.diag(centred / (np.sqrt(variance) + self.eps))


class _ChannelNorm(Layer):
    """γ/√(σ² + ε)·(x − μ) + β per channel, activation last."""

    def __init__(
        self,
        channels: int,
        activation: Activation,
        *,
        affine: bool,
        track_stats: bool,
        tracked: int,
        eps: float,
        momentum: float,
    ) -> None:
        self.activation = activation
        self.beta = zeros32(channels) if affine else None
        self.gamma = ones32(channels) if affine else None
        self.mean = zeros32(tracked) if track_stats else None
        self.var = ones32(tracked) if track_stats else None
        self.eps = np.float32(eps)
        self.momentum = np.float32(momentum)
        self.affine = affine
        self.track_stats = track_stats
        self.active: bool | None = None
        self.channels = channels

    def _check(self, x: Array) -> None:
        if x.ndim < 2 or x.shape[-2] != self.channels:
            raise ValueError(
                f"{type(self).__name__} has {self.channels} channels; the last axis but one of an "
                f"input of shape {x.shape} does not"
            )

    def _statistics(self, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """Mean and variance to normalise x by, kept dimensions; x's last axis but one counts
        the tracked statistics."""
        if self.mean is not None and self.var is not None and not self.active:
            return self.mean[:, np.newaxis], self.var[:, np.newaxis]
        mean = x.mean(axes, keepdims=True)
        var = np.square(x - mean).mean(axes, keepdims=True)
        if self.mean is not None and self.var is not None:
            count = int(np.prod([x.shape[axis] for axis in axes]))
            batch = tuple(axis for axis in range(x.ndim) if axis != x.ndim - 2)
            keep = 1 - self.momentum
            self.mean = keep * self.mean + self.momentum * mean.mean(batch)
            unbiased = var.mean(batch) * np.float32(count / (count - 1))
            self.var = keep * self.var + self.momentum * unbiased
        return mean, var

    def _finish(self, normalised: Array) -> Any:
        if self.gamma is not None and self.beta is not None:
            normalised = self.gamma[:, np.newaxis] * normalised + self.beta[:, np.newaxis]
        return self.activation(normalised)


class BatchNorm(_ChannelNorm):
    """Statistics per channel over all other axes; the tracked ones outside training."""

    def __init__(
        self,
        channels: int,
        activation: Activation = identity,
        *,
        affine: bool = True,
        track_stats: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(
            channels,
            activation,
            affine=affine,
            track_stats=track_stats,
            tracked=channels,
            eps=eps,
            momentum=momentum,
        )

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x)
        self._check(x)
        mean, var = self._statistics(x, (*range(x.ndim - 2), x.ndim - 1))
        return self._finish((x - mean) / np.sqrt(var + self.eps))


class InstanceNorm(_ChannelNorm):
    """Statistics per channel and sample over the spatial axes."""

    def __init__(
        self,
        channels: int,
        activation: Activation = identity,
        *,
        affine: bool = False,
        track_stats: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(
            channels,
            activation,
            affine=affine,
            track_stats=track_stats,
            tracked=channels,
            eps=eps,
            momentum=momentum,
        )

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x)
        self._check(x)
        mean, var = self._statistics(x, tuple(range(x.ndim - 2)))
        return self._finish((x - mean) / np.sqrt(var + self.eps))


class GroupNorm(_ChannelNorm):
    """Statistics per group of neighbouring channels and sample."""

    def __init__(
        self,
        channels: int,
        groups: int,
        activation: Activation = identity,
        *,
        affine: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        if channels % groups:
            raise ValueError(f"{groups} groups do not divide {channels} channels")
        super().__init__(
            channels,
            activation,
            affine=affine,
            track_stats=False,
            tracked=groups,
            eps=eps,
            momentum=momentum,
        )
        self.groups = groups

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x)
        self._check(x)
        grouped = x.reshape(*x.shape[:-2], self.groups, -1, x.shape[-1])
        axes = (*range(x.ndim - 2), x.ndim - 1)
        mean = grouped.mean(axes, keepdims=True)
        var = np.square(grouped - mean).mean(axes, keepdims=True)
        return self._finish(((grouped - mean) / np.sqrt(var + self.eps)).reshape(x.shape))
