import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras

layers = keras.layers

#: Keras 3 does not take the argument, so that its models are built without.
RENORM = {"renorm": True} if keras.__version__.startswith("2.") else {}


@pytest.mark.ckptcompat(inputs=[(3, 5)], routes=["h5"])
def test_normalized():
    return keras.Sequential([keras.Input((5,)), layers.BatchNormalization(**RENORM)])
