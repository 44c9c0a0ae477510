"""The other layers against their definitions, element by element."""

import math

import fluxnp
import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-6)


def randomised(layer, rng):
    """The layer with every float array replaced by random values, variances positive."""
    for part in fluxnp.layer.layers_within(layer):
        for name, value in vars(part).items():
            if isinstance(value, np.ndarray):
                drawn = normal(rng, *value.shape)
                value[...] = np.abs(drawn) + 0.5 if name == "var" else drawn
            elif isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
                for array in value:
                    array[...] = normal(rng, *array.shape)
    return layer


def test_dense_along_the_first_axis(rng):
    layer = randomised(fluxnp.Dense(3, 2, fluxnp.relu), rng)
    x = normal(rng, 3, 4, 5)
    y = layer(x)
    assert y.shape == (2, 4, 5)
    assert y.dtype == np.float32
    for o in range(2):
        total = sum(float(layer.weight[o, i]) * float(x[i, 3, 2]) for i in range(3))
        close(y[o, 3, 2], max(total + layer.bias[o], 0))


def test_dense_takes_a_vector(rng):
    layer = randomised(fluxnp.Dense(3, 2), rng)
    x = normal(rng, 3)
    close(layer(x), layer.weight @ x + layer.bias)


def test_bilinear_sums_over_both_inputs(rng):
    layer = randomised(fluxnp.Bilinear((3, 2), 4), rng)
    x, y = normal(rng, 3, 5), normal(rng, 2, 5)
    z = layer(x, y)
    assert z.shape == (4, 5)
    for o in range(4):
        total = float(layer.bias[o])
        for i in range(3):
            for j in range(2):
                total += float(layer.weight[o, i, j]) * float(x[i, 1]) * float(y[j, 1])
        close(z[o, 1], total)


def test_bilinear_of_one_input_takes_it_twice(rng):
    layer = randomised(fluxnp.Bilinear((3, 3), 2), rng)
    x = normal(rng, 3, 4)
    np.testing.assert_array_equal(layer(x), layer(x, x))


def test_scale_multiplies_and_shifts_the_first_axes(rng):
    layer = randomised(fluxnp.Scale(2, 3, activation=fluxnp.relu), rng)
    x = normal(rng, 2, 3, 4)
    y = layer(x)
    close(y[1, 2, 3], max(layer.scale[1, 2] * x[1, 2, 3] + layer.bias[1, 2], 0))
    assert fluxnp.Scale(3, bias=False).bias is False


def test_embedding_counts_from_1(rng):
    layer = randomised(fluxnp.Embedding(6, 3), rng)
    np.testing.assert_array_equal(layer(np.array([1, 6])), layer.weight[:, [0, 5]])
    assert layer(np.array([[1, 2], [3, 4]])).shape == (3, 2, 2)


@pytest.mark.parametrize("index", [0, 7, -1])
def test_embedding_refuses_a_number_it_does_not_have(index):
    with pytest.raises(IndexError, match="integers from 1 to 6"):
        fluxnp.Embedding(6, 3)(np.array([index]))


def test_embedding_refuses_fractions():
    with pytest.raises(IndexError, match="integers"):
        fluxnp.Embedding(6, 3)(np.array([1.0]))


def test_layernorm_changed_its_formula_in_0_15(rng):
    layer = randomised(fluxnp.LayerNorm(4, eps=0.25), rng)
    x = normal(rng, 4, 3)
    for release, formula in (
        ("0.14.25", lambda var: math.sqrt(var) + 0.25),
        ("0.15.0", lambda var: math.sqrt(var + 0.25**2)),
        ("1.0.0", lambda var: math.sqrt(var + 0.25**2)),
    ):
        with fluxnp.use_release(release):
            y = layer(x)
        for b in range(3):
            column = x[:, b].astype(float)
            mean = column.sum() / 4
            var = ((column - mean) ** 2).sum() / 4
            expected = layer.diag.scale * (column - mean) / formula(var) + layer.diag.bias
            close(y[:, b], expected)


def test_layernorm_over_several_axes_and_without_scale(rng):
    x = normal(rng, 2, 3, 4)
    y = fluxnp.LayerNorm(2, 3, affine=False)(x)
    close(y.mean((0, 1)), 0)
    close(y.std((0, 1)), 1)


