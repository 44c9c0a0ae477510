"""What Flux's users save: a recipe for each kind of checkpoint.

Sizes are in Julia's order, the batch last. Width and height, channels in and out, stride and
padding differ wherever they can, so that a mix-up shows.
"""

import fluxnp
import numpy as np
import pytest

pytestmark = pytest.mark.ckptcompat(library="flux")


def _convtranspose(**options):
    return fluxnp.ConvTranspose((3, 3), (2, 4), fluxnp.relu, stride=2, pad=1, **options)


@pytest.mark.ckptcompat(inputs=[(5, 4, 2, 3)])
def test_convtranspose2d():
    return _convtranspose()


@pytest.mark.ckptcompat(inputs=[(5, 4, 2, 2)])
def test_convtranspose2d_asym():
    return fluxnp.ConvTranspose((3, 2), (2, 3), fluxnp.tanh, stride=(2, 3), pad=(1, 0, 1, 0))


@pytest.mark.ckptcompat(inputs=[(4, 4, 2, 2)])
def test_convtranspose2d_same():
    return fluxnp.ConvTranspose((5, 5), (2, 3), stride=2, pad=fluxnp.SamePad())


@pytest.mark.ckptcompat(inputs=[(7, 3, 2)])
def test_convtranspose1d():
    return fluxnp.ConvTranspose((4,), (3, 2), fluxnp.sigmoid, stride=2)


@pytest.mark.ckptcompat(inputs=[(5, 4, 2, 3)], since="0.14.17")
def test_convtranspose2d_outpad():
    return _convtranspose(outpad=1)


@pytest.mark.ckptcompat(inputs=[(6, 6, 3, 2)])
def test_issue2476_chain():
    # These files hold the statistics of an untrained BatchNorm, as a fresh layer does. This one
    # begins with others, so that a loader that leaves them out shows.
    norm = fluxnp.BatchNorm(4, fluxnp.leakyrelu)
    norm.mean += 1
    norm.var += 1
    return fluxnp.Chain(
        fluxnp.Conv((3, 3), (3, 4), fluxnp.leakyrelu, pad=1),
        fluxnp.Dropout(0.1),
        fluxnp.Conv((3, 3), (4, 4), fluxnp.leakyrelu, pad=1),
        fluxnp.ConvTranspose((2, 2), (4, 4), stride=2),
        norm,
    )


@pytest.mark.ckptcompat(inputs=[(7, 6, 2, 2)])
def test_conv2d():
    return fluxnp.Conv((3, 2), (2, 5), fluxnp.relu, stride=2, pad=(1, 0))


@pytest.mark.ckptcompat(inputs=[(5, 5, 2, 2)])
def test_crosscor2d():
    return fluxnp.CrossCor((3, 3), (2, 3), fluxnp.tanh, pad=1)


@pytest.mark.ckptcompat(inputs=[(6, 6, 2, 2)])
def test_depthwiseconv2d():
    return fluxnp.DepthwiseConv((3, 3), (2, 4))


@pytest.mark.ckptcompat(inputs=[(4, 5)])
def test_dense():
    return fluxnp.Dense(4, 3, fluxnp.tanh)


@pytest.mark.ckptcompat(inputs=[(4, 5)])
def test_dense_nobias():
    return fluxnp.Dense(4, 3, bias=False)


@pytest.mark.ckptcompat(inputs=[(3, 4)])
def test_bilinear():
    return fluxnp.Bilinear((3, 3), 2)


@pytest.mark.ckptcompat(inputs=[(4, 3)])
def test_scale():
    return fluxnp.Scale(4)


@pytest.mark.ckptcompat(inputs=[(6, 4)])
def test_layernorm():
    return fluxnp.LayerNorm(6)


@pytest.mark.ckptcompat(inputs=[(4, 4, 3, 2)])
def test_batchnorm():
    return fluxnp.BatchNorm(3, fluxnp.relu)


@pytest.mark.ckptcompat(inputs=[(4, 4, 3, 2)])
def test_instancenorm():
    return fluxnp.InstanceNorm(3, affine=True)


@pytest.mark.ckptcompat(inputs=[(4, 3)])
def test_mlp():
    return fluxnp.Chain(
        fluxnp.Dense(4, 8, fluxnp.relu),
        fluxnp.Dropout(0.5),
        fluxnp.LayerNorm(8),
        fluxnp.Dense(8, 2),
        fluxnp.softmax,
    )


@pytest.mark.ckptcompat(inputs=[(14, 14, 1, 2)])
def test_lenet():
    return fluxnp.Chain(
        fluxnp.Conv((3, 3), (1, 2), fluxnp.relu),
        fluxnp.MaxPool((2, 2)),
        fluxnp.Conv((3, 3), (2, 4), fluxnp.relu),
        fluxnp.MeanPool((2, 2)),
        fluxnp.flatten,
        fluxnp.Dense(16, 3),
    )


@pytest.mark.ckptcompat(inputs=[(3, 5, 2)])
def test_rnn():
    return fluxnp.RNN(3, 4)


@pytest.mark.ckptcompat(inputs=[(3, 5, 2)])
def test_lstm():
    return fluxnp.LSTM(3, 4)


@pytest.mark.ckptcompat(inputs=[(3, 5, 2)])
def test_gru():
    return fluxnp.GRU(3, 4)


# Attention gives its scores as well; a checkpoint is judged by the outputs.
@pytest.mark.ckptcompat(inputs=[(8, 5, 2)], call=lambda attention, x: attention(x)[0])
def test_mha():
    return fluxnp.MultiHeadAttention(8, nheads=2)


@pytest.mark.ckptcompat(inputs=[np.array([1, 4, 2, 6, 4])])
def test_embedding():
    return fluxnp.Embedding(6, 3)
