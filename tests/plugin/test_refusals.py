"""Recipes, marks and configurations that are refused, each with a sentence."""

from __future__ import annotations

import pytest
from layerlib import DENSE, RECIPES, outcomes


def refused(library, *said, options=()):
    """A run whose recipes all fail with the lines, in sentences and without a traceback."""
    before = library.bytes()
    result = library.run("-rA", *options)
    found = outcomes(result)
    recipes = [how for name, how in found.items() if "integrity" not in name]
    assert recipes
    assert set(recipes) == {"failed"}
    result.stdout.fnmatch_lines([f"*{line}*" for line in said])
    assert "Traceback" not in result.stdout.str()
    assert "pytest_ckptcompat/" not in result.stdout.str()
    assert library.bytes() == before
    return result


CASES = """
import mylayers
import pytest

class Size:
    def __init__(self, n):
        self.n = n

@pytest.mark.parametrize("size", {cases})
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense(size):
    return mylayers.Dense(3, getattr(size, "n", size))
"""


def test_positional_ids_are_refused(library):
    library.install()
    library.recipes(CASES.format(cases="[Size(2), Size(4)]"))
    refused(
        library,
        "dense?size0?: the id size0 is only a position, and goldens are found by it: name the*",
        "dense?size1?: the id size1 is only a position*",
    )


def test_positional_ids_are_not_recorded(library):
    library.install()
    library.recipes(CASES.format(cases="[Size(2), Size(4)]"))
    assert library.run("--ckpt-record").ret == 1
    assert not library.golden.exists()


def test_positional_ids_of_a_fixture_are_refused(library):
    library.install()
    library.recipes(
        """
        import mylayers
        import pytest

        @pytest.fixture(params=[(3, 2), (3, 4)])
        def size(request):
            return request.param

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense(size):
            return mylayers.Dense(*size)
        """
    )
    refused(library, "dense?size0?: the id size0 is only a position*")


def test_positional_ids_of_a_class_are_refused(library):
    library.install()
    library.recipes(
        """
        import mylayers
        import pytest

        @pytest.mark.parametrize("size", [(3, 2), (3, 4)])
        class TestDense:
            @pytest.mark.ckptcompat(inputs=[(3, 5)])
            def test_dense(self, size):
                return mylayers.Dense(*size)
        """
    )
    refused(library, "TestDense.dense?size1?: the id size1 is only a position*")


@pytest.mark.parametrize(
    "cases",
    [
        '[Size(2), Size(4)], ids=["two", "four"]',
        '[pytest.param(Size(2), id="two"), pytest.param(Size(4), id="four")]',
        "[2, 4]",
        "[Size(2), Size(4)], ids=lambda size: f'n{size.n}'",
    ],
    ids=["ids", "param", "numbers", "function"],
)
def test_named_cases_are_taken(library, cases):
    library.install()
    library.recipes(CASES.format(cases=cases))
    assert library.record().parseoutcomes() == {"passed": 2}


def test_an_id_that_the_user_gave_may_look_positional(library):
    library.install()
    library.recipes(CASES.format(cases='[Size(2), Size(4)], ids=["size0", "size1"]'))
    assert library.record().parseoutcomes() == {"passed": 2}


def test_a_function_of_ids_that_names_nothing_is_refused(library):
    library.install()
    library.recipes(CASES.format(cases="[Size(2), Size(4)], ids=lambda size: None"))
    refused(library, "dense?size0?: the id size0 is only a position*")


def test_an_id_that_is_none_is_refused(library):
    library.install()
    library.recipes(CASES.format(cases='[Size(2), Size(4)], ids=["two", None]'))
    result = library.run("-rA")
    assert outcomes(result)["test_dense[size1-new]"] == "failed"


@pytest.mark.parametrize(
    "cases",
    ["[2, 2]", '[Size(2), Size(4)], ids=["same", "same"]', '[pytest.param(2, id="4"), 4]'],
    ids=["values", "ids", "an id and a value"],
)
def test_duplicate_ids_are_refused(library, cases):
    library.install()
    library.recipes(CASES.format(cases=cases))
    refused(library, "stands for two cases*")


