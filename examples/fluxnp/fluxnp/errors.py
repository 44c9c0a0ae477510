"""What a loader raises: Julia's exceptions, under their own names, in the same words."""

from __future__ import annotations


class ArgumentError(ValueError):
    """The structures of a layer and of a state differ."""


class DimensionMismatch(ValueError):  # noqa: N818 - Julia's name for it
    """An array of a state has another size than the layer's."""


class ErrorException(RuntimeError):  # noqa: N818 - Julia's name for it
    """What Julia's ``error(...)`` raises: a leaf that cannot be loaded into another."""
