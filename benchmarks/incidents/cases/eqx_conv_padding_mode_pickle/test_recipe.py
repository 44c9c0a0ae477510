"""A transposed convolution, whose users save leaves or pickle the module."""

import equinox as eqx
import jax
import pytest


@pytest.mark.ckptcompat(inputs=[(3, 5, 5)], routes=["leaves", "pickle"])
def test_conv_transpose():
    return eqx.nn.ConvTranspose2d(3, 4, 3, key=jax.random.PRNGKey(0))
