"""What Equinox's users save: a recipe for each kind of checkpoint.

Equinox documents one format: ``tree_serialise_leaves`` writes the leaves one after the other,
without names, and ``tree_deserialise_leaves`` reads them into a module of the same structure.
Layers take one example, without a batch. Sizes differ wherever they can, so that a mix-up shows;
layers with units that an example may switch off are given several.
"""

import pytest

eqx = pytest.importorskip("equinox", reason="the recipes of equinox need equinox")
jax = pytest.importorskip("jax", reason="the recipes of equinox need jax")
nn = eqx.nn
jnp = jax.numpy

pytestmark = pytest.mark.ckptcompat(library="equinox")


def _key(number=0):
    return jax.random.PRNGKey(number)


def _with_state(make, *args, **kwargs):
    """A module and its state, as each release makes them."""
    if hasattr(nn, "make_with_state"):
        return nn.make_with_state(make)(*args, **kwargs)
    module = make(*args, **kwargs)
    return module, nn.State(module)


@pytest.mark.ckptcompat(inputs=[(3,)])
def test_linear():
    return nn.Linear(3, 5, key=_key())


@pytest.mark.ckptcompat(inputs=[(3, 9)])
def test_conv1d():
    return nn.Conv1d(3, 4, 3, stride=2, padding=1, key=_key())


@pytest.mark.ckptcompat(inputs=[(4, 7, 6)])
def test_conv2d():
    return nn.Conv2d(
        4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2, key=_key()
    )


@pytest.mark.ckptcompat(inputs=[(4, 5)])
def test_conv_transpose1d():
    return nn.ConvTranspose1d(4, 3, 3, stride=2, padding=1, output_padding=1, key=_key())


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_conv_transpose2d():
    return nn.ConvTranspose2d(
        3, 4, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 0), key=_key()
    )


@pytest.mark.ckptcompat(inputs=[(4, 5, 3)])
def test_conv_transpose2d_grouped():
    return nn.ConvTranspose2d(
        4, 6, (3, 2), stride=2, dilation=(1, 2), groups=2, use_bias=False, key=_key()
    )


@pytest.mark.ckptcompat(inputs=[(4, 6, 5)], exact=True)
def test_conv_transpose2d_exact():
    return nn.ConvTranspose2d(
        4, 3, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 0), key=_key()
    )


@pytest.mark.ckptcompat(inputs=[(5,)])
def test_layer_norm():
    return nn.LayerNorm(5)


@pytest.mark.ckptcompat(inputs=[(6, 5, 3)])
def test_group_norm():
    return nn.GroupNorm(3, 6)


@pytest.mark.ckptcompat(inputs=[(4,)])
@pytest.mark.filterwarnings("ignore:When `eqx.nn.BatchNorm")
def test_batch_norm():
    """As it was made before there was a choice of ``mode``."""
    return _with_state(nn.BatchNorm, 4, axis_name="batch")


@pytest.mark.ckptcompat(inputs=[(4,)], since="0.13")
def test_batch_norm_by_batch():
    return _with_state(nn.BatchNorm, 4, axis_name="batch", mode="batch")


@pytest.mark.ckptcompat(inputs=[(3,)])
def test_spectral_norm():
    return _with_state(nn.SpectralNorm, nn.Linear(3, 5, key=_key(1)), "weight", key=_key(2))


@pytest.mark.ckptcompat(inputs=[(5, 4), (7, 4), (7, 3)])
def test_multihead_attention():
    return nn.MultiheadAttention(
        2, 4, value_size=3, output_size=5, use_output_bias=True, dropout_p=0.1, key=_key()
    )


def _each(layer, *examples):
    return jax.vmap(layer)(*examples)


@pytest.mark.ckptcompat(inputs=[(6, 3), (6, 4)], call=_each)
def test_gru_cell():
    return nn.GRUCell(3, 4, key=_key())


def _lstm(cell, x, hidden, memory):
    return jax.vmap(cell)(x, (hidden, memory))


@pytest.mark.ckptcompat(inputs=[(6, 3), (6, 4), (6, 4)], call=_lstm)
def test_lstm_cell():
    return nn.LSTMCell(3, 4, key=_key())


@pytest.mark.ckptcompat(inputs=lambda rng: [rng.permutation(7)], call=_each)
def test_embedding():
    return nn.Embedding(7, 4, key=_key())


@pytest.mark.ckptcompat(inputs=[(9, 3)], call=_each)
def test_mlp():
    """Activated by a function that has a slope everywhere, so that no unit is off."""
    return nn.MLP(3, 2, 5, 2, activation=jax.nn.elu, key=_key())


@pytest.mark.ckptcompat(inputs=[(9, 3)], call=_each)
def test_mlp_with_prelu():
    return nn.MLP(3, 2, 5, 1, activation=nn.PReLU(0.3), final_activation=jnp.tanh, key=_key())


@pytest.mark.ckptcompat(inputs=[(3,)])
def test_sequential():
    return nn.Sequential(
        [
            nn.Linear(3, 5, use_bias=False, key=_key(1)),
            nn.Lambda(jax.nn.gelu),
            nn.Dropout(0.2),
            nn.Linear(5, 4, key=_key(2)),
        ]
    )


class Block(eqx.Module):
    """An image classifier of the kind that tutorials build, with a counter."""

    conv: eqx.Module
    norm: eqx.Module
    up: eqx.Module
    dropout: eqx.Module
    head: eqx.Module
    scale: jax.Array
    steps: jax.Array

    def __init__(self, key):
        first, second, third = jax.random.split(key, 3)
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, use_bias=False, key=first)
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 5, 2, stride=2, key=second)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(5, 7, key=third)
        self.scale = jnp.ones(5)
        self.steps = jnp.array(0)

    def __call__(self, x):
        x = jax.nn.relu(self.norm(self.conv(x)))
        features = self.up(x)
        x = self.dropout(jnp.mean(features, axis=(1, 2)) * self.scale)
        return {"logits": self.head(x), "features": features, "steps": self.steps + 1}


@pytest.mark.ckptcompat(inputs=[(3, 9, 8)])
def test_small_cnn():
    return Block(_key())


class Language(eqx.Module):
    """A recurrent language model."""

    embedding: nn.Embedding
    cell: nn.GRUCell
    head: nn.Linear

    def __init__(self, key):
        first, second, third = jax.random.split(key, 3)
        self.embedding = nn.Embedding(11, 6, key=first)
        self.cell = nn.GRUCell(6, 5, key=second)
        self.head = nn.Linear(5, 11, key=third)

    def __call__(self, tokens):
        embedded = jax.vmap(self.embedding)(tokens)

        def step(hidden, x):
            hidden = self.cell(x, hidden)
            return hidden, self.head(hidden)

        return jax.lax.scan(step, jnp.zeros(5), embedded)[1]


@pytest.mark.ckptcompat(inputs=lambda rng: [rng.permutation(11)])
def test_language_model():
    return Language(_key())
