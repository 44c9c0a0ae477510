"""The four stages on layers of a few lines, where a whole project would only be in the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.config import Library
from pytest_ckptcompat.policy import Verdict
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.recording.make import RecordError, make

RECIPE = Recipe("net", Library("mylayers"), inputs=[(3, 5)])


class Net:
    """A dense layer whose fields are what it is given."""

    def __init__(self, **more):
        self.w = np.random.default_rng(3).normal(size=(2, 3)).astype("f4")
        self.b = np.zeros(2, "f4")
        self.slope = 2.0
        vars(self).update(more)

    def __call__(self, x):
        return self.slope * (self.w.astype("f4") @ x + self.b[:, None])


class ArraysOnly(PlainAdapter):
    """A route whose checkpoints hold no static values."""

    def carries_statics(self, route):
        return False

    def load(self, layer, state, route, **_):
        vars(layer).update({k: v for k, v in state.items() if isinstance(v, np.ndarray)})
        return layer


def found(build, adapter=None, recorded=Net):
    """(stage, kind, path, verdict) of each finding on a golden of ``recorded``."""
    golden = make(RECIPE, PlainAdapter(), recorded, Path()).golden
    outcome = check(golden, RECIPE, adapter or PlainAdapter(), "state", build)
    return [(f.stage, str(f.kind), f.path, str(f.verdict)) for f in outcome.findings]


def loading(load):
    return PlainAdapter(load=load)


def test_an_unchanged_layer_gives_no_finding():
    assert found(Net) == []


def test_a_static_that_checkpoints_of_a_route_do_not_hold_cannot_be_lost():
    assert found(lambda: Net(eps=1), ArraysOnly()) == [("fields", "added", "eps", "note")]
    changed = found(lambda: Net(mode="b"), ArraysOnly(), lambda: Net(mode="a"))
    assert changed == [("fields", "value changed", "mode", "note")]
    assert found(Net, ArraysOnly(), lambda: Net(mode="a")) == [
        ("fields", "removed", "mode", "note")
    ]


def test_the_same_static_is_ignored_where_checkpoints_hold_it():
    def load(layer, state):
        vars(layer).update({**state, "mode": layer.mode})

    changed = found(lambda: Net(mode="b"), loading(load), lambda: Net(mode="a"))
    assert changed == [("fields", "value changed", "mode", "ack")]


def test_an_array_in_a_wider_dtype_keeps_everything():
    def load(layer, state):
        vars(layer).update({**state, "w": state["w"].astype("f8")})

    assert found(lambda: Net(w=np.zeros((2, 3))), loading(load)) == [
        ("fields", "retyped wider", "w", "note")
    ]


def test_a_loader_that_makes_another_dtype_than_both_sides_have_alters_the_array():
    def load(layer, state):
        vars(layer).update({**state, "w": state["w"].astype("f8")})

    assert found(Net, loading(load)) == [("state", "altered", "w", "fail")]


def test_numpy_scalars_among_the_statics_are_compared():
    assert found(lambda: Net(eps=np.float32(2)), None, lambda: Net(eps=np.float32(1))) == [
        ("fields", "value changed", "eps", "note")
    ]


def test_an_array_drawn_anew_in_each_layer_is_undetermined():
    def load(layer, state):
        vars(layer).update(state)

    def build():
        return Net(mask=np.random.default_rng().normal(size=4))

    assert found(build, loading(load)) == [
        ("fields", "added", "mask", "note"),
        ("state", "undetermined", "mask", "fail"),
    ]


def test_an_array_drawn_from_a_fixed_seed_is_told_as_unknown():
    def load(layer, state):
        vars(layer).update(state)

    def build():
        return Net(mask=np.random.default_rng(1).normal(size=4))

    assert found(build, loading(load)) == [
        ("fields", "added", "mask", "note"),
        ("state", "unknown", "mask", "note"),
    ]


def test_a_constant_array_that_is_new_is_determined():
    def load(layer, state):
        vars(layer).update(state)

    assert found(lambda: Net(mask=np.ones(4)), loading(load)) == [
        ("fields", "added", "mask", "note")
    ]


def test_a_loader_that_fails_the_second_time_is_a_finding():
    calls = []

    def load(layer, state):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("only once")
        vars(layer).update(state)

    assert ("state", "raised", "", "fail") in found(lambda: Net(mask=np.ones(4)), loading(load))


def test_a_loaded_layer_whose_state_cannot_be_read_is_a_finding():
    class WithState(Net):
        def state_dict(self):
            return {"w": self.w, "scale": self.scale}

    class Forgetful(PlainAdapter):
        def load(self, layer, state, route, **_):
            vars(layer).clear()
            vars(layer).update(state)
            return layer

    assert ("load", "raised", "", "fail") in found(lambda: WithState(scale=1), Forgetful())


def test_inference_mode_that_fails_on_the_loaded_layer_is_a_finding():
    class Modal(Net):
        def eval(self):
            return self.mode

    assert found(lambda: Modal(mode=1))[0] == ("load", "raised", "", "fail")


def test_what_the_recipe_raises_is_raised():
    golden = make(RECIPE, PlainAdapter(), Net, Path()).golden
    with pytest.raises(ZeroDivisionError):
        check(golden, RECIPE, PlainAdapter(), "state", lambda: 1 / 0)


def test_a_loss_cannot_be_acknowledged_while_the_outputs_are_wrong():
    def load(layer, state):
        vars(layer).update({"w": state["w"], "b": state["b"]})

    class Half(Net):
        def __init__(self):
            super().__init__()
            del self.slope

        def __call__(self, x):
            return self.w @ x

    assert ("fields", "removed", "slope", str(Verdict.FAIL)) in found(Half, loading(load))


class TwoRoutes(PlainAdapter):
    """The second route leaves the bias."""

    routes = ("state", "other")

    def load(self, layer, state, route, **_):
        own = layer.b
        layer = super().load(layer, state, route)
        if route == "other":
            layer.b = own
        return layer


def test_a_route_that_cannot_restore_the_golden_is_refused_and_not_the_golden():
    recipe = Recipe("net", Library("mylayers"), inputs=[(3, 5)], routes=("state", "other"))
    made = make(recipe, TwoRoutes(), Net, Path())
    assert made.routes == ("state",)
    assert list(made.refused) == ["other"]
    assert "the loader leaves 1 of 2 arrays as a fresh layer has them (b)" in made.refused["other"]


def test_an_error_budget_is_measured_in_inference_mode():
    class Noisy(Net):
        training = True

        def eval(self):
            self.training = False

        def __call__(self, x):
            noise = np.random.default_rng().normal() if self.training else 0
            return super().__call__(x) + np.float32(noise)

    def load(layer, state):
        new = Noisy()
        vars(new).update({**state, "training": True})
        return new

    made = make(RECIPE, loading(load), Noisy, Path())
    assert made.golden.budgets[""].scale < 1e-5


def test_a_state_that_loads_only_unrounded_is_refused_in_words():
    first = []

    def load(layer, state):
        first.append(state["w"].copy())
        if not np.array_equal(first[0], state["w"]):
            raise ValueError("not mine")
        vars(layer).update(state)

    with pytest.raises(RecordError, match=r"its error budget cannot be measured, .*not mine"):
        make(RECIPE, loading(load), Net, Path())


def test_layers_that_the_loader_moves_on_for_a_new_one_are_handled():
    def load(layer, state):
        layer.layers = [*layer.layers[:1], *state["layers"]]
        layer.w, layer.b = state["w"], state["b"]

    rng = np.random.default_rng(8)
    first, second = (rng.normal(size=3).astype("f4") for _ in range(2))
    length = [("fields", "restructured length", "layers", "note")]
    moves = [("fields", "moved", f"layers/{n}", "note") for n in range(2)]
    assert (
        found(
            lambda: Net(layers=[np.zeros(3, "f4"), first, second]),
            loading(load),
            lambda: Net(layers=[first, second]),
        )
        == length + moves
    )


def test_arrays_that_a_loader_mixes_up_are_altered():
    def load(layer, state):
        vars(layer).update({**state, "u": state["v"], "v": state["u"]})

    rng = np.random.default_rng(8)
    arrays = {name: rng.normal(size=3).astype("f4") for name in "uv"}
    assert found(lambda: Net(**arrays), loading(load), lambda: Net(**arrays)) == [
        ("state", "altered", "u", "fail")
    ]


def test_another_order_is_told_unless_the_route_goes_by_name():
    class ByName(PlainAdapter):
        def goes_by_name(self, route):
            return True

    def build():
        net = Net()
        net.w = vars(net).pop("w")
        return net

    assert found(build) == [("fields", "reordered", "(root)", "note")]
    assert found(build, ByName()) == []
