"""A transposed convolution, saved by its leaves."""

import equinox as eqx
import jax
import pytest


@pytest.mark.ckptcompat(inputs=[(3, 5, 5)])
def test_conv_transpose():
    return eqx.nn.ConvTranspose2d(3, 4, 3, stride=2, output_padding=1, key=jax.random.PRNGKey(0))
