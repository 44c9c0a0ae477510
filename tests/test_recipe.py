from __future__ import annotations

import enum
import re
from pathlib import Path, PurePosixPath

import pytest
from packaging.version import Version

from pytest_ckptcompat.config import Config, ConfigError, Library
from pytest_ckptcompat.recipe import (
    POSITIONAL,
    Parameters,
    RecipeError,
    base_name,
    describe,
    full_name,
    since,
    unstable_id,
)

CONFIG = Config(Path(), Path("golden"), Library("lib"))


def described(**arguments):
    return describe("dense", arguments, CONFIG, PurePosixPath("tests/test_x.py"), 7)


def test_a_name_is_the_functions_without_its_prefix():
    assert base_name("test_conv_transpose", (), {}) == "conv_transpose"


def test_a_name_is_qualified_by_its_classes():
    assert base_name("test_conv", ("TestA", "TestB"), {}) == "TestA.TestB.conv"


def test_a_given_name_is_not_qualified():
    assert base_name("test_conv", ("TestA",), {"name": "conv2"}) == "conv2"


@pytest.mark.parametrize("name", ["", 3, b"x"])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(RecipeError, match="is not a text"):
        base_name("test_conv", (), {"name": name})


def test_the_ids_of_parameters_follow_the_name():
    assert full_name("conv", "k3-p1") == "conv-k3-p1"
    assert full_name("conv", "") == "conv"


def test_a_mark_is_described():
    recipe = described(inputs=[(2, 3)], call="run", since="1.2", exact=True)
    assert (recipe.name, recipe.module, recipe.line) == ("dense", "tests/test_x.py", 7)
    assert (recipe.inputs, recipe.call, recipe.exact) == ([(2, 3)], "run", True)
    assert recipe.since == Version("1.2")
    assert recipe.library == CONFIG.default


def test_a_mark_overrides_its_library():
    assert described(inputs=[], k=2.0).library == Library("lib", k=2.0)


def test_no_inputs_at_all_can_be_meant():
    assert described(inputs=[]).inputs == []


def test_a_tolerance_with_a_reason_is_taken():
    recipe = described(inputs=[], rtol=1, atol=0.0, reason="noisy sums")
    assert (recipe.rtol, recipe.atol, recipe.reason) == (1.0, 0.0, "noisy sums")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "dense gives no inputs"),
        ({"inputs": None}, "dense gives no inputs"),
        ({"inputs": [], POSITIONAL: ((2, 3),)}, "takes no positional arguments, but has (2, 3)"),
        ({"inputs": [], "call": 1}, "neither a method's name nor a function"),
        ({"inputs": [], "rtol": 1e-3}, "sets its own tolerance; say why"),
        ({"inputs": [], "atol": 1e-3, "reason": ""}, "sets its own tolerance; say why"),
        ({"inputs": [], "rtol": -1, "reason": "x"}, "rtol=-1 is not a number, zero or more"),
        ({"inputs": [], "rtol": float("nan"), "reason": "x"}, "rtol=nan is not a number"),
        ({"inputs": [], "atol": float("inf"), "reason": "x"}, "atol=inf is not a number"),
        ({"inputs": [], "atol": True, "reason": "x"}, "atol=True is not a number"),
        ({"inputs": [], "exact": "yes"}, "exact='yes' is neither True nor False"),
        ({"inputs": [], "routes": "h5"}, "routes='h5' is"),
        ({"inputs": [], "routes": []}, "routes=[] is"),
        ({"inputs": [], "routes": [1]}, "routes=[1] is"),
    ],
)
def test_a_bad_mark_is_refused(arguments, said):
    with pytest.raises(RecipeError, match=re.escape(said)):
        described(**arguments)


def test_a_misspelt_argument_is_told_with_what_was_meant():
    with pytest.raises(ConfigError, match=r"unknown key 'input' .* did you mean 'inputs'"):
        described(input=[(2, 3)])


@pytest.mark.parametrize("given", ["soon", 1.2, "", ()])
def test_a_since_that_is_no_version_is_refused(given):
    with pytest.raises(RecipeError, match="is not a version such as"):
        since("dense", given)


# Ids


class Named(enum.Enum):
    ONE = 1


def mark(*args, **kwargs):
    return Parameters.of_mark(pytest.mark.parametrize(*args, **kwargs).mark)


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        (mark("a", [1, "x", None, True, 1.5]), ["1", "x", "None", "True", "1.5"]),
        (mark("a", [int, len, Named.ONE, re.compile("r")]), ["int", "len", "Named.ONE", "r"]),
        (mark("a", [(1,), [2], {}, object()]), [None, None, None, None]),
        (mark("a", [(1,), (2,)], ids=["one", None]), ["one", None]),
        (mark("a", [(1,), (2,)], ids=lambda v: f"n{v[0]}"), ["n1", "n2"]),
        (mark("a", [(1,), (2,)], ids=lambda v: None), [None, None]),
        (mark("a", [pytest.param((1,), id="one"), (2,)]), ["one", None]),
        (mark("a, b", [(1, "x"), (2, [])]), ["1-x", None]),
        (mark(("a", "b"), [pytest.param(1, 2, id="p"), (3, 4)], ids=[None, "q"]), ["p", "q"]),
        (mark("a,b", [(1, [2])], ids=str), ["1-[2]"]),
        (mark(argnames="a", argvalues=[7], ids=[8]), ["8"]),
        (mark("a", [1], False, ["x"]), ["x"]),
        (Parameters(("a",), (1, pytest.param(2, id="two"))), ["1", "two"]),
    ],
)
def test_the_id_of_a_case_is_the_written_one_or_the_values_own(parameters, ids):
    assert [parameters.id(index) for index in range(len(ids))] == ids


def test_a_used_up_iterator_of_values_tells_nothing():
    values = iter([1, 2])
    parameters = mark("a", values)
    assert list(values) == []
    assert (parameters.id(5), parameters.twice(5)) == (None, False)


@pytest.mark.parametrize(
    ("parameters", "twice"),
    [
        (mark("a", [1, 2, 1]), [True, False, True]),
        (mark("a", [1, "1"]), [True, True]),
        (mark("a", [1, 2], ids=["x", "x"]), [True, True]),
        (mark("a", [1, 1], ids=["x", "y"]), [False, False]),
        (mark("a", [pytest.param(1, id="2"), 2]), [True, True]),
        (mark("a,b", [(1, 2), (1, 3)]), [False, False]),
        (mark("a", [[], []]), [False, False]),
    ],
)
def test_cases_of_one_id_are_found(parameters, twice):
    assert [parameters.twice(index) for index in range(len(twice))] == twice


def test_a_positional_id_is_unstable():
    said = unstable_id("dense", "size1", {"size": 1}, {"size": (3,)}, [mark("size", [(2,), (3,)])])
    assert said == (
        "dense[size1]: the id size1 is only a position, and goldens are found by it: name the "
        "cases with ids=[...] or pytest.param(..., id=...)"
    )


def test_a_positional_id_of_a_hook_is_unstable():
    assert unstable_id("dense", "k3-size1", {"k": 0, "size": 1}, {"k": 3, "size": (3,)}, [])


def test_an_id_that_a_hook_made_of_a_value_is_stable():
    assert unstable_id("dense", "three", {"size": 1}, {"size": (3,)}, []) is None


def test_the_closest_parametrization_of_an_argument_counts():
    close, far = mark("n", [1, 2]), mark("n", [1, 1])
    assert unstable_id("dense", "1", {"n": 0}, {"n": 1}, [close, far]) is None
    assert unstable_id("dense", "1", {"n": 0}, {"n": 1}, [far, close]) is not None
