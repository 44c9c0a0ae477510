import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(2, 8, 7, 3)], routes=["keras", "weights_h5"])
def test_two_of_a_type():
    inputs = keras.Input((8, 7, 3))
    return keras.Model(inputs, layers.Conv2D(3, 3)(layers.Conv2D(3, 3)(inputs)))
