"""Multi-head attention (Vaswani et al., "Attention is all you need", 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fluxnp.activations import softmax
from fluxnp.dense import Dense
from fluxnp.dropout import Dropout
from fluxnp.layer import Layer

if TYPE_CHECKING:
    from numpy.random import Generator

    from fluxnp.initialise import Array, Init

Dims = int | tuple[Any, Any, int]


class MultiHeadAttention(Layer):
    """Attention over (feature, length, batch), heads split along the feature axis.

    ``dims`` is one size for everything, or (in, inner, out): ``in`` may be (query, key, value),
    ``inner`` (query and key, value). Called with one input it attends to itself, with two the
    second is key and value. Gives (outputs, scores): (out, query length, batch) and
    (key length, query length, heads, batch).
    """

    def __init__(
        self,
        dims: Dims,
        *,
        nheads: int = 8,
        bias: bool = False,
        dropout_prob: float = 0.0,
        init: Init | None = None,
        rng: Generator | None = None,
    ) -> None:
        inputs, inner, outputs = (dims, dims, dims) if isinstance(dims, int) else dims
        query, key, value = (inputs,) * 3 if isinstance(inputs, int) else inputs
        qk, v = (inner,) * 2 if isinstance(inner, int) else inner
        if qk % nheads or v % nheads:
            raise ValueError(f"{nheads} heads do not divide the inner sizes {qk} and {v}")
        self.nheads = nheads
        self.q_proj = Dense(query, qk, bias=bias, init=init, rng=rng)
        self.k_proj = Dense(key, qk, bias=bias, init=init, rng=rng)
        self.v_proj = Dense(value, v, bias=bias, init=init, rng=rng)
        self.attn_drop = Dropout(dropout_prob, rng=rng)
        self.out_proj = Dense(v, outputs, bias=bias, init=init, rng=rng)

    def __call__(
        self, query: Any, key: Any = None, value: Any = None, *, mask: Array | None = None
    ) -> tuple[Array, Array]:
        """``mask`` is true where a query may look, and broadcasts to the scores."""
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (
            self._heads(proj(x))
            for proj, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        # Axes: h head, d feature within it, k and q positions, b sample.
        logits = np.einsum("hdkb,hdqb->kqhb", k, q / np.sqrt(np.float32(q.shape[1])))
        if mask is not None:
            logits = np.where(mask, logits, np.finfo(logits.dtype).min)
        scores = softmax(logits)
        mixed = np.einsum("hdkb,kqhb->hdqb", v, self.attn_drop(scores))
        joined = mixed.reshape(-1, *mixed.shape[2:])
        return self.out_proj(joined), scores

    def _heads(self, x: Array) -> Array:
        if x.ndim != 3:
            raise ValueError(f"attention takes (feature, length, batch), not {x.shape}")
        return x.reshape(self.nheads, -1, *x.shape[1:])
