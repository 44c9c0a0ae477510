import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(2, 4, 6)], routes=["h5", "weights_h5"])
def test_self_attention():
    inputs = keras.Input((4, 6))
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs))
