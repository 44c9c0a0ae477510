import flax.linen as nn
import pytest


@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=["msgpack", "pickle"])
def test_dense():
    return nn.Dense(4)
