"""What users of flax.nnx save: a recipe for each kind of checkpoint.

Modules of nnx are made with random keys; the recipes fix them. Users restore by
``from_state_dict`` of the pure dict (``state``), by Orbax (``tree``) and by msgpack.
"""

import pytest

jnp = pytest.importorskip("jax.numpy", reason="the recipes of flax need jax")
nnx = pytest.importorskip("flax.nnx", reason="the recipes of nnx need flax 0.8.5")

pytestmark = pytest.mark.ckptcompat(
    library="flax", routes=["state", "tree", "msgpack"], since="0.8.5"
)


def _tokens(rng):
    """All of them, so that no row of an embedding is left out."""
    return [(rng.permutation(12).reshape(2, 6) % 11).astype("int32")]


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_nnx_linear():
    return nnx.Linear(3, 4, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=["msgpack", "pickle"])
def test_nnx_linear_pickled():
    """A pickled ``nnx.State``; the route unpickles the golden's file."""
    return nnx.Linear(3, 4, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_nnx_linear_without_bias():
    return nnx.Linear(3, 4, use_bias=False, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 3, 5)])
def test_nnx_linear_general():
    return nnx.LinearGeneral((3, 5), (2, 7), axis=(1, 2), rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_nnx_einsum():
    return nnx.Einsum("bi,io->bo", (3, 4), (4,), rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 9, 7, 3)])
def test_nnx_conv():
    return nnx.Conv(3, 4, (3, 2), strides=(2, 1), padding=((1, 0), (0, 2)), rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)])
def test_nnx_conv_transpose():
    return nnx.ConvTranspose(3, 4, (3, 2), strides=(2, 1), rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)], exact=True)
def test_nnx_conv_transpose_exact():
    return nnx.ConvTranspose(3, 4, (3, 2), strides=(2, 3), padding="VALID", rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=_tokens)
def test_nnx_embed():
    return nnx.Embed(11, 4, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_nnx_batch_norm():
    return nnx.BatchNorm(4, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_nnx_layer_norm():
    return nnx.LayerNorm(4, epsilon=1e-3, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_nnx_rms_norm():
    return nnx.RMSNorm(4, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 5, 7, 6)], since="0.9.0")
def test_nnx_group_norm():
    return nnx.GroupNorm(6, num_groups=3, rngs=nnx.Rngs(0))


def _attend(module, x):
    return module(x, x, x)


@pytest.mark.ckptcompat(inputs=[(2, 5, 6)], call=_attend)
def test_nnx_attention():
    return nnx.MultiHeadAttention(
        num_heads=2, in_features=6, qkv_features=8, decode=False, rngs=nnx.Rngs(0)
    )


@pytest.mark.ckptcompat(inputs=[(2, 5, 6)], call=_attend)
def test_nnx_attention_with_dropout():
    return nnx.MultiHeadAttention(
        num_heads=2,
        in_features=6,
        qkv_features=8,
        out_features=5,
        dropout_rate=0.1,
        decode=False,
        rngs=nnx.Rngs(0),
    )


def _step(cell, hidden, x):
    return cell(hidden, x)


def _lstm_step(cell, cells, hidden, x):
    return cell((cells, hidden), x)


@pytest.mark.ckptcompat(inputs=[(2, 6), (2, 6), (2, 4)], call=_lstm_step, since="0.10.0")
def test_nnx_lstm_cell():
    return nnx.OptimizedLSTMCell(4, 6, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 6), (2, 4)], call=_step, since="0.10.0")
def test_nnx_gru_cell():
    return nnx.GRUCell(4, 6, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 5, 4)], since="0.10.0")
def test_nnx_rnn():
    return nnx.RNN(nnx.SimpleCell(4, 6, rngs=nnx.Rngs(0)))


@pytest.mark.ckptcompat(inputs=[(2, 4)])
def test_nnx_lora():
    return nnx.LoRA(4, 2, 3, rngs=nnx.Rngs(0))


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_nnx_sequential_with_dropout():
    rngs = nnx.Rngs(0)
    return nnx.Sequential(
        nnx.Linear(3, 4, rngs=rngs),
        nnx.gelu,
        nnx.Dropout(0.5, rngs=rngs),
        nnx.Linear(4, 2, rngs=rngs),
    )


class LanguageModel(nnx.Module):
    """Its last layer is its embedding."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(11, 6, rngs=rngs)
        self.norm = nnx.LayerNorm(6, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(3, 6, decode=False, rngs=rngs)
        self.rnn = nnx.RNN(nnx.GRUCell(6, 6, rngs=rngs))
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.scale = 0.5

    def __call__(self, tokens):
        x = self.embed(tokens)
        normed = self.norm(x)
        x = x + self.dropout(self.attention(normed, normed, normed))
        x = self.rnn(x)
        return {"logits": self.embed.attend(x) * self.scale, "last": x[:, -1]}


@pytest.mark.ckptcompat(inputs=_tokens, since="0.10.0")
def test_nnx_language_model():
    return LanguageModel(nnx.Rngs(0))


class SmallCNN(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), strides=(2, 2), use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.up = nnx.ConvTranspose(4, 5, (2, 2), strides=(2, 2), rngs=rngs)
        self.head = nnx.Linear(5, 7, rngs=rngs)

    def __call__(self, x):
        features = self.up(nnx.relu(self.norm(self.conv(x))))
        return self.head(jnp.mean(features, (1, 2))), features


@pytest.mark.ckptcompat(inputs=[(2, 9, 8, 3)])
def test_nnx_small_cnn():
    return SmallCNN(nnx.Rngs(0))
