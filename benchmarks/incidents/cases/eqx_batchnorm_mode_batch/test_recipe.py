"""Batch normalisation as its documentation recommends it, with its state beside it."""

import inspect

import equinox as eqx
import pytest


@pytest.mark.ckptcompat(inputs=[(4,)])
def test_batch_norm():
    known = inspect.signature(eqx.nn.BatchNorm.__init__).parameters
    mode = {"mode": "batch"} if "mode" in known else {}
    return eqx.nn.make_with_state(eqx.nn.BatchNorm)(4, "batch", **mode)
