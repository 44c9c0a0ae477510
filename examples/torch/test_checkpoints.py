"""What PyTorch's users save: a recipe for each kind of checkpoint.

Sizes differ wherever they can (height and width, channels in and out, stride and padding), so
that a mix-up shows. Users rely on ``load_state_dict`` throughout; where many of them pickle the
whole module, the recipe opts in to the route ``module``, which unpickles the golden's file. Whole
models are kept in files: of the ``state_dict``, and since there is such, in safetensors.
"""

import pytest

torch = pytest.importorskip("torch", reason="the recipes of torch need torch")
nn = torch.nn

pytestmark = pytest.mark.ckptcompat(library="torch")

BOTH = ["state", "module"]
FILES = ["state", "state_dict", "safetensors"]


def _tokens(rng):
    """All of them, so that no row of an embedding is left out."""
    return [rng.permutation(15).reshape(5, 3) % 11]


@pytest.mark.ckptcompat(inputs=[(2, 3, 7, 5)], routes=BOTH)
def test_conv2d():
    return nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 7)], routes=BOTH)
def test_conv2d_circular():
    return nn.Conv2d(4, 3, 3, padding=(1, 2), padding_mode="circular")


@pytest.mark.ckptcompat(inputs=[(2, 6, 9)])
def test_conv1d_grouped():
    return nn.Conv1d(6, 4, 3, stride=2, padding=1, groups=2, bias=False)


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 5)], routes=BOTH)
def test_conv_transpose2d():
    return nn.ConvTranspose2d(4, 3, (3, 2), stride=2, padding=(1, 0), output_padding=1)


@pytest.mark.ckptcompat(inputs=[(2, 4, 6, 5)], exact=True)
def test_conv_transpose2d_exact():
    return nn.ConvTranspose2d(4, 3, (3, 2), stride=(2, 3), padding=1, output_padding=(1, 0))


@pytest.mark.ckptcompat(inputs=[(3, 4, 6, 5)], routes=BOTH)
def test_batch_norm2d():
    return nn.BatchNorm2d(4)


@pytest.mark.ckptcompat(inputs=[(3, 4, 6)])
def test_batch_norm1d_without_statistics():
    return nn.BatchNorm1d(4, affine=False, track_running_stats=False)


@pytest.mark.ckptcompat(inputs=[(2, 6, 5, 7)])
def test_group_norm():
    return nn.GroupNorm(3, 6)


@pytest.mark.ckptcompat(inputs=[(2, 3, 5)])
def test_layer_norm():
    return nn.LayerNorm((3, 5))


@pytest.mark.ckptcompat(inputs=[(5, 2, 4), (6, 2, 4), (6, 2, 4)], routes=BOTH)
def test_multihead_attention():
    return nn.MultiheadAttention(4, 2)


@pytest.mark.ckptcompat(inputs=[(5, 2, 4), (6, 2, 3), (6, 2, 3)])
def test_multihead_attention_of_other_sizes():
    return nn.MultiheadAttention(4, 2, kdim=3, vdim=3, add_bias_kv=True)


@pytest.mark.ckptcompat(inputs=[(5, 2, 6)], routes=BOTH)
def test_transformer_encoder_layer():
    return nn.TransformerEncoderLayer(6, 2, dim_feedforward=9)


@pytest.mark.ckptcompat(inputs=[(5, 3, 4)], routes=BOTH)
def test_lstm():
    return nn.LSTM(4, 6, num_layers=2, bidirectional=True, dropout=0.1)


@pytest.mark.ckptcompat(inputs=[(3, 5, 4)])
def test_gru_batch_first():
    return nn.GRU(4, 6, batch_first=True)


@pytest.mark.ckptcompat(inputs=_tokens, routes=BOTH)
def test_embedding():
    return nn.Embedding(11, 4, padding_idx=2)


@pytest.mark.ckptcompat(inputs=_tokens)
def test_embedding_bag():
    return nn.EmbeddingBag(11, 4, mode="sum")


@pytest.mark.ckptcompat(inputs=[(2, 5), (2, 4)])
def test_bilinear():
    return nn.Bilinear(5, 4, 3)


@pytest.mark.ckptcompat(inputs=[(2, 3, 5)])
def test_prelu():
    return nn.PReLU(3)


def _spread(rng):
    """Far enough apart that each unit of a layer before a ReLU is on for one of them."""
    return [4 * rng.standard_normal((9, 4)).astype("float32")]


@pytest.mark.ckptcompat(inputs=_spread, routes=[*BOTH, "module_default"])
def test_sequential():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5))


@pytest.mark.ckptcompat(inputs=[(2, 4)], routes=BOTH)
def test_sequential_gelu():
    return nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Dropout(0.2), nn.Linear(3, 5))


@pytest.mark.ckptcompat(inputs=[(2, 4)])
def test_weight_norm():
    """By a hook in old releases, which PyTorch says to replace by the parametrization."""
    parametrizations = getattr(nn.utils, "parametrizations", nn.utils)
    return getattr(parametrizations, "weight_norm", nn.utils.weight_norm)(nn.Linear(4, 3))


class TiedModel(nn.Module):
    """A language model whose last layer is its embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.rnn = nn.GRU(6, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.scale = 0.5

    def forward(self, tokens):
        hidden, last = self.rnn(self.embedding(tokens))
        return {"logits": self.head(hidden) * self.scale, "last": last}


@pytest.mark.ckptcompat(inputs=_tokens, routes=FILES)
def test_tied_model():
    return TiedModel()


@pytest.mark.ckptcompat(inputs=[(2, 3, 9, 8)], routes=FILES)
def test_small_cnn():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 5, 2, stride=2),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(30, 7),
    )
