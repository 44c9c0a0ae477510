"""What a step of a migration can do to a state."""

from __future__ import annotations

import collections
from pathlib import Path

import numpy as np
import pytest
from migrating import layered, plus_one, registry, run, same

from pytest_ckptcompat.migrations import MigrationError, State

ROOT = Path(__file__).parent.parent


def test_a_field_that_is_there_keeps_its_value_when_it_is_added():
    assert run(lambda s: s.added("a", 0), {"a": 1}) == {"a": 1}


def test_each_added_default_is_a_copy():
    default = np.zeros(2)
    made = registry(lambda s: s.added("b", default), where={"a"})
    first, second = made.migrate([{"a": 1}, {"a": 2}], None)
    first["b"][0] = 7
    assert default[0] == second["b"][0] == 0


def test_a_renamed_field_keeps_its_place_and_its_very_array():
    array = np.ones(2)
    result = run(lambda s: s.renamed("b", "x"), {"a": 1, "b": array, "c": 3})
    assert list(result) == ["a", "x", "c"]
    assert result["x"] is array


def test_a_field_can_be_moved_to_another_dict():
    result = run(
        lambda s: s.added("inner", {}).renamed("w", "inner/weight").renamed("deep/b", "b"),
        {"w": 1, "deep": {"b": 2}},
    )
    assert result == {"deep": {}, "inner": {"weight": 1}, "b": 2}


def test_a_field_is_moved_into_a_dict_that_only_the_layer_has():
    migrated = layered(lambda s: s.renamed("w", "inner/w").added("inner/n", 7))
    assert migrated({"w": 1}, {"inner": {"w": 0, "n": 0}}) == {"inner": {"w": 1, "n": 7}}


def test_a_dict_that_is_left_empty_goes_unless_the_layer_has_it():
    migrated = layered(lambda s: s.renamed("a/b/w", "w"))
    assert migrated({"a": {"b": {"w": 1}}}, {"w": 0}) == {"w": 1}
    assert migrated({"a": {"b": {"w": 1}}}, {"w": 0, "a": {}}) == {"a": {}, "w": 1}
    assert migrated({"a": {"b": {"w": 1}, "c": 2}}, {"w": 0}) == {"a": {"c": 2}, "w": 1}


def test_without_a_layer_no_dict_is_made_or_taken_out():
    with pytest.raises(MigrationError, match="does not lie in a dict"):
        layered(lambda s: s.renamed("w", "inner/w"))({"w": 1}, None)
    assert layered(lambda s: s.renamed("a/w", "w"))({"a": {"w": 1}}, None) == {"a": {}, "w": 1}


def test_a_wrapper_can_be_taken_off_by_returning_what_is_inside():
    step = lambda s: s["cell"]  # noqa: E731
    result = run(step, {"rnn": {"cell": {"w": 1}, "state": 0}}, where={"cell", "state"})
    assert result == {"rnn": {"w": 1}}


def test_renaming_onto_an_existing_field_is_refused():
    with pytest.raises(MigrationError, match="a and b are both there"):
        run(lambda s: s.renamed("a", "b"), {"a": 1, "b": 2})


def test_renaming_what_is_renamed_already_changes_nothing():
    assert run(lambda s: s.renamed("a", "b"), {"b": 2}) == {"b": 2}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.renamed("typo", "b"),
        lambda s: s.transformed("typo", abs),
        lambda s: s.added("b", s["typo"]),
    ],
)
def test_a_field_that_is_not_there_is_refused_with_those_that_are(change):
    with pytest.raises(MigrationError, match=r"there is no typo in the state \(a, c\)"):
        run(change, {"a": 1, "c": 2})


def test_removing_what_is_not_there_changes_nothing():
    assert run(lambda s: s.removed("b"), {"a": 1}) == {"a": 1}


def test_a_transformed_array_is_writable_and_its_own():
    array = np.arange(6.0).reshape(2, 3)
    result = run(lambda s: s.transformed("w", np.transpose), {"w": array})
    result["w"][0, 0] = 99
    assert array[0, 0] == 0
    assert result["w"].shape == (3, 2)