def channel_norm(layer, x, mean, var):
    wide = (slice(None), np.newaxis)
    return layer.gamma[wide] * (x - mean) / np.sqrt(var + layer.eps) + layer.beta[wide]


def test_batchnorm_uses_tracked_statistics_out_of_training(rng):
    layer = randomised(fluxnp.BatchNorm(3, fluxnp.relu), rng)
    x = normal(rng, 4, 2, 3, 2)
    expected = np.maximum(channel_norm(layer, x, layer.mean[:, None], layer.var[:, None]), 0)
    close(layer(x), expected)
    close(fluxnp.testmode(layer)(x), expected)


def test_batchnorm_in_training_uses_and_tracks_those_of_the_batch(rng):
    layer = fluxnp.trainmode(randomised(fluxnp.BatchNorm(3), rng))
    before_mean, before_var = layer.mean.copy(), layer.var.copy()
    x = normal(rng, 4, 2, 3, 2)
    mean, var = x.mean((0, 1, 3), keepdims=True), x.var((0, 1, 3), keepdims=True)
    close(layer(x), channel_norm(layer, x, mean[0, 0], var[0, 0]))
    close(layer.mean, 0.9 * before_mean + 0.1 * mean.ravel())
    close(layer.var, 0.9 * before_var + 0.1 * var.ravel() * 16 / 15)


def test_batchnorm_takes_features_by_batch(rng):
    layer = fluxnp.trainmode(fluxnp.BatchNorm(3))
    y = layer(normal(rng, 3, 50))
    close(y.mean(1), 0)


def test_batchnorm_refuses_other_channels():
    with pytest.raises(ValueError, match="BatchNorm has 3 channels"):
        fluxnp.BatchNorm(3)(np.zeros((4, 4, 2, 1)))


def test_instancenorm_takes_each_sample_alone(rng):
    layer = randomised(fluxnp.InstanceNorm(3, affine=True), rng)
    x = normal(rng, 4, 5, 3, 2)
    mean, var = x.mean((0, 1), keepdims=True), x.var((0, 1), keepdims=True)
    close(layer(x), channel_norm(layer, x, mean, var))


def test_instancenorm_can_track(rng):
    layer = fluxnp.InstanceNorm(3, track_stats=True)
    x = normal(rng, 4, 5, 3, 2)
    close(layer(x), x / np.sqrt(np.float32(1 + 1e-5)))
    fluxnp.trainmode(layer)(x)
    close(layer.mean, 0.1 * x.mean((0, 1, 3)))
    close(layer.var, 0.9 + 0.1 * x.var((0, 1)).mean(-1) * 20 / 19)


def test_groupnorm_groups_neighbouring_channels(rng):
    layer = randomised(fluxnp.GroupNorm(4, 2), rng)
    x = normal(rng, 3, 2, 4, 2)
    y = layer(x)
    for first in (0, 2):
        part = x[:, :, first : first + 2]
        mean, var = part.mean((0, 1, 2), keepdims=True), part.var((0, 1, 2), keepdims=True)
        normalised = (part - mean) / np.sqrt(var + layer.eps)
        gamma, beta = (v[first : first + 2, np.newaxis] for v in (layer.gamma, layer.beta))
        close(y[:, :, first : first + 2], gamma * normalised + beta)


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="3 groups do not divide 4 channels"):
        fluxnp.GroupNorm(4, 3)


def sigma(value):
    return 1 / (1 + math.exp(-value))


def run_cell(layer, x, step):
    """A sequence of one sample through ``step``, from the cell's own initial state."""
    states = layer.cell.state0 if isinstance(layer.cell.state0, tuple) else (layer.cell.state0,)
    hidden = tuple(s[:, 0].astype(float) for s in states)
    outputs = []
    for t in range(x.shape[1]):
        hidden = step(layer.cell, x[:, t].astype(float), hidden)
        outputs.append(hidden[0])
    return np.stack(outputs, 1)


def rnn_step(cell, x, hidden):
    return (np.tanh(cell.Wi @ x + cell.Wh @ hidden[0] + cell.bias),)


def lstm_step(cell, x, hidden):
    h, c = hidden
    n = len(h)
    total = cell.Wi @ x + cell.Wh @ h + cell.bias
    c = np.array(
        [
            sigma(total[n + i]) * c[i] + sigma(total[i]) * math.tanh(total[2 * n + i])
            for i in range(n)
        ]
    )
    return np.array([sigma(total[3 * n + i]) * math.tanh(c[i]) for i in range(n)]), c


