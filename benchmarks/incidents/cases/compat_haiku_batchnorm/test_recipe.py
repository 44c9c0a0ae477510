"""Batch normalisation; users put its parameters and its state into apply."""

import older  # noqa: F401, I001  before Haiku
import haiku as hk
import pytest


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=["state", "pickle"])
def test_batch_norm():
    def normalised(x):
        return hk.BatchNorm(True, True, 0.9)(x, is_training=hk.running_init())

    return hk.transform_with_state(normalised)
