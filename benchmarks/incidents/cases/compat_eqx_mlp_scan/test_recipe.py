"""A small network, saved by its leaves."""

import equinox as eqx
import jax
import pytest


@pytest.mark.ckptcompat(inputs=[(3,)])
def test_mlp():
    return eqx.nn.MLP(3, 2, 5, 1, key=jax.random.PRNGKey(0))