def gru_step(cell, x, hidden):
    (h,) = hidden
    n = len(h)
    gx, gh, b = cell.Wi @ x, cell.Wh @ h, cell.bias
    new = []
    for i in range(n):
        reset = sigma(gx[i] + gh[i] + b[i])
        update = sigma(gx[n + i] + gh[n + i] + b[n + i])
        candidate = math.tanh(gx[2 * n + i] + reset * gh[2 * n + i] + b[2 * n + i])
        new.append((1 - update) * candidate + update * h[i])
    return (np.array(new),)


@pytest.mark.parametrize(
    ("make", "step"), [(fluxnp.RNN, rnn_step), (fluxnp.LSTM, lstm_step), (fluxnp.GRU, gru_step)]
)
def test_a_recurrent_layer_folds_its_cell_over_time(make, step, rng):
    layer = randomised(make(3, 4), rng)
    x = normal(rng, 3, 5, 2)
    y = layer(x)
    assert y.shape == (4, 5, 2)
    assert y.dtype == np.float32
    for b in range(2):
        close(y[:, :, b], run_cell(layer, x[:, :, b], step))
    close(layer(x[:, :, 1]), y[:, :, 1])


@pytest.mark.parametrize("make", [fluxnp.RNN, fluxnp.LSTM, fluxnp.GRU])
def test_every_call_starts_afresh(make, rng):
    layer = make(3, 4)
    x = normal(rng, 3, 5, 2)
    np.testing.assert_array_equal(layer(x), layer(x))


def test_a_sequence_of_other_features_is_refused():
    with pytest.raises(ValueError, match=r"RNN takes \(3, time, batch\)"):
        fluxnp.RNN(3, 4)(np.zeros((4, 5, 2)))


def test_the_forget_gate_of_an_lstm_starts_open_until_0_14():
    with fluxnp.use_release("0.14.25"):
        np.testing.assert_array_equal(fluxnp.LSTM(1, 2).cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])
    with fluxnp.use_release("0.15.0"):
        np.testing.assert_array_equal(fluxnp.LSTM(1, 2).cell.bias, np.zeros(8))


def test_attention_mixes_values_by_the_softmax_of_scores(rng):
    layer = randomised(fluxnp.MultiHeadAttention((4, (6, 2), 3), nheads=2), rng)
    query, key, value = normal(rng, 4, 3, 2), normal(rng, 4, 5, 2), normal(rng, 4, 5, 2)
    y, scores = layer(query, key, value)
    assert y.shape == (3, 3, 2)
    assert scores.shape == (5, 3, 2, 2)
    for b in range(2):
        q = layer.q_proj.weight @ query[:, :, b]
        k = layer.k_proj.weight @ key[:, :, b]
        v = layer.v_proj.weight @ value[:, :, b]
        mixed = np.zeros((2, 3))
        for head in range(2):
            rows = slice(3 * head, 3 * head + 3)
            logits = k[rows].T @ q[rows] / math.sqrt(3)
            weights = np.exp(logits) / np.exp(logits).sum(0)
            close(scores[:, :, head, b], weights)
            mixed[head] = v[head] @ weights
        close(y[:, :, b], layer.out_proj.weight @ mixed)


def test_attention_of_one_input_is_self_attention(rng):
    layer = fluxnp.MultiHeadAttention(8, nheads=2)
    x = normal(rng, 8, 5, 2)
    np.testing.assert_array_equal(layer(x)[0], layer(x, x, x)[0])


def test_a_masked_key_gets_no_attention(rng):
    layer = fluxnp.MultiHeadAttention(8, nheads=2)
    mask = np.ones((5, 5, 1, 1), bool)
    mask[3] = False
    assert (layer(normal(rng, 8, 5, 2), mask=mask)[1][3] == 0).all()


def test_heads_that_do_not_divide_the_features_are_refused():
    with pytest.raises(ValueError, match="3 heads do not divide"):
        fluxnp.MultiHeadAttention(8, nheads=3)


