import pytest
from flax import nnx


@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=["state", "tree"])
def test_sequential():
    rngs = nnx.Rngs(0)
    return nnx.Sequential(
        nnx.Linear(3, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)
    )
