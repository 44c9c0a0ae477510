import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=["state", "module", "module_default"])
def test_sequential():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
