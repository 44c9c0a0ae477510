"""Convolutions against slow loops, written from the definition."""

import itertools

import fluxnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def integers(rng, *shape):
    """Small integers: float32 sums of their products are exact, in any order."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def positions(shape):
    return itertools.product(*map(range, shape))


def slow_conv(x, weight, *, stride, pad, dilation, groups, flip=True):
    """y[o, n] = Σ x[o·stride + t·dilation − low, c] · w[K − 1 − t, c, n], zero outside x."""
    n = weight.ndim - 2
    kernel, per_group = weight.shape[:n], weight.shape[-1] // groups
    out = tuple(
        (x.shape[i] + pad[i][0] + pad[i][1] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1
        for i in range(n)
    )
    y = np.zeros((*out, weight.shape[-1], x.shape[-1]))
    for o in positions(out):
        for t in positions(kernel):
            at = tuple(o[i] * stride[i] + t[i] * dilation[i] - pad[i][0] for i in range(n))
            if not all(0 <= at[i] < x.shape[i] for i in range(n)):
                continue
            tap = tuple(kernel[i] - 1 - t[i] if flip else t[i] for i in range(n))
            for channel in range(weight.shape[-1]):
                first = channel // per_group * weight.shape[-2]
                for c in range(weight.shape[-2]):
                    y[(*o, channel)] += x[(*at, first + c)] * weight[(*tap, c, channel)]
    return y


def slow_transpose(x, weight, *, stride, pad, dilation, groups, outpad):
    """Each x[i, c] adds x · w[K − 1 − t, n, c] at i·stride + t·dilation − low."""
    n = weight.ndim - 2
    kernel, per_group = weight.shape[:n], weight.shape[-2]
    inputs = weight.shape[-1] // groups
    out = tuple(
        (x.shape[i] - 1) * stride[i] + 1 + (kernel[i] - 1) * dilation[i] - sum(pad[i]) + outpad[i]
        for i in range(n)
    )
    y = np.zeros((*out, per_group * groups, x.shape[-1]))
    for i in positions(x.shape[:n]):
        for t in positions(kernel):
            at = tuple(i[a] * stride[a] + t[a] * dilation[a] - pad[a][0] for a in range(n))
            if not all(0 <= at[a] < out[a] for a in range(n)):
                continue
            tap = tuple(kernel[a] - 1 - t[a] for a in range(n))
            for c in range(weight.shape[-1]):
                first = c // inputs * per_group
                for channel in range(per_group):
                    y[(*at, first + channel)] += x[(*i, c)] * weight[(*tap, channel, c)]
    return y


@st.composite
def geometries(draw):
    """Kernel, stride, padding, dilation, groups in 1 to 3 dimensions, and a large enough x."""
    n = draw(st.integers(1, 3))
    per_axis = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(n))  # noqa: E731
    kernel, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    pad = tuple(zip(per_axis(0, 2), per_axis(0, 2), strict=True))
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    extra = per_axis(0, 2)
    size = tuple(max(1, r - sum(p)) + e for r, p, e in zip(reach, pad, extra, strict=True))
    return {
        "n": n,
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
        "pad": pad,
        "size": size,
        "groups": draw(st.sampled_from([1, 2])),
        "rng": np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
    }


def options(g):
    return {name: g[name] for name in ("stride", "pad", "dilation", "groups")}


def flat(pad):
    return tuple(side for pair in pad for side in pair)


@settings(deadline=None, max_examples=40)
@given(geometries())
def test_conv_is_the_sum_that_defines_it(g):
    layer = fluxnp.Conv(
        g["kernel"],
        (2 * g["groups"], 3 * g["groups"]),
        stride=g["stride"],
        pad=flat(g["pad"]),
        dilation=g["dilation"],
        groups=g["groups"],
        init=lambda *shape: integers(g["rng"], *shape),
        bias=False,
    )
    x = integers(g["rng"], *g["size"], 2 * g["groups"], 2)
    expected = slow_conv(x, layer.weight, **options(g))
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected)


@settings(deadline=None, max_examples=40)
@given(geometries(), st.integers(0, 2))
def test_convtranspose_is_the_sum_that_defines_it(g, outpad):
    size = tuple(max(s, 2) for s in g["size"])
    layer = fluxnp.ConvTranspose(
        g["kernel"],
        (3 * g["groups"], 2 * g["groups"]),
        stride=g["stride"],
        pad=flat(g["pad"]),
        dilation=g["dilation"],
        groups=g["groups"],
        outpad=outpad,
        init=lambda *shape: integers(g["rng"], *shape),
        bias=False,
    )
    x = integers(g["rng"], *size, 3 * g["groups"], 2)
    full = [
        (s - 1) * t + 1 + (k - 1) * d - sum(p) + outpad
        for s, t, k, d, p in zip(
            size, g["stride"], g["kernel"], g["dilation"], g["pad"], strict=True
        )
    ]
    if min(full) < 1:
        with pytest.raises(ValueError, match="leaves nothing"):
            layer(x)
        return
    expected = slow_transpose(x, layer.weight, **options(g), outpad=(outpad,) * g["n"])
    y = layer(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, expected)


@settings(deadline=None, max_examples=60)
@given(geometries())
def test_convtranspose_is_the_adjoint_of_conv(g):
    """⟨conv(x), y⟩ = ⟨x, convtranspose(y)⟩, with the outpad that gives x its size back."""
    rng, groups = g["rng"], g["groups"]
    common = {
        **options(g),
        "pad": flat(g["pad"]),
        "bias": False,
        "init": lambda *shape: integers(rng, *shape),
    }
    conv = fluxnp.Conv(g["kernel"], (2 * groups, 3 * groups), **common)
    x = integers(rng, *g["size"], 2 * groups, 2)
    forward = conv(x)
    outpad = tuple(
        (s + sum(p) - (k - 1) * d - 1) % t
        for s, p, k, d, t in zip(
            g["size"], g["pad"], g["kernel"], g["dilation"], g["stride"], strict=True
        )
    )
    transpose = fluxnp.ConvTranspose(g["kernel"], (3 * groups, 2 * groups), outpad=outpad, **common)
    transpose.weight = conv.weight
    y = integers(rng, *forward.shape)
    back = transpose(y)
    assert back.shape == x.shape
    assert np.vdot(forward, y) == np.vdot(x, back)


def test_crosscor_does_not_turn_the_kernel_round():
    rng = np.random.default_rng(1)
    layer = fluxnp.CrossCor(
        (3, 2), (2, 3), stride=(1, 2), pad=1, init=lambda *s: integers(rng, *s), bias=False
    )
    x = integers(rng, 5, 4, 2, 2)
    expected = slow_conv(
        x,
        layer.weight,
        stride=(1, 2),
        pad=((1, 1), (1, 1)),
        dilation=(1, 1),
        groups=1,
        flip=False,
    )
    np.testing.assert_array_equal(layer(x), expected)


def test_depthwise_conv_keeps_channels_apart():
    rng = np.random.default_rng(2)
    layer = fluxnp.DepthwiseConv((2, 2), (2, 4), init=lambda *s: integers(rng, *s))
    x = integers(rng, 3, 3, 2, 1)
    before = layer(x)
    x[:, :, 1] = 7
    after = layer(x)
    np.testing.assert_array_equal(before[:, :, :2], after[:, :, :2])
    assert (before[:, :, 2:] != after[:, :, 2:]).any()


def test_bias_then_activation_follow_the_convolution():
    rng = np.random.default_rng(3)
    for make in (fluxnp.Conv, fluxnp.CrossCor, fluxnp.ConvTranspose):
        plain = make((2, 2), (2, 3), init=lambda *s: integers(rng, *s), bias=False)
        full = make((2, 2), (2, 3), fluxnp.relu, bias=np.array([1.0, -2.0, 3.0]))
        full.weight = plain.weight
        x = integers(rng, 4, 3, 2, 2)
        bias = np.array([1, -2, 3])[:, np.newaxis]
        np.testing.assert_array_equal(full(x), np.maximum(plain(x) + bias, 0))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_pad_keeps_the_size_at_stride_1(kernel, dilation):
    x = np.zeros((9, 1, 1), np.float32)
    options = {"pad": fluxnp.SamePad(), "dilation": dilation}
    assert fluxnp.Conv((kernel,), (1, 1), **options)(x).shape == x.shape
    assert fluxnp.ConvTranspose((kernel,), (1, 1), **options)(x).shape == x.shape


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (4, 2), (3, 3), (7, 3)])
def test_same_pad_of_a_transpose_multiplies_the_size_by_the_stride(kernel, stride):
    layer = fluxnp.ConvTranspose((kernel,), (1, 1), stride=stride, pad=fluxnp.SamePad())
    assert layer(np.zeros((6, 1, 1))).shape == (6 * stride, 1, 1)


def test_same_pad_gives_the_larger_half_to_the_low_side():
    assert fluxnp.Conv((4, 3), (1, 1), pad=fluxnp.SamePad()).pad == (2, 1, 1, 1)
    transpose = fluxnp.ConvTranspose((5, 5), (1, 1), stride=2, pad=fluxnp.SamePad())
    assert transpose.pad == (2, 1, 2, 1)


def test_pad_is_kept_as_a_pair_per_axis_or_as_it_was_given():
    assert fluxnp.Conv((3, 3), (1, 1), pad=1).pad == (1, 1, 1, 1)
    assert fluxnp.Conv((3, 3), (1, 1), pad=(1, 0)).pad == (1, 0)
    assert fluxnp.Conv((3, 3), (1, 1), pad=(1, 0, 2, 1)).pad == (1, 0, 2, 1)


def test_one_pad_per_axis_means_both_sides():
    x = integers(np.random.default_rng(4), 5, 4, 2, 1)
    for make in (fluxnp.Conv, fluxnp.ConvTranspose):
        short = make((3, 3), (2, 3), pad=(1, 0))
        long = make((3, 3), (2, 3), pad=(1, 1, 0, 0))
        long.weight = short.weight
        np.testing.assert_array_equal(short(x), long(x))


def test_before_0_14_17_a_transpose_needs_both_sides():
    with fluxnp.use_release("0.14.16"):
        layer = fluxnp.ConvTranspose((3, 3), (2, 3), pad=(1, 0))
        with pytest.raises(ValueError, match="4 entries, not 2"):
            layer(np.zeros((5, 4, 2, 1)))


def test_before_0_14_17_there_is_no_outpad():
    with fluxnp.use_release("0.14.16"), pytest.raises(TypeError, match=r"came with 0\.14\.17"):
        fluxnp.ConvTranspose((3, 3), (2, 3), outpad=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "2 groups do not divide"),
        ({"pad": (1, 2, 3)}, "pad has 3 entries"),
        ({"stride": (1, 1, 1)}, "stride .* has 3 entries, not 2"),
        ({"stride": 0}, "at least 1"),
    ],
)
def test_a_geometry_that_makes_no_sense_is_refused(options, message):
    for make in (fluxnp.Conv, fluxnp.ConvTranspose):
        with pytest.raises(ValueError, match=message):
            make((3, 3), (3, 3), **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 5, 2), "3 axes"),
        ((5, 5, 3, 1), "3 channels; the layer takes 2"),
        ((2, 5, 2, 1), "smaller than the kernel"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        fluxnp.Conv((3, 3), (2, 3))(np.zeros(shape))


def test_weights_have_the_layouts_of_julia():
    assert fluxnp.Conv((3, 2), (4, 6), groups=2).weight.shape == (3, 2, 2, 6)
    assert fluxnp.ConvTranspose((3, 2), (4, 6), groups=2).weight.shape == (3, 2, 3, 4)
    assert fluxnp.DepthwiseConv((3, 2), (4, 8)).weight.shape == (3, 2, 1, 8)
    assert fluxnp.CrossCor((3, 2), (4, 6)).weight.shape == (3, 2, 4, 6)


def test_init_and_rng_decide_the_weights():
    ones = fluxnp.Conv((2, 2), (1, 1), init=fluxnp.ones32)
    assert (ones.weight == 1).all()
    first, second = (
        fluxnp.Conv((2, 2), (1, 1), rng=np.random.default_rng(7)).weight for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="init gave an array of shape"):
        fluxnp.Conv((2, 2), (1, 1), init=lambda *_: np.ones(3))


def test_seed_repeats_the_default_weights():
    fluxnp.seed(5)
    first = fluxnp.Conv((2, 2), (1, 1)).weight
    unseeded = fluxnp.Conv((2, 2), (1, 1)).weight
    fluxnp.seed(5)
    np.testing.assert_array_equal(first, fluxnp.Conv((2, 2), (1, 1)).weight)
    assert (first != unseeded).any()
