import pytest
from flax import nnx


def step(cell, hidden, x):
    return cell(hidden, x)


@pytest.mark.ckptcompat(inputs=[(2, 4), (2, 3)], call=step, routes=["state", "tree"])
def test_gru():
    return nnx.GRUCell(3, 4, rngs=nnx.Rngs(0))
