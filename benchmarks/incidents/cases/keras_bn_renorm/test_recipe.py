import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(3, 5)], routes=["h5"])
def test_normalized():
    return keras.Sequential([keras.Input((5,)), layers.BatchNormalization(renorm=True)])
