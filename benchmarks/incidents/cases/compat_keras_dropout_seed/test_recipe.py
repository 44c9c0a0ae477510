import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers


@pytest.mark.ckptcompat(inputs=[(3, 5)], routes=["keras", "weights_h5"])
def test_mlp():
    inner = [layers.Dense(4), layers.Dropout(0.3, seed=1), layers.Dense(2)]
    return keras.Sequential([keras.Input((5,)), *inner])