def test_duplicate_ids_of_a_fixture_are_refused(library):
    library.install()
    library.recipes(
        """
        import mylayers
        import pytest

        @pytest.fixture(params=[2, 2])
        def size(request):
            return request.param

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense(size):
            return mylayers.Dense(3, size)
        """
    )
    refused(library, "stands for two cases*")


def test_different_values_whose_ids_end_in_digits_are_no_duplicates(library):
    library.install()
    library.recipes(CASES.format(cases="[1, 11, 2]"))
    assert library.record().parseoutcomes() == {"passed": 3}


TWO = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_{one}():
    return mylayers.Dense()

@pytest.mark.ckptcompat(inputs=[(3, 5)]{more})
def test_{two}():
    return mylayers.Dense()
"""


def test_names_that_differ_only_in_case_are_refused(library):
    library.install()
    library.recipes(TWO.format(one="dense", two="DENSE", more=""))
    refused(
        library,
        "test_recipes.py::test_DENSE and test_recipes.py::test_dense have the names DENSE and "
        "dense, which differ only in case: give one of them name=*",
    )


def test_two_recipes_of_one_name_are_refused(library):
    library.install()
    library.recipes(TWO.format(one="dense", two="other", more=', name="dense"'))
    refused(library, "test_dense and test_recipes.py::test_other have the golden name dense: *")


def test_two_recipes_of_one_name_in_two_files_are_refused(library):
    library.install()
    library.recipes()
    library.recipes(file="test_again.py")
    refused(library, "test_again.py::test_dense and test_recipes.py::test_dense have the golden*")


def test_two_recipes_of_one_name_are_not_recorded(library):
    library.install()
    library.recipes(TWO.format(one="dense", two="other", more=', name="dense"'))
    assert library.run("--ckpt-record").ret == 1
    assert not library.golden.exists()


MARKS = {
    "unknown": (
        "input=[(3, 5)]",
        "unknown key 'input' in the ckptcompat mark of dense; did you mean 'inputs'?",
    ),
    "unlike any": (
        "inputs=[(3, 5)], colour=1",
        "unknown key 'colour' in the ckptcompat mark*known",
    ),
    "positional": ("[(3, 5)]", "ckptcompat mark of dense*takes no positional arguments*inputs="),
    "no inputs": ("", "dense gives no inputs, so its outputs cannot be compared: write*"),
    "no reason": ("inputs=[(3, 5)], rtol=1e-3", "dense sets its own tolerance; say why: reason=*"),
    "tolerance": (
        'inputs=[(3, 5)], rtol="1e-3", reason="why"',
        "dense: rtol='1e-3' is not a number, zero or more",
    ),
    "below zero": (
        'inputs=[(3, 5)], atol=-1, reason="why"',
        "dense: atol=-1 is not a number, zero or more",
    ),
    "exact": ("inputs=[(3, 5)], exact=1", "dense: exact=1 is neither True nor False"),
    "since": ('inputs=[(3, 5)], since="soon"', "dense: since='soon' is not a version such as*"),
    "since number": ("inputs=[(3, 5)], since=1.2", "dense: since=1.2 is not a version such as*"),
    "adapter": (
        'inputs=[(3, 5)], adapter="nunpy"',
        "unknown adapter 'nunpy'; known: *numpy*; or name a class as",
    ),
    "adapter class": (
        'inputs=[(3, 5)], adapter="mylayers:Missing"',
        "the adapter is 'mylayers:Missing', which cannot be found: *",
    ),
    "route": (
        'inputs=[(3, 5)], routes=["h5"]',
        "dense: no route 'h5'; the adapter 'numpy' has state",
    ),
    "routes": ('inputs=[(3, 5)], routes="state"', "dense: routes='state' is neither a list*"),
    "route number": ("inputs=[(3, 5)], routes=3", "dense: routes=3 is neither a list*"),
    "routes of none": ("inputs=[(3, 5)], routes=[]", "dense: routes=?? is neither a list*"),
    "call": ("inputs=[(3, 5)], call=3", "dense: call=3 is neither a method's name nor a function"),
    "load": (
        'inputs=[(3, 5)], load="mylayers"',
        "load of the ckptcompat mark of dense is 'mylayers': write it as \"package.module:name\"",
    ),
    "load of nothing": (
        'inputs=[(3, 5)], load="mylayers:missing"',
        "load of mylayers is 'mylayers:missing', which cannot be found*",
    ),
    "name": ("inputs=[(3, 5)], name=3", "name=3 is not a text"),
    "empty name": ('inputs=[(3, 5)], name=""', "name='' is not a text"),
    "library": ("inputs=[(3, 5)], library=3", "library=3 is not the name of a library"),
    "library path": ('inputs=[(3, 5)], library="../up"', "library='../up' is not the name of a*"),
    "k": ('inputs=[(3, 5)], k="8"', "k of the ckptcompat mark of dense is '8': expected *"),
}


@pytest.mark.parametrize("case", MARKS)
@pytest.mark.parametrize("golden", [False, True], ids=["new", "with a golden"])
def test_a_bad_mark_is_refused(library, case, golden):
    mark, said = MARKS[case]
    if golden:
        library.released("1.0.0")
    library.install()
    library.recipe(mark=mark)
    refused(library, said)


CONFIGURATIONS = {
    "unknown key": (
        'library = "mylayers"\nlod = "mylayers:load"',
        "unknown key 'lod' in ?tool.ckptcompat? in *pyproject.toml; did you mean 'load'?",
    ),
    "unknown key of a library": (
        '[tool.ckptcompat.libraries.mylayers]\npath = ["."]',
        "unknown key 'path' in ?tool.ckptcompat.libraries.mylayers?*did you mean 'paths'?",
    ),
    "type": ('library = "mylayers"\nk = "8"', "k in ?tool.ckptcompat?*is '8': expected int or*"),
    "verdict": (
        'library = "mylayers"\nverdicts = {added = "warn"}',
        "verdicts.added in *is 'warn': it is one of note, ack, fail",
    ),
    "callable": (
        'library = "mylayers"\nload = "mylayers.load"',
        "load in ?tool.ckptcompat?*is 'mylayers.load': write it as \"package.module:name\"",
    ),
    "library": ('library = "a/b"', "library 'a/b' in *cannot be the name of a folder"),
    "no library": ("", "no library is named for test_recipes.py: write library = *"),
    "adapter": ('library = "mylayers"\nadapter = "nunpy"', "unknown adapter 'nunpy'; known:*"),
    "version": (
        'library = "mylayers"\nversion = "mylayers:relase"',
        "version = 'mylayers:relase' cannot be found: *relase*",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_a_bad_configuration_is_refused(library, case):
    text, said = CONFIGURATIONS[case]
    library.install()
    library.recipes()
    library.configure(text)
    refused(library, said)


def test_a_bad_configuration_is_refused_while_recording(library):
    library.install()
    library.recipes()
    library.configure('library = "mylayers"\nlod = "mylayers:load"')
    refused(library, "unknown key 'lod' in *", options=["--ckpt-record"])


def test_a_callable_that_is_missing_is_refused(library):
    library.released("1.0.0")
    library.configure('library = "mylayers"\nload = "mylayers:restore"')
    refused(library, "load of mylayers is 'mylayers:restore', which cannot be found*")


def test_an_input_that_is_no_array_is_refused(library):
    library.install()
    library.recipe(mark="inputs=[[3, 5]]")
    refused(library, "dense: the input ?3, 5? is neither a shape such as (2, 3) nor an array")


def test_a_mark_without_inputs_is_taken_where_the_module_gives_them(library):
    library.install()
    source = RECIPES.replace("inputs=[(3, 5)]", "")
    library.recipes(source + "\npytestmark = pytest.mark.ckptcompat(inputs=[(3, 5)])\n")
    library.record()


def test_the_library_of_a_mark_needs_no_configuration(library):
    library.install("1.0.0", DENSE)
    library.configure("")
    library.recipe(mark='inputs=[(3, 5)], library="mylayers"')
    library.record()
    assert list(library.manifest()["goldens"]) == ["dense"]
