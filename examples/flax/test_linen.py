"""What users of flax.linen save: a recipe for each kind of checkpoint.

Sizes differ wherever they can (height and width, channels in and out, stride and kernel), so that
a mix-up shows. Users restore by ``from_state_dict`` (``state``), by Orbax (``tree``) and by
``from_bytes`` (``msgpack``).
"""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the recipes of flax need jax")
nn = pytest.importorskip("flax.linen", reason="the recipes of flax need flax")

pytestmark = pytest.mark.ckptcompat(library="flax", routes=["state", "tree", "msgpack"])


def _tokens(rng):
    """All of them, so that no row of an embedding is left out."""
    return [(rng.permutation(12).reshape(2, 6) % 11).astype("int32")]


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_linen_dense():
    return nn.Dense(4)


@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=["msgpack", "pickle"])
def test_linen_dense_pickled():
    """Many a training script pickles the variables; the route unpickles the golden's file."""
    return nn.Dense(4)


@pytest.mark.ckptcompat(inputs=[(2, 3, 5)])
def test_linen_dense_general():
    return nn.DenseGeneral((2, 7), axis=(1, 2), use_bias=False)


@pytest.mark.ckptcompat(inputs=[(2, 9, 7, 3)])
def test_linen_conv():
    return nn.Conv(
        4, (3, 2), strides=(2, 1), padding=((1, 0), (0, 2)), kernel_dilation=(1, 2), use_bias=True
    )


@pytest.mark.ckptcompat(inputs=[(2, 9, 6)])
def test_linen_conv_circular():
    return nn.Conv(4, (3,), padding="CIRCULAR", feature_group_count=2)


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)])
def test_linen_conv_transpose():
    return nn.ConvTranspose(4, (3, 2), strides=(2, 1), padding="SAME")


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)], exact=True)
def test_linen_conv_transpose_exact():
    return nn.ConvTranspose(4, (3, 2), strides=(2, 3), padding="VALID")


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)])
def test_linen_conv_transpose_circular():
    return nn.ConvTranspose(4, (3, 4), strides=(2, 2), padding="CIRCULAR", transpose_kernel=True)


@pytest.mark.ckptcompat(inputs=[(2, 7, 3)])
def test_linen_conv_local():
    return nn.ConvLocal(4, (3,), strides=(2,))


@pytest.mark.ckptcompat(inputs=_tokens)
def test_linen_embed():
    return nn.Embed(11, 4)


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_linen_batch_norm():
    return nn.BatchNorm(use_running_average=True)


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_linen_layer_norm():
    return nn.LayerNorm(epsilon=1e-3)


@pytest.mark.ckptcompat(inputs=[(2, 5, 7, 6)])
def test_linen_group_norm():
    return nn.GroupNorm(num_groups=3)


@pytest.mark.ckptcompat(inputs=[(2, 5, 6)])
def test_linen_rms_norm():
    return nn.RMSNorm()


@pytest.mark.ckptcompat(inputs=[(2, 5, 7, 6)], since="0.8.0")
def test_linen_instance_norm():
    return nn.InstanceNorm()


@pytest.mark.ckptcompat(inputs=[(2, 5, 6)])
def test_linen_prelu():
    return nn.PReLU()


@pytest.mark.ckptcompat(inputs=[(2, 5, 6), (2, 7, 3)])
def test_linen_attention():
    return nn.MultiHeadDotProductAttention(
        num_heads=2, qkv_features=8, out_features=5, dropout_rate=0.1, deterministic=True
    )


@pytest.mark.ckptcompat(inputs=[(2, 5, 4)], since="0.7.0")
def test_linen_lstm():
    return nn.RNN(nn.OptimizedLSTMCell(6))


@pytest.mark.ckptcompat(inputs=[(2, 5, 4)], since="0.7.0")
def test_linen_gru_both_ways():
    return nn.Bidirectional(nn.RNN(nn.GRUCell(6)), nn.RNN(nn.GRUCell(3)))


@pytest.mark.ckptcompat(inputs=[(2, 6), (2, 4)])
def test_linen_gru_cell():
    # Its features came from the carry before 0.7.
    fields = nn.GRUCell.__dataclass_fields__
    return nn.GRUCell(features=6) if "features" in fields else nn.GRUCell()


class LanguageModel(nn.Module):
    """Its last layer is its embedding."""

    @nn.compact
    def __call__(self, tokens, deterministic: bool = False):
        embed = nn.Embed(11, 6)
        x = embed(tokens)
        attended = nn.SelfAttention(num_heads=3, deterministic=deterministic)(nn.LayerNorm()(x))
        x = x + nn.Dropout(0.2)(attended, deterministic=deterministic)
        x = x + nn.Dense(6)(nn.gelu(nn.Dense(9)(nn.LayerNorm()(x))))
        return {"logits": embed.attend(x), "last": x[:, -1]}


@pytest.mark.filterwarnings("ignore:SelfAttention will be deprecated")
@pytest.mark.ckptcompat(inputs=_tokens)
def test_linen_language_model():
    return LanguageModel()


class ResNet(nn.Module):
    """A small one, made in ``setup``, and given its variables by the recipe."""

    width: int = 4

    def setup(self):
        self.conv = nn.Conv(self.width, (3, 3), strides=2, use_bias=False)
        self.norm = nn.BatchNorm()
        self.up = nn.ConvTranspose(5, (2, 2), strides=(2, 2))
        self.head = nn.Dense(7)

    def __call__(self, x, train: bool = True):
        x = nn.relu(self.norm(self.conv(x), use_running_average=not train))
        features = self.up(x)
        return self.head(features.mean((1, 2))), features


@pytest.mark.ckptcompat(inputs=[(2, 9, 8, 3)])
def test_linen_resnet():
    model = ResNet()
    return model, model.init(jax.random.PRNGKey(0), np.zeros((1, 9, 8, 3), "float32"))
