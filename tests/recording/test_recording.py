# ruff: noqa: E501, ISC004  patterns of whole lines; fnmatch takes them as they are
"""What --ckpt-record writes, and when."""

from __future__ import annotations

import json
import re

import h5py
import numpy as np
import pytest
from layerlib import DENSE

TWO = """
import mylayers
import numpy as np
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_wide():
    return mylayers.Dense(3, 4, seed=1, count=np.arange(3), text="a")
"""
ONE = TWO.partition("@pytest.mark.ckptcompat(inputs=[(3, 5)])\ndef test_wide")[0]


def test_a_second_run_appends_what_is_new_and_leaves_the_rest_as_it_is(library):
    library.released("1.0.0", recipes=ONE)
    before = library.bytes()
    library.recipes(TWO)
    library.record().stdout.fnmatch_lines(["mylayers 1.0.0: 1 passed, 1 recorded*"])
    after = library.bytes()
    assert after["golden/mylayers/1.0.0/dense.h5"] == before["golden/mylayers/1.0.0/dense.h5"]
    assert sorted(library.manifest()["goldens"]) == ["dense", "wide"]
    library.record()
    assert library.bytes() == after


def test_a_recorded_golden_that_does_not_match_any_more_fails_and_stays(library):
    library.released("1.0.0")
    before = library.bytes()
    library.install("1.0.0", DENSE.replace("return self.slope", "return 2 * self.slope"))
    result = library.run("--ckpt-record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*golden/mylayers/1.0.0/dense.h5 was recorded already and is never overwritten, but *"]
    )
    assert library.bytes() == before


def test_recording_twice_gives_the_same_bytes_but_for_the_time(library):
    library.recipes(TWO)
    library.install()
    library.record()
    first = library.bytes()
    library.run("--ckpt-record", "--ckpt-golden", "other").assert_outcomes(passed=2)
    (library.root / "golden").rename(library.root / "was")
    (library.root / "other").rename(library.root / "golden")
    second = library.bytes()
    manifest = "golden/mylayers/1.0.0/manifest.json"
    without_time = [
        re.sub(rb'"time": "[^"]*"', b"", each.pop(manifest)) for each in (first, second)
    ]
    assert first == second
    assert without_time[0] == without_time[1]


def test_zero_biases_are_not_zero_in_the_golden_and_integers_are_as_they_were(library):
    library.released("1.0.0", recipes=TWO)
    with h5py.File(library.golden / "1.0.0" / "wide.h5") as file:
        assert np.abs(file["state/bias"][()]).min() >= 0.05
        np.testing.assert_array_equal(file["state/count"][()], [0, 1, 2])


def test_a_counter_at_zero_is_not_zero_in_the_golden_so_that_a_loader_without_it_is_noticed(
    library,
):
    library.recipe()
    source = DENSE.replace("self.slope = 1.5", "self.slope, self.steps = 1.5, np.zeros((), int)")
    library.install("1.0.0", source)
    library.record()
    with h5py.File(library.golden / "1.0.0" / "dense.h5") as file:
        assert file["state/steps"][()] > 0
    library.install("1.0.1", source.replace(LOAD, 'del state["steps"]; vars(self).update(state)'))
    result = library.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*steps*"])


# What a recipe is refused for

UNSEEDED = "np.random.default_rng(seed)", "np.random.default_rng()"
LOAD = "vars(self).update(state)"

