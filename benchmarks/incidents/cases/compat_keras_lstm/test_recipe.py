import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(2, 4, 5)], routes=["keras", "weights_h5"])
def test_lstm():
    return keras.Sequential([keras.Input((4, 5)), layers.LSTM(3)])
