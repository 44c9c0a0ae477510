"""The registry that a library uses at run time to load what its older versions saved."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from migrating import registry, run, same

from pytest_ckptcompat import migrations as module
from pytest_ckptcompat.migrations import MigrationError, Migrations, State, fit
from pytest_ckptcompat.migrations.versions import order

ROOT = Path(__file__).parent.parent


# Versions


def test_the_stages_of_a_release_come_in_their_order_however_they_are_spelled():
    stages = "1.0.dev1 1.0A1.dev1 1.0a1 1.0-Beta.1 1.0b2 1.0RC1 1.0 1.0.post1.dev1 1.0-1 1.1 1!0"
    keys = [order(text) for text in stages.split()]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    "text", ["", "banana", "1.x", "1..2", "1.0-", "\u0661.\u0660", "1.0+", "main"]
)
def test_a_version_that_is_none_is_refused_with_what_it_says(text):
    with pytest.raises(MigrationError, match=re.escape(repr(text))):
        registry().migrate({"version": text, "a": 1}, {"a": 0})


def test_a_state_newer_than_the_library_is_refused():
    with pytest.raises(MigrationError, match=r"saved by 2\.0\.1.*newest .*2\.0: upgrade"):
        registry().migrate({"version": "2.0.1", "a": 1}, {"a": 0})


def test_a_state_older_than_the_base_is_refused():
    with pytest.raises(MigrationError, match=r"saved by 0\.9.*start from 1\.0"):
        registry().migrate({"version": "0.9", "a": 1}, {"a": 0})


def test_another_build_of_the_same_version_is_not_newer():
    assert registry().migrate({"version": "2.0+cu118", "a": 1}, {"a": 0}) == {"a": 1}


def test_a_step_for_the_coming_release_runs_in_the_checkout_that_prepares_it():
    made = registry(lambda state: state.added("b", 0), version="2.1", current="2.1.dev4")
    assert made.current == "2.1"
    assert made.migrate({"version": "2.0", "a": 1}, {"a": 0, "b": 0}) == {"a": 1, "b": 0}


def test_a_prerelease_does_not_have_the_final_release_behind_it():
    made = registry(lambda state: state.added("b", 0))
    assert made.migrate({"version": "2.0rc1", "a": 1}, None) == {"a": 1, "b": 0}
    assert made.migrate({"version": "2.0", "a": 1}, None) == {"a": 1}


def test_steps_run_by_version_however_they_were_registered():
    made = registry(current="10.0")
    for version in ("10.0", "9.0", "2.0"):
        made.step(version)(lambda state, v=version: state.transformed("log", lambda log: [*log, v]))
    assert made.migrate({"log": []}, None) == {"log": ["2.0", "9.0", "10.0"]}
    assert made.migrate({"version": "2.0", "log": []}, None) == {"log": ["9.0", "10.0"]}


def test_a_step_that_would_never_run_is_refused():
    with pytest.raises(MigrationError, match=r"a step of 1\.0 would never run"):
        registry().step("1.0")


def test_a_library_older_than_its_base_is_refused():
    with pytest.raises(MigrationError, match="is older than base"):
        Migrations(base="2.0", current="1.0")


# Stamps


def test_a_stamp_is_read_back_and_left_out_of_the_migrated_state():
    made = registry()
    stamped = made.stamp({"a": 1})
    assert made.version_of(stamped) == "2.0"
    assert made.migrate(stamped, {"a": 0}) == {"a": 1}


@pytest.mark.parametrize("kept", [b"2.0", np.array("2.0"), np.array(b"2.0"), np.str_("2.0")])
def test_a_stamp_is_read_back_as_files_of_arrays_return_it(kept):
    assert registry().version_of({"version": kept}) == "2.0"


def test_reading_a_stamp_leaves_it_in_the_state_that_was_given():
    state = {"version": "1.5", "a": 1}
    registry().migrate(state, {"a": 0})
    assert state == {"version": "1.5", "a": 1}


def test_stamping_again_replaces_the_stamp():
    assert registry().stamp({"version": "1.0", "a": 1}) == {"version": "2.0", "a": 1}


def test_a_stamped_state_shares_no_container_with_the_original():
    state = {"a": {"b": [1]}}
    registry().stamp(state)["a"]["b"].append(2)
    assert state == {"a": {"b": [1]}}


def test_a_layers_own_field_is_not_overwritten_by_a_stamp():
    with pytest.raises(MigrationError, match="choose another key="):
        registry().stamp({"version": 3})
    assert registry(key="saved_by").stamp({"version": 3}) == {"version": 3, "saved_by": "2.0"}


def test_a_layer_with_a_field_of_the_stamps_name_is_refused():
    with pytest.raises(MigrationError, match="the layer has a field 'version'"):
        registry().migrate({"a": 1}, {"a": 0, "version": "x"})


def test_a_state_that_is_no_dict_cannot_be_stamped():
    with pytest.raises(MigrationError, match="a tuple has no room for a stamp"):
        registry().stamp(({"a": 1},))


def test_a_version_kept_beside_the_state_decides_which_steps_run():
    made = registry(lambda state: state.added("b", 0))
    assert made.migrate({"a": 1}, None, version="2.0") == {"a": 1}
    assert made.migrate({"a": 1}, None, version="1.5") == {"a": 1, "b": 0}


def test_a_version_may_be_written_otherwise_than_the_stamp():
    assert registry().migrate({"version": "v2.0"}, {}, version=" 2.0.0\n") == {}


def test_a_version_that_contradicts_the_stamp_is_refused():
    with pytest.raises(MigrationError, match=r"'1\.5' is given for a state stamped 2\.0"):
        registry().migrate({"version": "2.0"}, None, version="1.5")


# Where


CONV = {"act": (), "weight": np.ones((3, 3)), "stride": (2, 2)}


def test_a_step_for_certain_fields_runs_on_exactly_those_dicts_at_any_depth():
    step = lambda s: s.added("outpad", (0, 0))  # noqa: E731
    bigger = {**CONV, "extra": 1}
    result = run(step, {"m": [CONV, {"up": (CONV, bigger)}]}, where=["stride", "weight", "act"])
    full = {**CONV, "outpad": (0, 0)}
    assert same(result, {"m": [full, {"up": (full, bigger)}]})


def test_layers_with_equal_fields_are_told_apart_by_the_current_layer():
    like = {"layers": (CONV, {**CONV, "outpad": (0, 0)})}
    result = run(
        lambda s: s.added("outpad", (0,) * len(s["stride"])),
        {"layers": (CONV, CONV)},
        like,
        where=lambda s: "outpad" in s.like,
    )
    assert same(result, like)


def test_a_step_sees_what_the_layer_lacks_and_what_it_lacks_itself():
    view = State({"n": {"a": 1, "b/c": 2, 3: 4}}, like={"n": {"a": 0, "d": 0}})["n"]
    assert (view.surplus, view.lacking) == ({"b/c", 3}, {"d"})
    assert (State({"a": 1}).surplus, State({"a": 1}).lacking) == ({"a"}, set())


def test_a_rename_leaves_a_layer_alone_that_has_both_names():
    made = registry(
        lambda s: s.renamed("W", "weight"),
        where=lambda s: "W" in s.surplus and "weight" in s.lacking,
    )
    other = {"W": 2, "weight": 3}
    like = [{"weight": 0}, {"W": 0, "weight": 0}]
    assert made.migrate([{"W": 1}, other], like) == [{"weight": 1}, other]


def test_inner_places_are_migrated_before_outer_ones():
    seen = []
    run(lambda s: seen.append(s.path) or s, {"a": {"b": {}}}, where=lambda s: True)
    assert seen == [("a", "b"), ("a",), ()]


def test_a_layer_that_was_saved_as_an_empty_tuple_can_be_given_fields():
    result = run(
        lambda s: s.added("k", s.like["k"]),
        {"layers": [(), ()]},
        {"layers": [{"k": (2, 2)}, ()]},
        where=lambda s: "k" in s.like,
    )
    assert result == {"layers": [{"k": (2, 2)}, ()]}


def test_an_empty_tuple_stays_one_where_the_layer_has_no_fields():
    result = run(lambda s: s.added("k", 1), [()], [()], where=lambda s: True)
    assert result == [()]


@pytest.mark.parametrize("where", [{"k", "pad"}, lambda s: "pad" in s.like])
def test_an_empty_tuple_stays_one_where_the_step_is_not_for_it(where):
    made = registry(lambda s: s.added("k", 1), where=where)
    assert made.apply([()], [{"k": 2}]) == [()]


def test_one_name_in_place_of_a_collection_is_refused():
    with pytest.raises(MigrationError, match="a collection of names, or a function"):
        registry().step("2.0", where="weight")


def test_an_error_in_a_predicate_names_the_step():
    with pytest.raises(MigrationError, match=r"of 2\.0: there is no stride in the state \(a\)"):
        run(lambda s: s, {"a": 1}, where=lambda s: s["stride"] == 1)


# Fit


def test_every_field_that_does_not_fit_is_listed_at_once():
    state = {"a": 1, "b": [{"x": 1}, {"y": 1}], "d": {"e": 1}}
    like = {"a": 1, "b": [{"z": 1}, {}], "c": 1, "d": 1}
    with pytest.raises(MigrationError) as caught:
        registry().migrate(state, like)
    assert str(caught.value) == (
        "saved by 1.0, loaded by 2.0: the state does not fit the layer: "
        "the layer has no b/0/x, b/1/y (rename or remove it in a step); "
        'the state has no b/0/z, c (add it in a step, or pass missing="fill" or "accept"); '
        "of another kind in the layer: d (transform it in a step)"
    )


def test_the_result_has_the_fields_in_the_layers_order():
    assert list(fit({"b": 1, "a": 2}, {"a": 0, "b": 0})) == ["a", "b"]


def test_a_longer_chain_of_layers_does_not_fit_a_shorter_one():
    one, two = [{"w": 1}], [{"w": 1}, {"w": 2}]
    with pytest.raises(MigrationError, match=r"the layer has no 1 \("):
        fit(two, one, missing="fill")
    with pytest.raises(MigrationError, match=r"the state has no 1 \("):
        fit(one, two)


@pytest.mark.parametrize("nothing", [None, False, (), {}])
def test_an_array_where_the_layer_keeps_nothing_is_refused(nothing):
    with pytest.raises(MigrationError, match="of another kind in the layer: bias"):
        fit({"bias": np.ones(2)}, {"bias": nothing})


@pytest.mark.parametrize(("old", "new"), [((2, 2), (2, 2, 2)), (np.ones(2), (1, 1)), (1, None)])
def test_values_of_static_fields_are_left_to_the_loader(old, new):
    assert same(fit({"a": old}, {"a": new}), {"a": old})


@pytest.mark.parametrize("state", [5, None, [1], {"a": {}}])
def test_leaves_and_layers_do_not_stand_for_each_other(state):
    with pytest.raises(MigrationError, match="does not fit"):
        fit(state, {"a": {"b": 1}})


def test_the_result_shares_no_list_with_the_state():
    state = {"a": [1]}
    fit(state, state)["a"].append(2)
    assert state == {"a": [1]}


def test_a_dict_numbered_like_a_list_is_no_list():
    with pytest.raises(MigrationError, match="of another kind in the layer: layers"):
        fit({"layers": {0: {"w": 1}}}, {"layers": [{"w": 1}]})


def test_a_list_of_more_arrays_than_the_layer_has_is_refused():
    with pytest.raises(MigrationError, match=r"the layer has no w/1 \("):
        fit({"w": [np.ones(1), np.ones(1)]}, {"w": [np.ones(1)]})


@pytest.mark.parametrize(
    ("empty", "like", "filled"),
    [
        ((), {"b": 1}, {"b": 1}),
        ([], {"b": 1}, {"b": 1}),
        ({}, [{"b": 1}], [{"b": 1}]),
        ((), [{"b": 1}], ({"b": 1},)),
    ],
)
def test_an_empty_container_counts_as_a_layer_without_fields(empty, like, filled):
    assert fit({"a": empty}, {"a": like}, missing="fill") == {"a": filled}
    with pytest.raises(MigrationError, match="the state has no a/"):
        fit({"a": empty}, {"a": like})


def test_filled_fields_share_no_container_with_the_layer():
    like = {"a": {"b": [1]}}
    fit({}, like, missing="fill")["a"]["b"].append(2)
    assert like == {"a": {"b": [1]}}


def test_an_unknown_way_with_missing_fields_is_refused():
    with pytest.raises(MigrationError, match="missing='ignore'"):
        fit({}, {}, missing="ignore")


def test_without_a_layer_the_fields_are_the_loaders_business():
    assert run(lambda s: s.added("b", len(s.like)), {"a": 1}) == {"a": 1, "b": 0}


def test_steps_alone_see_the_layer_and_leave_its_fields_to_the_loader():
    made = registry(lambda s: s.added("b", s.like["b"]), where=lambda s: "b" in s.like)
    like = {"inner": {"b": 2, "c": 3}, "d": 4}
    assert made.apply({"inner": {"x": 1}}, like) == {"inner": {"x": 1, "b": 2}}


def test_steps_alone_start_from_the_version_that_saved_the_state():
    made = registry(lambda s: s.added("b", 0))
    assert made.apply({"version": "2.0", "a": 1}, None) == {"a": 1}
    assert made.apply({"a": 1}, None, version="1.5") == {"a": 1, "b": 0}
    with pytest.raises(MigrationError, match=r"saved by 3\.0"):
        made.apply({"version": "3.0"}, None)
    with pytest.raises(MigrationError, match="the layer has a field 'version'"):
        made.apply({}, {"version": "x"})


# The file itself


def test_importing_it_imports_no_test_framework_and_no_numerics():
    code = (
        "import sys, pytest_ckptcompat.migrations\n"
        "print(sorted({'pytest', '_pytest', 'numpy', 'h5py', 'packaging', 'hypothesis',"
        " 'pytest_ckptcompat.state'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_it_is_written_in_the_syntax_of_python_3_8():
    files = sorted(Path(module.__file__).parent.glob("*.py"))
    assert len(files) > 1
    for file in files:
        assert ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8)).body


def test_it_works_as_a_copy_inside_another_library(tmp_path):
    shutil.copytree(Path(module.__file__).parent, tmp_path / "vendored")
    code = (
        "from vendored import Migrations\n"
        "m = Migrations(base='1', current='2')\n"
        "m.step('2')(lambda state: state.added('b', [0]))\n"
        "print(m.migrate({'a': 1}, {'a': 0, 'b': [0]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{'a': 1, 'b': [0]}"


def test_the_examples_of_the_documentation_run():
    text = (ROOT / "docs" / "migrations.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(examples) == text.count("```python")
    assert len(examples) >= 5
    scope = {}
    for example in examples:
        exec(compile(example, "docs/migrations.md", "exec"), scope)
