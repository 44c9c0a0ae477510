import pytest
from torch import nn


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 5)], routes=["state", "state_dict", "module"])
def test_conv_transpose():
    return nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)
