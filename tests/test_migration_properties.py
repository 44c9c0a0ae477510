"""Properties of migrations: nothing is lost, changed in place, or left unnoticed."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from migrating import plus_one, quick, registry, same
from packaging.version import Version

from pytest_ckptcompat import state as state_tree
from pytest_ckptcompat.migrations import MigrationError, Migrations, State, fit
from pytest_ckptcompat.migrations.versions import order

ROOT = Path(__file__).parent.parent


# Properties. A history is a list of changes, each possible after the ones before it.


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
    found = [order(text) for text in (left, right)]
    assert (found[0] < found[1], found[0] == found[1]) == (
        expected[0] < expected[1],
        expected[0] == expected[1],
    )
