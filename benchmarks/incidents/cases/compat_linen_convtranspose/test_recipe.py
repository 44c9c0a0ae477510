import flax.linen as nn
import pytest


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)], routes=["state", "tree", "msgpack"])
def test_conv_transpose():
    return nn.ConvTranspose(6, (3, 2), strides=(2, 1))
