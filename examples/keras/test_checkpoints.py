"""What Keras's users save: a recipe for each kind of checkpoint.

Sizes differ wherever they can (height and width, channels in and out, kernel and stride), so that
a mix-up shows. Most users save whole models, as ``.keras`` or as ``.h5`` of before, or the weights
alone; each recipe has all three routes. A release that cannot do one refuses it.
"""

import os

import pytest

# One backend computes the outputs of all releases that have the choice.
os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="the recipes of Keras need keras")
layers = keras.layers

pytestmark = [
    pytest.mark.ckptcompat(library="keras", routes=["keras", "h5", "weights_h5"]),
    # What Keras warns of is no break.
    pytest.mark.filterwarnings("ignore"),
]


def _tokens(rng):
    return [rng.integers(0, 11, size=(3, 5)).astype("int32")]


@pytest.mark.ckptcompat(inputs=[(2, 7, 5, 3)])
def test_conv2d():
    return layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same", activation="relu")


@pytest.mark.ckptcompat(inputs=[(2, 6, 5, 4)])
def test_conv2d_transpose():
    return layers.Conv2DTranspose(3, (3, 2), strides=(2, 1), padding="same")


@pytest.mark.ckptcompat(inputs=[(2, 6, 5, 4)], exact=True)
def test_conv2d_transpose_exact():
    return layers.Conv2DTranspose(3, (3, 4), strides=(2, 3), padding="valid")


@pytest.mark.ckptcompat(inputs=[(3, 6, 5, 4)])
def test_batch_normalization():
    return layers.BatchNormalization(epsilon=1e-2)


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_layer_normalization():
    return layers.LayerNormalization(axis=(1, 2))


@pytest.mark.ckptcompat(inputs=[(2, 5, 6), (2, 4, 6)])
def test_multi_head_attention():
    return layers.MultiHeadAttention(num_heads=3, key_dim=4)


@pytest.mark.ckptcompat(inputs=[(2, 5, 3)])
def test_gru():
    return layers.GRU(4)


@pytest.mark.ckptcompat(inputs=_tokens)
def test_embedding():
    return layers.Embedding(11, 4)


@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_hard_sigmoid():
    return layers.Dense(4, activation="hard_sigmoid")


@pytest.mark.ckptcompat(inputs=[(2, 6, 5, 3)])
def test_random_rotation():
    return keras.Sequential([layers.RandomRotation(0.1, seed=3), layers.Conv2D(4, (3, 2))])


@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_mlp():
    inner = [layers.Dense(7, activation="tanh"), layers.Dropout(0.3, seed=1), layers.Dense(4)]
    return keras.Sequential([keras.Input((5,)), *inner])


@pytest.mark.ckptcompat(inputs=[(2, 9, 8, 3)])
def test_residual_cnn():
    inputs = keras.Input((9, 8, 3))
    first = layers.Conv2D(4, 3, padding="same")(inputs)
    second = layers.Conv2D(4, (3, 2), padding="same")(layers.ReLU()(first))
    joined = layers.Add()([layers.BatchNormalization()(second), first])
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling2D()(joined)))
