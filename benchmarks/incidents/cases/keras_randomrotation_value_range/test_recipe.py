import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(2, 4, 5, 2)], routes=["keras", "weights_h5"])
def test_augmented():
    augment = layers.RandomRotation(0.1)
    return keras.Sequential([keras.Input((4, 5, 2)), augment, layers.Conv2D(3, 1)])
