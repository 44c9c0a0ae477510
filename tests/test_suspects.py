"""What a failure tells to suspect where a golden loads and its outputs are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.state import Tree
from pytest_ckptcompat.suspects import told

WRONG = Finding("forward", "output", "", Fate.BROKEN, Verdict.FAIL, "3 of 4 elements differ")


def note(path, kind, text):
    return Finding("fields", kind, path, Fate.HANDLED, Verdict.NOTE, text)


def said(*others, state=None):
    """What stands behind the figures of the wrong output."""
    *_, last = told([*others, WRONG], Tree.of({} if state is None else state))
    assert last.text.startswith(WRONG.text)
    return last.text[len(WRONG.text) :].lstrip("; ")


def test_a_setting_that_changed_is_suspected():
    changed = note("slope", "value changed", "value changed: 1.5 -> 2.5")
    assert said(changed) == "perhaps for slope value changed: 1.5 -> 2.5"


def test_without_one_the_functions_that_the_layer_names_are():
    state = {"dense": {"activation": "hard_sigmoid", "units": 4}, "act": np.tanh}
    assert said(note("mode", "added", "added"), state=state) == (
        "its state arrived and no setting changed, so a function computes something else: it "
        "names activation 'hard_sigmoid', act tanh"
    )


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"activation": "linear", "act": None}, id="no function"),
        pytest.param({"padding": "same"}, id="a text that is no function"),
        pytest.param({"activation": np.ones(2)}, id="an array"),
        pytest.param(np.ones(2), id="a root without a name"),
    ],
)
def test_nothing_is_said_where_nothing_is_suspect(state):
    assert said(state=state) == ""


def test_of_many_suspects_some_are_named():
    state = {str(number): {"activation": f"f{number}"} for number in range(5)}
    assert said(state=state).endswith(
        "it names activation 'f0', activation 'f1', activation 'f2' and 2 more"
    )


def test_nothing_is_said_where_another_stage_failed():
    lost = Finding("fields", "removed", "pad", Fate.LOST, Verdict.ACK, "removed")
    assert said(lost, state={"activation": "relu"}) == ""


def test_nothing_is_said_where_the_outputs_are_right():
    findings = (note("slope", "value changed", "value changed: 1 -> 2"),)
    assert told(findings, Tree.of({"activation": "relu"})) == findings
