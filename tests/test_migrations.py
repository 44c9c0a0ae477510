"""The registry that a library uses at run time to load what its older versions saved."""

import ast
import collections
import copy
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from pytest_ckptcompat import migrations as module
from pytest_ckptcompat import state as state_tree
from pytest_ckptcompat.migrations import MigrationError, Migrations, State, fit

ROOT = Path(__file__).parent.parent
quick = settings(deadline=None, max_examples=60)


def same(left, right):
    """Equal in value, container class and field order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)
    return left == right


def registry(step=None, *, where=None, version="2.0", **options):
    made = Migrations(**{"base": "1.0", "current": "2.0", **options})
    if step is not None:
        made.step(version, where=where)(step)
    return made


def run(step, state, like=None, **options):
    return registry(step, **options).migrate(state, like)


# Properties. A history is a list of changes, each possible after the ones before it.


def plus_one(value):
    return value + 1


@st.composite
def histories(draw):
    """(the first version's state, [(version, method, arguments)], the fields in the end)."""
    names = [f"f{i}" for i in range(draw(st.integers(1, 4)))]
    state = {
        name: draw(st.one_of(st.integers(-9, 9), st.just(np.arange(3.0)), st.just(np.ones((2, 1)))))
        for name in names
    }
    changes = []
    minor = 0
    for number in range(draw(st.integers(0, 6))):
        minor += draw(st.integers(0, 2))  # 0: two steps of one version
        method = draw(st.sampled_from(["added", "removed", "renamed", "transformed"]))
        if method == "added" or not names:
            method, arguments = "added", (f"g{number}", number)
            names = [*names, f"g{number}"]
        else:
            name = draw(st.sampled_from(names))
            arguments = {
                "removed": (name,),
                "renamed": (name, f"h{number}"),
                "transformed": (name, plus_one),
            }[method]
            if method == "removed":
                names = [other for other in names if other != name]
            elif method == "renamed":
                names = [f"h{number}" if other == name else other for other in names]
        changes.append((f"1.{minor + 1}", method, arguments))
    return state, changes, names


def with_history(changes, current="9.0", prefix=""):
    made = Migrations(base="1.0", current=current)
    for version, method, arguments in changes:
        paths = 2 if method == "renamed" else 1
        placed = (*(prefix + path for path in arguments[:paths]), *arguments[paths:])

        def step(state, method=method, placed=placed):
            return getattr(state, method)(*placed)

        made.step(version)(step)
    return made


def by_hand(state, changes):
    """The same changes to a plain dict, as one would write them without the registry."""
    for _, method, (name, *rest) in changes:
        if method == "added":
            state = {**state, name: rest[0]}
        elif method == "removed":
            state = {key: value for key, value in state.items() if key != name}
        elif method == "renamed":
            state = {rest[0] if key == name else key: value for key, value in state.items()}
        else:
            state = {**state, name: rest[0](state[name])}
    return state


@quick
@given(histories())
def test_a_migrated_state_is_what_the_changes_make_by_hand(history):
    state, changes, names = history
    result = with_history(changes).migrate(state, dict.fromkeys(names, 0))
    assert same(result, by_hand(state, changes))


@quick
@given(histories(), st.integers(0, 12))
def test_migrating_in_two_releases_equals_migrating_at_once(history, cut):
    state, changes, names = history
    stop = f"1.{cut}"
    early = [change for change in changes if Version(change[0]) <= Version(stop)]
    between = with_history(early, current=stop)
    halfway = between.stamp(between.migrate(state, None))
    complete, like = with_history(changes), dict.fromkeys(names, 0)
    assert halfway["version"] == stop
    assert same(complete.migrate(halfway, like), complete.migrate(state, like))


@quick
@given(histories())
def test_a_state_of_the_current_version_stays_as_it_is(history):
    state, changes, names = history
    made, like = with_history(changes), dict.fromkeys(names, 0)
    once = made.migrate(state, like)
    assert same(made.migrate(made.stamp(once), like), once)


@quick
@given(histories(), st.sampled_from(["", "layers/0/", "a/1/b/"]))
def test_no_argument_is_ever_changed(history, prefix):
    fields, changes, names = history
    state, like = fields, dict.fromkeys(names, 0)
    for key in reversed(prefix.split("/")[:-1]):
        state = [{}, state] if key == "1" else [state] if key == "0" else {key: state}
        like = [{}, like] if key == "1" else [like] if key == "0" else {key: like}
    before, like_before = copy.deepcopy(state), copy.deepcopy(like)
    result = with_history(changes, prefix=prefix).migrate(state, like)
    assert same(state, before)
    assert same(like, like_before)
    for key in prefix.split("/")[:-1]:
        result = result[int(key)] if key.isdigit() else result[key]
    assert same(result, by_hand(fields, changes))


@quick
@given(histories(), st.sampled_from(["surplus", "b/c", "%", ""]))
def test_a_field_that_no_step_consumes_is_named(history, name):
    state, changes, names = history
    made = with_history(changes)
    assert name not in names
    with pytest.raises(MigrationError, match="the layer has no") as caught:
        made.migrate({**state, name: 1}, dict.fromkeys(names, 0))
    listed = str(caught.value).split("the layer has no ")[1].split(" (")[0]
    assert state_tree.parse_path(listed) == (name,)


@quick
@given(histories(), st.data())
def test_a_field_that_no_step_adds_is_named(history, data):
    state, changes, names = history
    like = dict.fromkeys([*names, "new"], 0)
    with pytest.raises(MigrationError, match=r"the state has no new \("):
        with_history(changes).migrate(state, like)
    if names:
        less = data.draw(st.sampled_from(names))
        with pytest.raises(MigrationError, match=rf"the layer has no {less} \("):
            with_history(changes).migrate(state, {key: like[key] for key in like if key != less})


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.just((2, 2)),
    st.just(()),
    st.just(np.zeros((2, 3))),
    st.just(np.float32(1)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.dictionaries(st.text("ab/%1", max_size=2), inner, max_size=3),
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


@quick
@given(trees)
def test_every_state_fits_its_own_layer(tree):
    assert same(fit(tree, tree), tree)


@quick
@given(trees)
def test_a_step_that_changes_nothing_gives_the_same_state_at_every_place(tree):
    made = registry(lambda state: state, where=lambda state: True)
    assert same(made.migrate(tree, tree), tree)


def field_paths(tree, path=()):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield (*path, key)
            yield from field_paths(value, (*path, key))
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from field_paths(value, (*path, index))


def without(tree, path):
    tree = copy.deepcopy(tree)
    if len(path) == 1:
        return {key: value for key, value in tree.items() if key != path[0]}
    children = dict(tree) if isinstance(tree, dict) else dict(enumerate(tree))
    children[path[0]] = without(children[path[0]], path[1:])
    return children if isinstance(tree, dict) else type(tree)(children.values())


@quick
@given(trees.filter(lambda tree: any(field_paths(tree))), st.data())
def test_one_missing_or_surplus_field_at_any_depth_is_named_by_its_path(tree, data):
    path = data.draw(st.sampled_from(list(field_paths(tree))))
    less = without(tree, path)
    shown = re.escape(state_tree.format_path(path))
    with pytest.raises(MigrationError, match=rf"the state has no {shown} \("):
        fit(less, tree)
    with pytest.raises(MigrationError, match=rf"the layer has no {shown} \("):
        fit(tree, less)
    assert same(fit(less, tree, missing="fill"), tree)
    assert same(fit(less, tree, missing="accept"), less)


@quick
@given(st.lists(st.text(max_size=4), min_size=1, max_size=3))
def test_a_path_is_read_as_state_trees_write_it(keys):
    nested = 1
    for key in reversed(keys):
        nested = {key: nested}
    text = state_tree.format_path(tuple(keys))
    read = State({"outer": nested})["outer/" + text]
    assert read == 1


versions = st.from_regex(
    r"\A(v?([0-2]!)?[0-3](\.[0-3]){0,2}((-|_|\.)?(a|A|b|c|rc|RC|alpha|Beta|pre|preview)[-_.]?[0-2]?)?"
    r"(-[0-2]|[-_.]?(post|rev|r)[-_.]?[0-2]?)?([-_.]?dev[-_.]?[0-2]?)?(\+cu[0-9])?)\Z"
)


@settings(deadline=None, max_examples=150)
@given(versions, versions)
def test_versions_are_ordered_as_pep_440_has_it_without_local_parts(left, right):
    expected = [Version(Version(text).public) for text in (left, right)]
    found = [module._order(text) for text in (left, right)]
    assert (found[0] < found[1], found[0] == found[1]) == (
        expected[0] < expected[1],
        expected[0] == expected[1],
    )


# Versions


def test_the_stages_of_a_release_come_in_their_order_however_they_are_spelled():
    stages = "1.0.dev1 1.0A1.dev1 1.0a1 1.0-Beta.1 1.0b2 1.0RC1 1.0 1.0.post1.dev1 1.0-1 1.1 1!0"
    keys = [module._order(text) for text in stages.split()]
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


# Steps


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


def layered(step):
    """What a step makes of a state, given the layer."""
    return lambda state, like: registry(step).apply(state, like)


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
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert ast.parse(source, feature_version=(3, 8)).body


def test_it_works_as_a_copy_inside_another_library(tmp_path):
    copied = tmp_path / "vendored.py"
    copied.write_bytes(Path(module.__file__).read_bytes())
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
