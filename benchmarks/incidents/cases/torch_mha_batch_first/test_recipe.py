import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(5, 2, 4), (6, 2, 4), (6, 2, 4)], routes=["state", "module"])
def test_attention():
    return nn.MultiheadAttention(4, 2)
