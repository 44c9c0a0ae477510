import pytest
from flax import nnx


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=["state", "tree", "msgpack"])
def test_batch_norm():
    return nnx.BatchNorm(4, rngs=nnx.Rngs(0))
