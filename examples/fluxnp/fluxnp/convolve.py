"""Convolution and its transpose on arrays in Julia's order: (spatial …, channel, batch)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


def pairs_of(pad: Ints, n: int) -> tuple[tuple[int, int], ...]:
    """(low, high) padding per spatial axis of a pad that has n or 2n entries."""
    if len(pad) == n:
        return tuple((p, p) for p in pad)
    if len(pad) == 2 * n:
        return tuple(zip(pad[::2], pad[1::2], strict=True))
    raise ValueError(f"pad has {len(pad)} entries; {n} spatial axes need {n} or {2 * n}")


def windows(x: Array, kernel: Ints, stride: Ints, dilation: Ints) -> Array:
    """A view (out …, C, B, kernel …) of x (spatial …, C, B): what each output looks at.

    Raises ValueError when the kernel is larger than the input.
    """
    n = len(kernel)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(size < need for size, need in zip(x.shape, reach, strict=False)):
        raise ValueError(f"a padded input of size {x.shape[:n]} is smaller than the kernel {reach}")
    view = sliding_window_view(x, reach, axis=tuple(range(n)))
    steps: Any = (
        *(slice(None, None, s) for s in stride),
        ...,
        *(slice(None, None, d) for d in dilation),
    )
    strided: Array = view[steps]
    return strided


def pad_spatial(x: Array, pad: tuple[tuple[int, int], ...], value: float = 0.0) -> Array:
    if not any(map(any, pad)):
        return x
    return np.pad(x, (*pad, (0, 0), (0, 0)), constant_values=value)


def conv(
    x: Array,
    weight: Array,
    *,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    groups: int = 1,
    flip: bool = True,
) -> Array:
    """Convolve x (spatial …, C, B) with weight (kernel …, C/groups, O); gives (out …, O, B).

    ``flip`` makes it the true convolution, which turns the kernel round along each spatial
    axis; without it, it is the cross-correlation.
    """
    n = weight.ndim - 2
    _check(x, n, weight.shape[-2] * groups)
    kernel, outputs = weight.shape[:n], weight.shape[-1]
    if outputs % groups:
        raise ValueError(f"{outputs} output channels do not divide into {groups} groups")
    view = windows(pad_spatial(x, pairs_of(pad, n)), kernel, stride, dilation)
    out, batch = view.shape[:n], x.shape[-1]
    # (out …, G, C/G, B, kernel …) -> (G, B·out, kernel·C/G)
    view = view.reshape(*out, groups, -1, batch, *kernel)
    axes = (n, n + 2, *range(n), *range(n + 3, 2 * n + 3), n + 1)
    columns = view.transpose(axes).reshape(groups, batch * math.prod(out), -1)
    taps = np.flip(weight, tuple(range(n))) if flip else weight
    taps = taps.reshape(-1, groups, outputs // groups).transpose(1, 0, 2)
    product = (columns @ taps).reshape(groups, batch, *out, outputs // groups)
    order = (*range(2, n + 2), 0, n + 2, 1)
    return np.ascontiguousarray(product.transpose(order).reshape(*out, outputs, batch))


def conv_transpose(
    x: Array,
    weight: Array,
    *,
    stride: Ints,
    pad: Ints,
    dilation: Ints,
    groups: int = 1,
    outpad: Ints,
) -> Array:
    """The adjoint of ``conv``: x (spatial …, C, B), weight (kernel …, O/groups, C).

    Size per spatial axis: (x − 1)·stride + 1 + (k − 1)·dilation − (low + high) + outpad.
    """
    n = weight.ndim - 2
    inputs, per_group = weight.shape[-1], weight.shape[-2]
    _check(x, n, inputs)
    if inputs % groups:
        raise ValueError(f"{inputs} input channels do not divide into {groups} groups")
    kernel, spatial, batch = weight.shape[:n], x.shape[:n], x.shape[-1]
    # What each input element adds through each tap of the kernel: (G, B·spatial, kernel·O/G).
    rows = x.reshape(*spatial, groups, inputs // groups, batch)
    rows = rows.transpose(n, n + 2, *range(n), n + 1).reshape(groups, -1, inputs // groups)
    taps = np.flip(weight, tuple(range(n))).reshape(-1, groups, inputs // groups)
    parts = rows @ taps.transpose(1, 2, 0)
    parts = parts.reshape(groups, batch, *spatial, *kernel, per_group)
    full = tuple(
        (size - 1) * s + (k - 1) * d + 1
        for size, s, k, d in zip(spatial, stride, kernel, dilation, strict=True)
    )
    sides = pairs_of(pad, n)
    size = tuple(
        f - low - high + extra for f, (low, high), extra in zip(full, sides, outpad, strict=True)
    )
    if min(size) < 1:
        raise ValueError(f"pad {pad} leaves nothing of an output of size {full}")
    room = tuple(max(f, low + s) for f, (low, _), s in zip(full, sides, size, strict=True))
    total = np.zeros((groups, batch, *room, per_group), x.dtype)
    for tap in itertools.product(*map(range, kernel)):
        where = tuple(
            slice(t * d, t * d + (length - 1) * s + 1, s)
            for t, d, length, s in zip(tap, dilation, spatial, stride, strict=True)
        )
        target: Any = (slice(None), slice(None), *where)
        source: Any = (..., *tap, slice(None))
        total[target] += parts[source]
    crop = tuple(slice(low, low + s) for (low, _), s in zip(sides, size, strict=True))
    kept = total[(slice(None), slice(None), *crop)]
    order = (*range(2, n + 2), 0, n + 2, 1)
    return np.ascontiguousarray(kept.transpose(order).reshape(*size, groups * per_group, batch))


def _check(x: Array, n: int, channels: int) -> None:
    if x.ndim != n + 2:
        raise ValueError(f"the input has {x.ndim} axes; {n} spatial ones, channel and batch fit")
    if x.shape[-2] != channels:
        raise ValueError(f"the input has {x.shape[-2]} channels; the layer takes {channels}")
