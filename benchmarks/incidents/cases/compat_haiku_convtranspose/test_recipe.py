"""A transposed convolution; users put its parameters into apply."""

import older  # noqa: F401, I001  before Haiku
import haiku as hk
import pytest


@pytest.mark.ckptcompat(inputs=[(2, 5, 5, 3)], routes=["state", "pickle"])
def test_conv_transpose():
    def enlarged(x):
        return hk.Conv2DTranspose(4, 3, stride=2)(x)

    return hk.transform_with_state(enlarged)
