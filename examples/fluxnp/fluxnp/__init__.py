"""fluxnp: the layers of Flux.jl in NumPy, as each of its releases saves and loads them.

Arrays are in Julia's order, the batch last: images are (width, height, channel, batch). All
weights are float32. ``use_release`` chooses the release whose fields, loader and arithmetic
are in force; by default it is fluxnp's own, which loads the states of all of them.
"""

from fluxnp.activations import (
    elu,
    flatten,
    gelu,
    hardsigmoid,
    hardtanh,
    identity,
    leakyrelu,
    logsoftmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)
from fluxnp.attention import MultiHeadAttention
from fluxnp.compose import Chain, Maxout, Parallel, SkipConnection
from fluxnp.conv import Conv, ConvTranspose, CrossCor, DepthwiseConv, SamePad
from fluxnp.dense import Bilinear, Dense, Embedding, Scale
from fluxnp.dropout import AlphaDropout, Dropout
from fluxnp.errors import ArgumentError, DimensionMismatch, ErrorException
from fluxnp.initialise import glorot_uniform, ones32, randn32, seed, zeros32
from fluxnp.layer import Layer, testmode, trainmode
from fluxnp.loading import loadmodel
from fluxnp.normalise import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from fluxnp.pooling import (
    AdaptiveMaxPool,
    AdaptiveMeanPool,
    GlobalMaxPool,
    GlobalMeanPool,
    MaxPool,
    MeanPool,
)
from fluxnp.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from fluxnp.releases import RELEASES, release, use_release
from fluxnp.saving import state

__version__ = "1.0.0"

__all__ = [
    "GRU",
    "LSTM",
    "RELEASES",
    "RNN",
    "AdaptiveMaxPool",
    "AdaptiveMeanPool",
    "AlphaDropout",
    "ArgumentError",
    "BatchNorm",
    "Bilinear",
    "Chain",
    "Conv",
    "ConvTranspose",
    "CrossCor",
    "Dense",
    "DepthwiseConv",
    "DimensionMismatch",
    "Dropout",
    "Embedding",
    "ErrorException",
    "GRUCell",
    "GlobalMaxPool",
    "GlobalMeanPool",
    "GroupNorm",
    "InstanceNorm",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Maxout",
    "MeanPool",
    "MultiHeadAttention",
    "Parallel",
    "RNNCell",
    "SamePad",
    "Scale",
    "SkipConnection",
    "elu",
    "flatten",
    "gelu",
    "glorot_uniform",
    "hardsigmoid",
    "hardtanh",
    "identity",
    "leakyrelu",
    "loadmodel",
    "logsoftmax",
    "mish",
    "ones32",
    "randn32",
    "release",
    "relu",
    "relu6",
    "seed",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "state",
    "swish",
    "tanh",
    "testmode",
    "trainmode",
    "use_release",
    "zeros32",
]
