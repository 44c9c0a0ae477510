"""What a golden is told that it could not catch."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.recording import advice
from pytest_ckptcompat.state import Tree

F = np.float32
ODD = np.arange(6, dtype=F).reshape(2, 3)


def about(state, inputs=ODD):
    golden = Golden(
        "net",
        Tree.of(state),
        Tree.of({"args": (inputs,), "kwargs": {}}),
        Tree.of(np.arange(3, dtype=F)),
    )
    return list(advice.about(golden))


def test_arrays_that_differ_in_every_way_need_no_advice():
    assert about({"weight": ODD, "bias": ODD[0] + 1, "stride": 2, "pad": (1, 0)}) == []


SYMMETRIC = np.array([[1, 2], [2, 3]], F)
WEAK = {
    "a square kernel": ({"w": np.arange(27, dtype=F).reshape(3, 3, 3)}, "has 3 along two axes"),
    "as many channels in as out": ({"w": ODD[:2, :2]}, "has 2 along two axes"),
    "a symmetric matrix": ({"w": SYMMETRIC}, "w is symmetric: its transpose is the same"),
    "a zero bias": ({"bias": np.zeros(3, F)}, "bias is zero everywhere: whether it is loaded"),
    "a constant scale": ({"scale": np.full(3, 2, F)}, "scale is 2.0 everywhere: elements out of"),
    "an untrained mean": ({"running_mean": np.zeros(3, F)}, "0.0 everywhere, as in a layer that"),
    "an untrained variance": ({"σ²": np.ones(3, F)}, "1.0 everywhere, as in a layer that saw no"),
    "a stride of one": ({"w": ODD, "stride": (1, 1)}, "stride is (1, 1): choose one that"),
    "no padding": ({"w": ODD, "padding": 0}, "padding is 0: choose one that changes"),
}


@pytest.mark.parametrize(("state", "said"), WEAK.values(), ids=WEAK)
def test_a_weak_state_is_told(state, said):
    assert any(said in sentence for sentence in about(state)), about(state)


def test_a_weak_input_is_told():
    assert any("the input args/0 is symmetric" in s for s in about({"w": ODD}, SYMMETRIC))
    assert any("the input args/0 is zero everywhere" in s for s in about({"w": ODD}, 0 * ODD))


def test_one_element_alone_is_no_weakness():
    assert about({"w": ODD, "running_mean": np.zeros(1, F), "alpha": np.zeros((), F)}) == []
