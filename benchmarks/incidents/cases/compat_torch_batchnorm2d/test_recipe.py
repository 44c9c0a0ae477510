import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 5)], routes=["state", "state_dict", "module"])
def test_batch_norm():
    return nn.BatchNorm2d(4)
