import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=["state", "module"])
def test_gelu():
    return nn.Sequential(nn.Linear(4, 3), nn.GELU())