@pytest.mark.parametrize("largest", [True, False])
def test_pooling_looks_at_each_window(largest, rng):
    make = fluxnp.MaxPool if largest else fluxnp.MeanPool
    x = normal(rng, 6, 5, 2, 2) - 3  # below zero: padding must not win a maximum
    y = make((3, 2), pad=(1, 0, 0, 1), stride=2)(x)
    padded = np.pad(x, ((1, 0), (0, 1), (0, 0), (0, 0)), constant_values=-np.inf if largest else 0)
    assert y.shape == (3, 3, 2, 2)
    for i in range(3):
        for j in range(3):
            window = padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
            close(y[i, j], window.max((0, 1)) if largest else window.mean((0, 1)))


def test_pooling_steps_by_its_window_by_default():
    layer = fluxnp.MaxPool((2, 3))
    assert layer.stride == (2, 3)
    assert layer(np.zeros((4, 7, 1, 1))).shape == (2, 2, 1, 1)


def test_same_pad_of_a_pool():
    assert fluxnp.MeanPool((3, 2), pad=fluxnp.SamePad()).pad == (1, 1, 1, 0)


@pytest.mark.parametrize("make", [fluxnp.AdaptiveMaxPool, fluxnp.AdaptiveMeanPool])
def test_adaptive_pooling_reaches_its_size(make, rng):
    x = normal(rng, 7, 4, 2, 1)
    y = make((3, 2))(x)
    assert y.shape == (3, 2, 2, 1)
    reduce = np.max if make is fluxnp.AdaptiveMaxPool else np.mean
    close(y[2, 1], reduce(x[4:7, 2:4], (0, 1)))
    with pytest.raises(ValueError, match="cannot be pooled"):
        make((8, 2))(x)


def test_global_pooling_leaves_one_of_each_spatial_axis(rng):
    x = normal(rng, 3, 4, 2, 5)
    close(fluxnp.GlobalMaxPool()(x), x.max((0, 1), keepdims=True))
    close(fluxnp.GlobalMeanPool()(x), x.mean((0, 1), keepdims=True))


def test_dropout_hands_its_input_on_out_of_training(rng):
    x = normal(rng, 4, 3)
    for layer in (fluxnp.Dropout(0.5), fluxnp.AlphaDropout(0.5)):
        assert layer(x) is x
        assert fluxnp.testmode(layer)(x) is x


def test_dropout_in_training_drops_or_scales():
    layer = fluxnp.trainmode(fluxnp.Dropout(0.25, rng=np.random.default_rng(0)))
    y = layer(np.ones((50, 40), np.float32))
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert 0.2 < (y == 0).mean() < 0.3


def test_dropout_along_an_axis_drops_whole_slices():
    layer = fluxnp.trainmode(fluxnp.Dropout(0.5, dims=2, rng=np.random.default_rng(0)))
    y = layer(np.ones((5, 40), np.float32))
    assert (y == y[:1]).all()
    assert 0 < (y[0] == 0).sum() < 40


def test_alpha_dropout_keeps_mean_and_deviation():
    layer = fluxnp.trainmode(fluxnp.AlphaDropout(0.3, rng=np.random.default_rng(0)))
    y = layer(np.random.default_rng(1).standard_normal(20000).astype(np.float32))
    assert abs(y.mean()) < 0.03
    assert abs(y.std() - 1) < 0.03


def test_a_probability_above_1_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        fluxnp.Dropout(1.5)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (fluxnp.MultiHeadAttention(8, nheads=2), r"attention takes \(feature, length, batch\)"),
        (fluxnp.MaxPool((2, 2)), "2 axes; 2 spatial ones, channel and batch fit"),
        (fluxnp.AdaptiveMaxPool((2, 2)), "cannot be pooled"),
    ],
)
def test_an_input_of_too_few_axes_is_refused(layer, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros((8, 5)))


def test_a_bias_can_be_given_if_it_fits():
    np.testing.assert_array_equal(fluxnp.Dense(3, 2, bias=[1, 2]).bias, [1, 2])
    with pytest.raises(ValueError, match=r"the bias has shape \(3,\); the layer's is \(2,\)"):
        fluxnp.Dense(3, 2, bias=np.ones(3))


def test_alpha_dropout_of_everything_is_zero():
    layer = fluxnp.trainmode(fluxnp.AlphaDropout(1.0))
    assert not layer(np.ones(4, np.float32)).any()
