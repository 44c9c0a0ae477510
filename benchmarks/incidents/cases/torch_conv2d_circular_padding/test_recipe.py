import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 7)], routes=["state", "module"])
def test_conv2d_circular():
    return nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular")
