"""What every layer is: a plain object whose fields, in a given release, are data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fluxnp import releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

L = TypeVar("L")


class Layer:
    """The base of all layers. Attributes hold arrays, static values, functions and layers."""

    __call__: Callable[..., Any]
    #: The inactive mode that ``testmode`` sets; None follows Flux: active only in training.
    active: bool | None

    def __repr__(self) -> str:
        pairs = releases.fields(type(self).__name__) or ()
        shown = ", ".join(f"{field}={_brief(getattr(self, name))}" for field, name in pairs)
        return f"{type(self).__name__}({shown})"


def children(layer: Layer) -> dict[str, Any] | None:
    """The layer's fields in the release in force, by name, in order; None if it is a leaf."""
    pairs = releases.fields(type(layer).__name__)
    if pairs is None:
        return None
    return {field: getattr(layer, attribute) for field, attribute in pairs}


def layers_within(value: Any) -> Iterator[Layer]:
    """The layer itself, and every layer below it."""
    if isinstance(value, Layer):
        yield value
        for part in vars(value).values():
            yield from layers_within(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from layers_within(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from layers_within(part)


def testmode(layer: L) -> L:
    """Switch dropout off and tracked statistics on, in the layer and all below; return it."""
    return _set_active(layer, active=False)


def trainmode(layer: L) -> L:
    """The opposite of ``testmode``."""
    return _set_active(layer, active=True)


def _set_active(layer: L, *, active: bool) -> L:
    for part in layers_within(layer):
        if hasattr(part, "active"):
            part.active = active
    return layer


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return getattr(value, "__name__", None) or repr(value)
