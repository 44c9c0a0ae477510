import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(2, 8, 7, 3)], routes=["h5", "weights_h5"])
def test_conv2d_transpose():
    upsample = layers.Conv2DTranspose(4, 3, strides=2, padding="same")
    return keras.Sequential([keras.Input((8, 7, 3)), upsample])
