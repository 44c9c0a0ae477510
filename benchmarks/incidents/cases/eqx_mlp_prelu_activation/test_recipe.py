"""A small network with a learned activation, saved by its leaves."""

import equinox as eqx
import jax
import pytest


@pytest.mark.ckptcompat(inputs=[(3,)])
def test_mlp():
    prelu = eqx.nn.PReLU(0.25)
    return eqx.nn.MLP(3, 2, 5, 1, activation=prelu, key=jax.random.PRNGKey(0))
