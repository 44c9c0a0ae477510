"""Mutations through the real checks, on layers of a few lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat import ledger
from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.mutation.result import Tried
from pytest_ckptcompat.mutation.trial import Case, tried
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.recording.make import make

RECIPE = Recipe("net", Library("mylayers"), inputs=[(3, 5)])
#: For which outputs that shift are a failure: a bias that went through float16 does no more.
STRICT = replace(RECIPE, library=Library("mylayers", verdicts={"shifted": "fail"}))
ABOUT = Tried("mylayers", "net", "1.0.0", "state")


class Net:
    def __init__(self):
        self.w = np.random.default_rng(3).normal(size=(2, 3)).astype("f4")
        self.b = np.zeros(2, "f4")
        self.slope = 2.0

    def __call__(self, x):
        return self.slope * (self.w @ x + self.b[:, None])


class Square(Net):
    """Applied twice to one input: its weight and the transpose of it compute the same."""

    def __init__(self):
        super().__init__()
        self.w = np.random.default_rng(3).normal(size=(3, 3)).astype("f4")

    def __call__(self, x):
        return np.einsum("in,ij,jn->n", x, self.w, x) + self.b.sum()


def strict(layer, state):
    if list(state) != list(vars(layer)):
        raise KeyError(f"expected {list(vars(layer))}, got {list(state)}")
    vars(layer).update(state)


def careless(layer, state):
    """Takes what it knows, and says nothing of the rest."""
    vars(layer).update({name: state[name] for name in vars(layer) if name in state})


def trial(build=Net, load=strict, *, recipe=RECIPE, **more):
    adapter = PlainAdapter(load=load)
    made = make(recipe, adapter, build, Path())
    return tried(Case(made.golden, recipe, adapter, "state", build, **more), ABOUT)


def said(result):
    return [f"{s.mutation} {s.path} {s.detail}".rstrip() for s in result.survivors]


def test_a_strict_loader_and_a_golden_of_odd_sizes_let_nothing_pass():
    result = trial(recipe=STRICT)
    assert said(result) == []
    assert result.noticed == {
        "element": {"forward": 2},
        "dtype": {"forward": 2},
        "static": {"forward": 1},
        "drop": {"load": 3},
        "rename": {"load": 3},
        "duplicate": {"load": 3},
        "reorder": {"load": 1},
        "ignore field": {"state": 2},
        "skip layer": {"state": 1},
    }


def test_a_careless_loader_lets_extra_keys_pass():
    result = trial(load=careless)
    assert "duplicate w an array" in said(result)
    assert "reorder (root) of a dict" in said(result)
    assert not [one for one in said(result) if one.startswith(("element", "ignore", "drop w"))]


def test_an_input_that_is_too_symmetric_is_told():
    result = trial(Square)
    swapped = [s for s in result.survivors if s.mutation == "swap axes"]
    assert [(s.path, s.detail) for s in swapped] == [("w", "axes 0 and 1")]
    assert "the input is too symmetric" in swapped[0].seen


def test_a_golden_that_has_what_a_fresh_layer_has_cannot_show_that_it_is_loaded():
    adapter = PlainAdapter(load=strict)
    golden = make(STRICT, adapter, Net, Path()).golden

    def build():
        net = Net()
        net.b[:] = golden.state.arrays()[("b",)]
        return net

    survivors = tried(Case(golden, STRICT, adapter, "state", build), ABOUT).survivors
    assert [(s.mutation, s.path) for s in survivors] == [("ignore field", "b")]
    assert survivors[0].seen == "no output moves: a fresh layer has the same values"


def test_an_acknowledgement_that_is_too_wide_hides_mutations():
    loose = ledger.Entry("acknowledge", 1, "net", "whatever is lost")

    class Kept(Net):
        def __call__(self, x):
            return self.w @ x + self.b[:, None]

    def keeping(layer, state):
        careless(layer, {**state, "slope": layer.slope})

    without, with_it = trial(Kept, keeping), trial(Kept, keeping, entries=[loose])
    assert without.noticed["static"] == {"fields": 1}
    assert "static slope 2.0 -> 4.0" not in said(without)
    assert "static slope 2.0 -> 4.0" in said(with_it)
    survivor = next(s for s in with_it.survivors if s.mutation == "static")
    assert survivor.seen.startswith("no output moves: the ledger acknowledges it; noted: ")


def test_a_golden_that_fails_or_is_waived_is_not_judged():
    adapter = PlainAdapter(load=strict)
    golden = make(RECIPE, adapter, Net, Path()).golden

    class Wrong(Net):
        def __call__(self, x):
            return -super().__call__(x)

    case = Case(golden, RECIPE, adapter, "state", Wrong)
    result = tried(case, ABOUT)
    assert (result.problem, result.noticed) == ("it fails as it is", {})
    waived = Case(**{**vars(case), "entries": [ledger.Entry("waive", 1, "net", "on purpose")]})
    assert tried(waived, ABOUT).problem == "the ledger waives it: it is broken as it is"


def test_no_more_of_a_kind_than_the_limit_are_tried_and_the_rest_is_counted():
    result = trial(limit=2)
    assert result.left_out == {"drop": 1, "rename": 1, "duplicate": 1}
    assert result.noticed["drop"] == {"load": 2}


def test_a_layer_that_does_not_take_back_its_own_state_is_spared_faults_of_the_loader():
    class Route(PlainAdapter):
        routes = ("own", "state")

        def load(self, layer, state, route):
            if route == "state":
                raise TypeError("not by this route")
            vars(layer).update(state)
            return layer

    adapter = Route()
    recipe = Recipe("net", Library("mylayers"), inputs=[(3, 5)], routes=("own",))
    golden = make(recipe, adapter, Net, Path()).golden
    result = tried(Case(golden, recipe, adapter, "own", Net), ABOUT)
    assert "ignore field" not in result.noticed
    assert ["does not take back" in note for note in result.notes] == [True]


class Filed(PlainAdapter):
    """By native files."""

    routes = ("npz", "state")

    def suffix(self, route):
        return ".npz" if route == "npz" else None

    def save(self, layer, route, path):
        np.savez(path, **vars(layer))

    def restore(self, layer, route, path):
        with np.load(path) as data:
            layer.w, layer.b, layer.slope = data["w"], data["b"], float(data["slope"])
        return layer


def test_values_in_a_native_file_are_changed_but_not_its_keys(tmp_path):
    recipe = Recipe("net", Library("mylayers"), inputs=[(3, 5)], routes=("npz",))
    made = make(recipe, Filed(), Net, tmp_path)
    artifact = made.artifacts["npz"].path
    result = tried(Case(made.golden, recipe, Filed(), "npz", Net, artifact), ABOUT)
    assert said(result) == []
    assert result.noticed == {
        "element": {"forward": 2},
        "static": {"fields": 1},
        "ignore field": {"state": 2},
        "skip layer": {"state": 1},
    }


def test_a_result_survives_the_way_to_another_process():
    result = trial(Square)
    assert Tried.from_json(result.to_json()) == result
    assert result.survivors


@pytest.mark.parametrize("shifted", ["note", "fail"])
def test_a_shifted_output_is_a_survivor_unless_shifts_fail(shifted):
    recipe = STRICT if shifted == "fail" else RECIPE

    class Big(Net):
        def __call__(self, x):
            return super().__call__(x) + np.float32(1e-3) * self.tiny.sum()

        def __init__(self):
            super().__init__()
            self.tiny = np.full(2, 0.25, "f4")

    survivors = [s for s in trial(Big, recipe=recipe).survivors if s.mutation == "element"]
    expected = [("tiny", True)] if shifted == "note" else []
    assert [(s.path, s.shifted) for s in survivors] == expected
