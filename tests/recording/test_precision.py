"""Exact recipes, and what a pass in double precision adds to a budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.recording import precision
from pytest_ckptcompat.recording.make import RecordError, make
from pytest_ckptcompat.state import Tree

F = np.float32
EXACT = Recipe("net", Library("mylayers"), inputs=[(3, 5)], exact=True)
PLAIN = Recipe("net", Library("mylayers"), inputs=[(3, 5)])


class Net:
    act = staticmethod(lambda y: y)

    def __init__(self):
        self.w = np.random.default_rng(3).normal(size=(2, 3)).astype("f4")
        self.b = np.zeros(2, "f4")

    def __call__(self, x):
        return type(self).act(self.w @ x + self.b[:, None])


def with_(act):
    return type("Other", (Net,), {"act": staticmethod(act)})


class Single(PlainAdapter):
    """Has no double precision."""

    double = None


@pytest.mark.parametrize("adapter", [PlainAdapter, Single])
@pytest.mark.parametrize("act", [lambda y: y, lambda y: np.maximum(y, 0), lambda y: y.mean(0)])
def test_sums_and_products_are_recorded_exactly(adapter, act):
    golden = make(EXACT, adapter(), with_(act), Path()).golden
    outputs = golden.outputs.plain()
    assert (outputs * 2 == np.rint(outputs * 2)).all()
    assert all((abs(a) <= 4).all() for a in golden.state.arrays().values())


TRANSCENDENTAL = {
    "tanh": np.tanh,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "softmax": lambda y: np.exp(y) / np.exp(y).sum(0),
    "normalisation": lambda y: (y - y.mean()) / np.sqrt(y.var() + F(1e-5)),
    "a mean over three": lambda y: (y[:, :3]).sum(1) / F(3),
    "NaN": lambda y: y / F(0) * 0,
}


@pytest.mark.parametrize("adapter", [PlainAdapter, Single])
@pytest.mark.parametrize("act", TRANSCENDENTAL.values(), ids=TRANSCENDENTAL)
@pytest.mark.filterwarnings("ignore")
def test_arithmetic_that_rounds_is_refused_with_a_reason(adapter, act):
    with pytest.raises(RecordError, match="is marked exact, but its arithmetic is not: the output"):
        make(EXACT, adapter(), with_(act), Path())


def test_sums_too_large_for_single_precision_are_refused_where_double_tells():
    squared = with_(lambda y: y**9)
    with pytest.raises(RecordError, match=r"in double precision \d+"):
        make(EXACT, PlainAdapter(), squared, Path())


def test_an_exact_golden_finds_a_swapped_kernel_and_any_other_bit():
    golden = make(EXACT, PlainAdapter(), Net, Path()).golden

    def stages(build):
        found = check(golden, EXACT, PlainAdapter(), "state", build).findings
        return [finding.stage for finding in found]

    assert stages(Net) == []
    reordered = type(
        "R", (Net,), {"__call__": lambda s, x: (s.w[:, ::-1] @ x[::-1]).T.T + s.b[:, None]}
    )
    assert stages(reordered) == []
    assert stages(with_(lambda y: np.nextafter(y, F(np.inf)))) == ["forward"]


def budget_of(build, adapter):
    golden = make(PLAIN, adapter, build, Path()).golden
    return golden.budgets[""].values()


def test_double_precision_shows_the_rounding_of_intermediate_results():
    def cancelling(y):
        return (y + F(1000)) - F(1000)

    alone, both = (budget_of(with_(cancelling), adapter) for adapter in (Single(), PlainAdapter()))
    assert both.max() > 20 * np.finfo(F).eps
    assert (both >= alone).all()


def test_a_layer_that_computes_something_else_in_double_keeps_its_budget():
    def picky(y):
        return y if y.dtype == F else 2 * y

    alone, both = (budget_of(with_(picky), adapter) for adapter in (Single(), PlainAdapter()))
    np.testing.assert_array_equal(alone, both)


def test_a_layer_that_has_no_double_precision_keeps_its_budget():
    def single_only(y):
        if y.dtype != F:
            raise TypeError("float32 only")
        return y

    alone, both = (budget_of(with_(single_only), adapter) for adapter in (Single(), PlainAdapter()))
    np.testing.assert_array_equal(alone, both)


def test_the_layer_itself_stays_in_single_precision():
    layer = Net()
    layer.parts = [layer.w, {"deep": (layer.w, F(1e-5), 3, "text")}]
    given = Tree.of({"args": (np.ones((3, 5), F),), "kwargs": {}})
    outputs = precision.in_double(PlainAdapter(), PLAIN, layer, given)
    assert outputs is not None
    assert outputs.plain().dtype == np.float64
    assert layer.w.dtype == F
    assert layer.parts[1]["deep"][0] is layer.w


@pytest.mark.parametrize(
    ("base", "double", "expected"),
    [
        ([1, 2], [1 + 1e-7, 2], True),
        ([1, 2], [1.01, 2], False),
        ([1, np.nan], [1, np.nan], True),
        ([1, np.nan], [1, 2], False),
        ([0, 0], [0, 0], True),
    ],
)
def test_rounding_is_told_from_another_result(base, double, expected):
    assert precision.is_rounding(np.array(base, F), np.array(double, float)) is expected


def test_another_shape_is_not_rounding():
    assert not precision.is_rounding(np.ones(2, F), np.ones(3))
