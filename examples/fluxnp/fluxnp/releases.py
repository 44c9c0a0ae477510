"""The releases that fluxnp can stand for, and which fields each gives to each layer.

A layer's fields are data: the same object saves and loads as whatever release is in force.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

FLUX = (
    "0.14.0",
    "0.14.16",
    "0.14.17",
    "0.14.18",
    "0.14.19",
    "0.14.25",
    "0.15.0",
    "0.16.0",
    "0.16.4",
)
#: fluxnp's own release, newer than any of Flux's.
NEWEST = "1.0.0"
RELEASES = (*FLUX, NEWEST)

ENVIRONMENT = "FLUXNP_RELEASE"

Fields = tuple[tuple[str, str], ...]

# Per layer, from which release on it has which fields, in which order. ``σ=activation`` is the
# field σ, kept in the attribute ``activation``: Python's identifiers are normalised, which
# turns ϵ into ε, and cannot hold σ² at all. None: the layer is a leaf, and saves nothing.
_NORM = (
    "λ=activation β=beta γ=gamma μ=mean σ²=var ϵ=eps momentum affine track_stats active "
    "chs=channels"
)
_POOL: dict[str, str | None] = {"0.14.0": None, "0.15.0": "k pad stride"}
_ADAPTIVE: dict[str, str | None] = {"0.14.0": None, "0.15.0": "out"}
_RECURRENT: dict[str, str | None] = {"0.14.0": "cell state=initial_state", "0.15.0": "cell"}

LAYOUTS: dict[str, dict[str, str | None]] = {
    "Chain": {"0.14.0": "layers"},
    "Maxout": {"0.14.0": "layers"},
    "Parallel": {"0.14.0": "connection layers"},
    "SkipConnection": {"0.14.0": "layers connection"},
    "Dense": {"0.14.0": "weight bias σ=activation"},
    "Bilinear": {"0.14.0": "weight bias σ=activation"},
    "Scale": {"0.14.0": "scale bias σ=activation"},
    "Embedding": {"0.14.0": "weight"},
    "Conv": {"0.14.0": "σ=activation weight bias stride pad dilation groups"},
    "ConvTranspose": {
        "0.14.0": "σ=activation weight bias stride pad dilation groups",
        "0.14.17": "σ=activation weight bias stride pad outpad dilation groups",
    },
    "CrossCor": {"0.14.0": "σ=activation weight bias stride pad dilation"},
    "Dropout": {"0.14.0": "p dims active rng"},
    "AlphaDropout": {"0.14.0": "p active rng"},
    "BatchNorm": {"0.14.0": _NORM},
    "InstanceNorm": {"0.14.0": _NORM},
    "GroupNorm": {"0.14.0": f"G=groups {_NORM}"},
    "LayerNorm": {"0.14.0": "λ=activation diag ϵ=eps size affine"},
    "MaxPool": _POOL,
    "MeanPool": _POOL,
    "AdaptiveMaxPool": _ADAPTIVE,
    "AdaptiveMeanPool": _ADAPTIVE,
    "GlobalMaxPool": {"0.14.0": None},
    "GlobalMeanPool": {"0.14.0": None},
    "RNN": _RECURRENT,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNNCell": {
        "0.14.0": "σ=activation Wi Wh b=bias state0",
        "0.15.0": "σ=activation Wi Wh bias",
        "1.0.0": "σ=activation Wi Wh bias state0",
    },
    "LSTMCell": {
        "0.14.0": "Wi Wh b=bias state0",
        "0.15.0": "Wi Wh bias",
        "1.0.0": "Wi Wh bias state0",
    },
    "GRUCell": {
        "0.14.0": "Wi Wh b=bias state0",
        "0.15.0": "Wi Wh b=bias",
        "1.0.0": "Wi Wh b=bias state0",
    },
    "MultiHeadAttention": {"0.14.0": "nheads q_proj k_proj v_proj attn_drop out_proj"},
}

# The release that ``use_release`` put in force; None leaves it to the environment. A plain
# global on purpose: a thread or a callback must see the same release as its starter.
_chosen: str | None = None


def release() -> str:
    """The release in force: that of ``use_release``, else of FLUXNP_RELEASE, else the newest.

    Raises ValueError when the environment names one that fluxnp does not know.
    """
    if _chosen is not None:
        return _chosen
    return _known(os.environ.get(ENVIRONMENT) or NEWEST)


class use_release:  # noqa: N801 - called like a function
    """Put a release in force: ``use_release("0.14.17")``.

    It stays so until the next call, or, in ``with use_release(...):``, until the block ends.
    None hands the choice back to the environment. Raises ValueError for an unknown release.
    """

    def __init__(self, version: str | None) -> None:
        global _chosen  # noqa: PLW0603 - the one piece of state that this module is for
        self._before = _chosen
        _chosen = None if version is None else _known(version)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _chosen  # noqa: PLW0603
        _chosen = self._before


def since(version: str) -> bool:
    """Whether the release in force is ``version`` or a later one."""
    return RELEASES.index(release()) >= RELEASES.index(version)


def fields(kind: str, version: str | None = None) -> Fields | None:
    """The (field, attribute) pairs of a layer class in a release, by default the one in force.

    None for a layer that is a leaf. Raises KeyError for a class without a layout.
    """
    return _fields(kind, release() if version is None else _known(version))


@functools.cache
def _fields(kind: str, version: str) -> Fields | None:
    current = RELEASES.index(version)
    layouts = LAYOUTS[kind]
    started = [first for first in layouts if RELEASES.index(first) <= current]
    layout = layouts[max(started, key=RELEASES.index)]
    if layout is None:
        return None
    pairs = (item.partition("=") for item in layout.split())
    return tuple((field, attribute or field) for field, _, attribute in pairs)


def _known(version: str) -> str:
    if version not in RELEASES:
        raise ValueError(f"fluxnp does not know release {version!r}: it has {', '.join(RELEASES)}")
    return version