def test_an_item_of_a_sequence_can_be_transformed():
    assert run(lambda s: s.transformed("w/1", plus_one), {"w": (1, 2)}) == {"w": (1, 3)}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.added("w/2", 0),
        lambda s: s.removed("w/1"),
        lambda s: s.added("a/b", 0),
        lambda s: s.added("x/y", 0),
    ],
)
def test_a_path_that_does_not_lie_in_a_dict_is_refused(change):
    with pytest.raises(MigrationError, match="does not lie in a dict"):
        run(change, {"w": [1, 2], "a": 1})


def test_a_step_cannot_write_into_an_array_of_the_state():
    def step(state):
        state["inner/w"][0] = 7
        return state

    array = np.zeros(2)
    with pytest.raises(MigrationError, match=r"step of 2\.0 failed at the state: ValueError"):
        run(step, {"inner": {"w": array}})
    assert array[0] == 0


def test_a_step_cannot_assign_a_field():
    def step(state):
        state["a"] = 2
        return state

    with pytest.raises(MigrationError, match="TypeError"):
        run(step, {"a": 1})


def test_what_a_step_reads_can_be_put_elsewhere():
    array = np.ones(2)
    result = run(lambda s: s.added("copy", s["inner"]), {"inner": {"w": array, "n": [1]}})
    assert same(result["copy"], {"w": array, "n": [1]})
    assert result["copy"]["w"].flags.writeable
    assert result["copy"]["w"] is not array


def test_tied_arrays_stay_tied_through_a_step_that_does_not_touch_them():
    array = np.ones(2)
    result = run(lambda s: s.added("c", 0), {"a": array, "b": {"a": array}})
    assert result["a"] is result["b"]["a"] is array


def test_a_step_that_returns_nothing_is_refused_by_name():
    def forgetful(state):
        state.added("b", 0)

    with pytest.raises(MigrationError, match=r"step forgetful of 2\.0 returned a NoneType"):
        run(forgetful, {"a": 1})


def test_an_error_in_a_step_names_the_step_and_the_place():
    def divide(state):
        return state.transformed("n", lambda n: 1 / n)

    with pytest.raises(
        MigrationError, match=r"step divide of 2\.0 failed at layers/1: ZeroDivisionError"
    ):
        run(divide, {"layers": [{"n": 1}, {"n": 0}]}, where={"n"})


def test_a_step_for_a_whole_state_that_is_no_dict_is_refused():
    with pytest.raises(MigrationError, match=r"the whole state is a tuple.*where="):
        run(lambda s: s.added("b", 0), ({"a": 1},))


def test_keys_that_are_numbers_or_contain_slashes_can_be_named():
    state = {3: {"a/b": 1}, "x/y": 2}
    step = lambda s: s.renamed("3/a%2Fb", "3/c").transformed("x/y", plus_one)  # noqa: E731
    assert run(step, state) == {3: {"c": 1}, "x/y": 3}
    assert run(lambda s: s.removed((3, "a/b")), state) == {3: {}, "x/y": 2}


@pytest.mark.parametrize("text", ["01", "²", "+1", "-1"])
def test_only_the_plain_form_of_a_number_names_a_key_or_an_index(text):
    assert text not in State({1: 0})
    assert f"a/{text}" not in State({"a": [0, 0, 0]})


def test_the_view_is_a_mapping_that_shows_its_fields():
    view = State({"a": 1, "b": {"c": 2}}, ("layers", 3))
    assert ("b/c" in view, "b/d" in view, "a/x" in view) == (True, False, False)
    assert (list(view), len(view), view.get("z", 5)) == (["a", "b"], 2, 5)
    assert view["b"].path == ("layers", 3, "b")
    assert repr(view) == "layers/3 (a, b)"


def test_dicts_of_a_subclass_and_named_tuples_keep_their_class():
    pair = collections.namedtuple("pair", "left right")  # noqa: PYI024
    state = collections.OrderedDict(a=pair({"n": 1}, {"n": 2}))
    result = run(lambda s: s.transformed("n", plus_one), state, where={"n"})
    assert type(result) is collections.OrderedDict
    assert result["a"] == pair({"n": 2}, {"n": 3})