REFUSED = {
    "the loader loads nothing": (
        [(LOAD, "pass"), ("self.slope = 1.5", "self.slope, self.n = 1.5, np.arange(3)")],
        [
            "dense does not load back by the route 'state' in the version that wrote it: the loader "
            "leaves 2 of 3 arrays as a fresh layer has them (weight, bias)"
        ],
    ),
    "the loader leaves a random array": (
        [UNSEEDED, (LOAD, 'del state["weight"]; vars(self).update(state)')],
        ["dense does not load back*the loader leaves 1 of 2 arrays as a fresh layer has them (w*"],
    ),
    "the loader raises": (
        [(LOAD, 'raise OSError("no such\\nthing")')],
        ["dense does not load back by * in the version that wrote it: OSError: no such thing (*"],
    ),
    "the loader changes the structure": (
        [(LOAD, "vars(self).update(state, slope=2.0)")],
        ["dense does not load back*: slope: value changed: 1.5 -> 2.0"],
    ),
    "the forward pass is not deterministic": (
        [("return self.slope *", "return np.random.default_rng().random() *")],
        ["dense is not deterministic: two forward passes on the same state and inputs differ*"],
    ),
    "the forward pass changes the layer": (
        [("return self.slope *", "self.slope += 1\n        return self.slope *")],
        ["dense is not deterministic: two forward passes on the same state and inputs differ*"],
    ),
    "the forward pass raises": (
        [("return self.slope *", "return self.slop *")],
        ["dense: the forward pass raised AttributeError: *slop*"],
    ),
    "the forward pass gives nothing": (
        [("return self.slope *", "self.slope *")],
        ["dense: the forward pass gives nothing to compare; say with call= what to run"],
    ),
    "the forward pass gives an object without fields": (
        [("return self.slope * (self.weight @ x + self.bias[:, None])", "return iter(())")],
        [
            "dense: the output  is an object of type builtins:tuple_iterator, which cannot be *call=*"
        ],
    ),
    "the structure is random": (
        [UNSEEDED, ("self.slope = 1.5", "vars(self)[rng.bytes(8).hex()] = 1")],
        ["dense is not deterministic: two layers that it built differ (*"],
    ),
    "the state holds an object": (
        [("self.slope = 1.5", "self.slope = 1.5\n        self.rng = rng")],
        [
            "dense: rng is an object of type numpy.random._generator:Generator, which a golden cannot "
            "keep; give the library's own state= and load= in [[]tool.ckptcompat[]]"
        ],
    ),
    "the state holds a function without a name": (
        [("self.slope = 1.5", "self.slope, self.act = 1.5, lambda x: x")],
        [
            "dense: of mylayers:Dense.__init__.<locals>.<lambda> only the name is kept, by which it *"
        ],
    ),
    "the state contains itself": (
        [("self.slope = 1.5", "self.slope, self.me = 1.5, {}\n        self.me[0] = self.me")],
        ["dense: the state of its layer cannot be read: StateError: me/0 contains itself*"],
    ),
    "an array of strings": (
        [("self.slope = 1.5", 'self.slope, self.names = 1.5, np.array(["a"])')],
        [
            "dense: the state of its layer cannot be read: StateError: names is an array of dtype <U1*"
        ],
    ),
    "an array that HDF5 cannot keep": (
        [("self.slope = 1.5", "self.slope, self.more = 1.5, np.ones(2, np.longdouble)")],
        ["dense: state/more is of dtype float128, which not every machine has alike: *"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_recipe_that_cannot_be_a_golden_is_refused_with_the_reason(library, what):
    replacements, lines = REFUSED[what]
    source = DENSE
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    library.recipe()
    library.install("1.0.0", source)
    result = library.run("--ckpt-record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)
    assert "pytest_ckptcompat/" not in result.stdout.str()
    assert not library.golden.exists() or library.bytes() == {}


def test_a_failing_recipe_does_not_keep_the_others_and_its_reason_is_kept(library):
    library.recipes(
        TWO.replace("seed=1, count=np.arange(3)", "rng=np.random.default_rng()")
        + "\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\ndef test_raises():\n    1 / 0\n"
    )
    library.install()
    library.run("--ckpt-record").assert_outcomes(passed=1, failed=2)
    manifest = library.manifest()
    assert list(manifest["goldens"]) == ["dense"]
    assert "Generator" in manifest["refused"]["wide"]
    assert manifest["refused"]["raises"].startswith("ZeroDivisionError: division by zero")


def test_what_was_refused_and_is_recorded_later_is_refused_no_more(library):
    library.recipes(TWO.replace("seed=1", "rng=np.random.default_rng()"))
    library.install()
    library.run("--ckpt-record")
    library.recipes(TWO)
    library.record()
    assert library.manifest()["refused"] == {}
    assert sorted(library.manifest()["goldens"]) == ["dense", "wide"]


def test_a_golden_that_the_store_cannot_name_keeps_nothing_half_written(library):
    library.recipe()
    library.install()
    (library.golden / "1.0.0").mkdir(parents=True)
    (library.golden / "1.0.0" / "dense.h5").write_bytes(b"someone's")
    before = library.bytes()
    result = library.run("--ckpt-record")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: *1.0.0 has files (dense.h5) but no manifest.json*"])
    assert library.bytes() == before


def test_a_recipe_without_golden_is_held_to_the_same_in_a_plain_run(library):
    library.recipe()
    library.install("1.0.0", DENSE.replace(LOAD, "pass"))
    result = library.run("-k", "new")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["dense does not load back by the route 'state' in *"])
    assert not library.golden.exists()


def test_an_array_that_no_release_loaded_is_told_of(library):
    library.recipe()
    library.install("1.0.0", DENSE.replace(LOAD, 'vars(self).update({**state, "bias": self.bias})'))
    library.record().stdout.fnmatch_lines(
        ["  dense: the loader does not load bias: no break in it can be seen"]
    )


def test_a_loader_that_unties_is_told_of_and_recorded(library):
    library.recipe()
    source = DENSE.replace("self.slope = 1.5", "self.slope, self.twin = 1.5, self.bias").replace(
        LOAD, "vars(self).update({k: np.copy(v) if k == 'twin' else v for k, v in state.items()})"
    )
    library.install("1.0.0", source)
    library.record().stdout.fnmatch_lines(
        ["  dense: the loader copies what is one array in a fresh layer: bias: untied: was one *"]
    )
    library.install("1.0.1", source)
    library.run().assert_outcomes(passed=2)


def test_advice_on_a_golden_that_could_not_catch_much(library):
    library.recipe("return mylayers.Dense(4, 4, stride=1, pad=(0, 0))", "inputs=[(4, 4)]")
    library.install()
    library.record().stdout.fnmatch_lines(
        [
            "  dense: the input args/0 of shape [[]4, 4[]] has 4 along two axes: a swap of *",
            "  dense: the array weight of shape [[]4, 4[]] has 4 along two axes: *",
            "  dense: stride is 1: choose one that changes the outputs",
            "  dense: pad is (0, 0): choose one that changes the outputs",
        ]
    )


def test_advice_on_outputs_that_say_nothing(library):
    library.recipe(mark="inputs=[(3, 5)], call=lambda layer, x: (0 * x, x / np.zeros(()))")
    library.install("1.0.0", DENSE)
    result = library.run("--ckpt-record", "-W", "ignore")
    result.stdout.fnmatch_lines(
        [
            "  dense: the output 0 is the same everywhere: *0.0",
            "  dense: the output 1 holds NaN or infinity",
        ]
    )


# Inputs, and how the layer is run

MARKS = {
    "an array": "inputs=np.ones((3, 5), 'f4')",
    "shapes": "inputs=[(3, 5), (2, 5)], call=lambda layer, x, y: layer(x) + y",
    "keywords": "inputs={'x': (3, 5)}",
    "a function": "inputs=lambda rng: [rng.random((3, 5))]",
    "a function that gives keywords": "inputs=lambda rng: {'x': rng.random((3, 5))}",
    "integers": "inputs=[np.arange(15).reshape(3, 5)]",
    "no dimensions": "inputs=[()], call=lambda layer, x: x * layer.weight",
    "no elements": "inputs=[(3, 0)]",
    "static values": "inputs=[(3, 5), 2, None], call=lambda layer, x, n, o: layer(x) ** n",
    "none": "inputs=[], call=lambda layer: layer.weight.sum()",
    "a method": "inputs=[(3, 5)], call='__call__'",
    "numbers": "inputs=[(3, 5)], call=lambda layer, x: {'loss': float(x.sum()), 's': layer(x)[0, 0]}",
    "exact": "inputs=[(3, 5)], exact=True",
    "bfloat16": "inputs=[(3, 5)], call=lambda layer, x: layer(x).astype('bfloat16')",
}


@pytest.mark.parametrize("mark", MARKS)
def test_inputs_and_calls_of_every_sort_are_recorded_and_pass(library, mark):
    if mark == "bfloat16":
        pytest.importorskip("ml_dtypes")
        library.recipe("import ml_dtypes\nreturn mylayers.Dense()", MARKS[mark])
    else:
        library.recipe(mark=MARKS[mark])
    library.install()
    library.record()
    library.run().assert_outcomes(passed=2)


def test_an_output_that_is_a_number_is_compared_within_its_error_budget(library):
    library.recipe(mark="inputs=[(3, 5)], call=lambda layer, x: float(layer(x).sum())")
    library.install()
    library.record()
    almost = DENSE.replace("return self.slope", "return np.float32(1 + 2e-7) * self.slope")
    library.install("1.0.1", almost)
    library.run("-k", "dense").assert_outcomes(passed=1)
    library.install("1.0.2", DENSE.replace("return self.slope", "return 1.01 * self.slope"))
    result = library.run("-k", "dense")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  forward  1 of 1 elements differ*"])


WRONG_INPUTS = {
    "one shape": (
        "inputs=(3, 5)",
        "dense: inputs=(3, 5) is one shape, *: write inputs=[[](3, 5)[]]",
    ),
    "a list": (
        "inputs=[[3, 5]]",
        "dense: the input [[]3, 5[]] is neither a shape such as (2, 3) *",
    ),
    "strings": ("inputs=[np.array(['a'])]", "dense: its inputs cannot be stored: args/0 is an *"),
}


@pytest.mark.parametrize("what", WRONG_INPUTS)
def test_inputs_that_are_none_are_refused(library, what):
    mark, line = WRONG_INPUTS[what]
    library.recipe(mark=mark)
    library.install()
    result = library.run("--ckpt-record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([line])


def test_the_manifest_says_where_a_golden_comes_from(library):
    library.released("1.0.0")
    about = library.manifest()["provenance"]
    assert about["library"] == "mylayers"
    assert about["version"] == "1.0.0"
    assert about["distribution"] == "mylayers"
    assert about["numpy"] == np.__version__
    assert {"python", "platform", "machine", "cpu", "blas", "threads", "time"} <= about.keys()
    assert "unreleased" not in about
    assert json.dumps(about)
