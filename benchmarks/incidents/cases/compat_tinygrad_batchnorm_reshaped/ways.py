"""How tinygrad's layers are read, restored and run: what the configuration names.

The interpreter runs everywhere; other backends need a compiler.
"""

import os

os.environ.update(DEV="PYTHON", PYTHON="1")

from tinygrad import Tensor
from tinygrad.nn.state import (
    get_state_dict,
    load_state_dict,
    safe_load,
    safe_save,
)


def built(layer):
    """The layer with its tensors in memory."""
    for tensor in get_state_dict(layer).values():
        tensor.realize()
    return layer


def state(layer):
    return {name: tensor.numpy() for name, tensor in get_state_dict(layer).items()}


def load(layer, saved):
    tensors = {name: Tensor(array) for name, array in saved.items()}
    load_state_dict(layer, tensors, verbose=False)


def save(layer, path):
    safe_save(get_state_dict(layer), str(path))


def restore(layer, path):
    load_state_dict(layer, safe_load(str(path)), verbose=False)


def forward(layer, x):
    return layer(Tensor(x)).numpy()


def inference(_):
    Tensor.training = False
