"""``loadmodel``: a state into a layer, as the release in force would do it.

For the releases of Flux this is the walk of their ``loadmodel!``, refusals and all; for fluxnp's
own it is ``upgrading.load``, which takes what any of them saved: its steps bring that to today's
fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fluxnp import releases, upgrading
from fluxnp.conv import ConvTranspose
from fluxnp.errors import ArgumentError, DimensionMismatch, ErrorException
from fluxnp.layer import Layer, children
from fluxnp.saving import state

if TYPE_CHECKING:
    from collections.abc import Iterator

L = TypeVar("L")

# A Julia Dict comes between the fields and the message, and lists them by the hashes of their
# names: this order where it is known, else that of the fields.
_HASHED = ("pad", "k", "σ", "weight", "bias", "outpad", "groups", "stride", "dilation")

# Flux 0.14.19 completes a ConvTranspose state that has exactly these fields, in this order.
_BEFORE_OUTPAD = ("σ", "weight", "bias", "stride", "pad", "dilation", "groups")

# Flux 0.16.4 takes the empty state that these saved until 0.14.
_ONCE_EMPTY = ("MaxPool", "MeanPool", "AdaptiveMaxPool", "AdaptiveMeanPool")


def loadmodel(layer: L, source: Any) -> L:
    """Copy a state (or another layer) into the layer, in place, and return the layer.

    Raises ArgumentError where the structures differ, DimensionMismatch where sizes do, and
    ErrorException for a leaf that does not fit. A refusing release of Flux may have loaded a
    part by then, as Flux may; fluxnp's own leaves the layer as it was.
    """
    if isinstance(source, Layer):
        source = state(source)
    if releases.since(releases.NEWEST):
        upgrading.load(layer, source)
    else:
        _load(layer, source, set())
    return layer


def _load(dst: Any, src: Any, loaded: set[Any]) -> None:
    if isinstance(dst, Layer):
        if _taken_as_it_is(dst, src):
            return
        src = _completed(dst, src)
    into, out_of = _parts(dst), _parts(src)
    if not _match(into, out_of):
        raise ArgumentError(
            f"Tried to load {_keys(out_of)} into {_keys(into)} but the structures do not match."
        )
    for target, value in _paired(into, out_of):
        key = _identity(target)
        if key in loaded:
            _check_tie(target, value)
        elif _is_leaf(target):
            loaded.add(key)
            _load_leaf(target, value)
        else:
            _load(target, value, loaded)


def _taken_as_it_is(dst: Layer, src: Any) -> bool:
    return src == () and type(dst).__name__ in _ONCE_EMPTY and releases.since("0.16.4")


def _completed(dst: Layer, src: Any) -> Any:
    old = isinstance(src, dict) and tuple(src) == _BEFORE_OUTPAD
    if old and isinstance(dst, ConvTranspose) and releases.since("0.14.19"):
        return {**src, "outpad": dst.outpad}
    return src


def _parts(value: Any) -> dict[str, Any] | tuple[Any, ...]:
    """The children of a node; those of a leaf are none."""
    if isinstance(value, Layer):
        parts = children(value)
        return () if parts is None else parts
    if isinstance(value, dict):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return ()


def _is_leaf(value: Any) -> bool:
    if isinstance(value, Layer):
        return children(value) is None
    return not isinstance(value, dict) and not (isinstance(value, (tuple, list)) and value)


def _match(left: Any, right: Any) -> bool:
    if isinstance(left, dict) != isinstance(right, dict):
        return not left and not right
    return set(left) == set(right) if isinstance(left, dict) else len(left) == len(right)


def _paired(into: Any, out_of: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(into, dict):
        return ((into[name], out_of[name]) for name in into)
    return zip(into, out_of, strict=True)


def _keys(parts: dict[str, Any] | tuple[Any, ...]) -> str:
    """The keys as Julia prints them: ``(:a, :b)`` of names, ``Base.OneTo(2)`` of a tuple."""
    if not isinstance(parts, dict):
        return f"Base.OneTo({len(parts)})"
    rank = {name: place for place, name in enumerate(_HASHED)}
    names = sorted(parts, key=lambda name: rank.get(name, len(rank)))
    listed = ", ".join(f":{name}" for name in names)
    return f"({listed},)" if len(names) == 1 else f"({listed})"


def _identity(value: Any) -> Any:
    """What makes two destinations the same one: for values without identity, their value."""
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return type(value), value
    return () if isinstance(value, tuple) and not value else id(value)


def _load_leaf(dst: Any, src: Any) -> None:
    if isinstance(dst, np.ndarray):
        if isinstance(src, np.ndarray):
            if dst.shape != src.shape:
                raise DimensionMismatch(
                    f"Tried to load size {_size(src)} array into size {_size(dst)}"
                )
            np.copyto(dst, src, casting="same_kind")
        elif isinstance(src, (bool, np.bool_)):
            if src:
                raise ErrorException("Cannot copy boolean parameter == true to non-zero parameter.")
            dst.fill(0)
        else:
            raise ErrorException(
                f"Tried to copy {_julia(src)} into an array destination; this is not allowed."
            )
    elif isinstance(src, np.ndarray):
        if dst is False:
            # Flux's documentation has it that only zeros pass; its code lets any array go.
            return
        if dst is True:
            raise ErrorException("Cannot copy non-zero parameter to boolean parameter == true.")
        raise ErrorException(f"Tried to copy an array to {_julia(dst)}; this is not allowed.")


def _check_tie(dst: Any, src: Any) -> None:
    mixed = (
        "Encountered tied parameter with boolean source at some nodes and non-boolean sources "
        "at others."
    )
    if isinstance(src, np.ndarray):
        if dst is True:
            raise ErrorException(mixed)
        if isinstance(dst, np.ndarray) and not np.array_equal(dst, src):
            raise ErrorException(
                "Encountered tied destination parameters with untied and mismatched sources."
            )
    elif isinstance(dst, np.ndarray) and isinstance(src, (bool, np.bool_)) and (src or np.any(dst)):
        raise ErrorException(mixed)


def _size(array: np.ndarray[Any, Any]) -> str:
    return str(array.shape)


def _julia(value: Any) -> str:
    """A static value as Julia prints it."""
    if value is None:
        return "nothing"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    return str(getattr(value, "__name__", value))
