"""Batch normalisation of a library that the plugin has no adapter for."""

import pytest
import ways
from tinygrad import nn


@pytest.mark.ckptcompat(inputs=[(2, 4, 3, 3)], routes=["state", "safetensors"])
def test_batch_norm():
    return ways.built(nn.BatchNorm(4))
