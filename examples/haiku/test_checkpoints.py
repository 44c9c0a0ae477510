"""What Haiku's users save: params and state, as nested dicts, which they put into ``apply``.

Sizes differ wherever they can, so that a mix-up shows. Normalisation is told by ``running_init``
to update its statistics while it is initialised, and to use them afterwards.
"""

import pytest

hk = pytest.importorskip("haiku", reason="the recipes of haiku need dm-haiku")
jax = pytest.importorskip("jax", reason="the recipes of haiku need jax")
jnp = jax.numpy

pytestmark = pytest.mark.ckptcompat(library="haiku")

BOTH = ["state", "pickle"]


@pytest.mark.ckptcompat(inputs=[(2, 3)], routes=BOTH)
def test_linear():
    return hk.transform(lambda x: hk.Linear(5)(x))


@pytest.mark.ckptcompat(inputs=[(2, 3)])
def test_linear_with_params():
    """Initialised here, with a key of its own."""
    net = hk.transform(lambda x: hk.Linear(5)(x))
    return net, net.init(jax.random.PRNGKey(3), jnp.ones((2, 3)))


@pytest.mark.ckptcompat(inputs=[(2, 7, 6, 4)])
def test_conv2d():
    return hk.transform(
        lambda x: hk.Conv2D(6, (3, 2), stride=(2, 1), padding="VALID", feature_group_count=2)(x)
    )


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)], routes=BOTH)
def test_conv2d_transpose():
    return hk.transform(lambda x: hk.Conv2DTranspose(4, (3, 2), stride=(2, 3))(x))


@pytest.mark.ckptcompat(inputs=[(2, 5, 4, 3)], exact=True)
def test_conv2d_transpose_exact():
    return hk.transform(lambda x: hk.Conv2DTranspose(4, (3, 2), stride=(2, 1), padding="VALID")(x))


@pytest.mark.ckptcompat(inputs=[(3, 4)], routes=BOTH)
def test_batch_norm():
    return hk.transform_with_state(
        lambda x: hk.BatchNorm(True, True, 0.9)(x, is_training=hk.running_init())
    )


@pytest.mark.ckptcompat(inputs=[(2, 5)])
def test_layer_norm():
    return hk.transform(lambda x: hk.LayerNorm(-1, True, True)(x))


@pytest.mark.ckptcompat(inputs=[(2, 5, 3, 6)])
def test_group_norm():
    return hk.transform(lambda x: hk.GroupNorm(3)(x))


@pytest.mark.ckptcompat(inputs=[(5, 6), (7, 6), (7, 6)])
def test_multi_head_attention():
    def attend(query, key, value):
        initial = hk.initializers.VarianceScaling(2.0)
        return hk.MultiHeadAttention(2, 3, w_init=initial)(query, key, value)

    return hk.transform(attend)


def _unrolled(make):
    """A transformed function that runs a core over a sequence."""

    def run(xs):
        core = make(4)
        return hk.dynamic_unroll(core, xs, core.initial_state(2))[0]

    return hk.transform(run)


@pytest.mark.ckptcompat(inputs=[(5, 2, 3)])
def test_lstm():
    return _unrolled(hk.LSTM)


@pytest.mark.ckptcompat(inputs=[(5, 2, 3)])
def test_gru():
    return _unrolled(hk.GRU)


@pytest.mark.ckptcompat(inputs=lambda rng: [rng.permutation(8).reshape(2, 4) % 7])
def test_embedding():
    return hk.transform(lambda tokens: hk.Embed(7, 4)(tokens))


@pytest.mark.ckptcompat(inputs=[(6, 9, 8, 3)], routes=BOTH)
def test_small_cnn():
    """A classifier that gives its features as well."""

    def classify(x):
        x = hk.Conv2D(4, 3, stride=2, with_bias=False)(x)
        x = hk.BatchNorm(True, True, 0.9)(x, is_training=hk.running_init())
        features = hk.Conv2DTranspose(5, 2, stride=2)(jax.nn.relu(x))
        head = hk.nets.MLP([6, 7], activation=jnp.tanh)
        return head(jnp.mean(features, axis=(1, 2))), features

    return hk.transform_with_state(classify)
