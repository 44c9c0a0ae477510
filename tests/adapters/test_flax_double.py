"""Passes in double precision, by which a budget learns how intermediate results are rounded."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the flax adapter needs jax")
linen = pytest.importorskip("flax.linen", reason="the flax adapter needs flax")

from flax import nnx  # noqa: E402

from pytest_ckptcompat.adapters.flax import FlaxAdapter  # noqa: E402

X = np.ones((5, 3), np.float32)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(3, 4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(jax.numpy.tanh(self.dense(x)))


@pytest.mark.parametrize("build", [lambda: linen.Dense(4), lambda: Net(nnx.Rngs(0))])
def test_outputs_in_double_are_near_those_in_single_and_leave_the_layer_as_it_was(build):
    adapter = FlaxAdapter()
    layer = build()
    start = getattr(adapter, "start", None)
    layer = adapter.prepare(layer if start is None else start(layer, [X], {}, None))
    before = adapter.forward(layer, [X], {}, None)
    double = adapter.double(layer, [X.astype(np.float64)], {}, None)
    assert double.dtype == np.float64
    assert 0 < np.abs(double - before).max() < 1e-6
    after = adapter.forward(layer, [X], {}, None)
    assert after.dtype == np.float32
    np.testing.assert_array_equal(before, after)
