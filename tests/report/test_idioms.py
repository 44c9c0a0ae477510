"""Which idiom a suggestion is in is the adapter's word."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ckptcompat.adapters import AdapterError, idiom_of
from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.adapters.routed import Routed
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.idioms import Case, Suggestion, suggestion
from pytest_ckptcompat.state import Tree

OLD, NEW = Tree.of({"w": np.ones(2)}), Tree.of({"w": np.ones(2), "gain": 1.0})


def case(**more):
    drifts = diff(OLD, NEW)
    fates = {(drift.where, drift.kind.value): Fate.BROKEN for drift in drifts}
    return Case(drifts, fates, "2.0", OLD, NEW, **more)


def ask_the_authors(found):
    return Suggestion(f"ask about {found.drifts[0].where}", ("# mail us",), 1, 1, "your mail")


def test_without_a_word_it_is_a_migration():
    assert idiom_of(PlainAdapter()) == "migrations"
    assert "@migrations.step" in suggestion(case()).code[0]


def test_routes_of_others_do_not_change_an_adapters_idiom():
    class Other(PlainAdapter):
        idiom = "torch"

    assert idiom_of(Routed(Other(), {})) == "torch"


def test_an_adapter_may_bring_an_idiom_of_its_own(monkeypatch):
    monkeypatch.setattr("pytest_ckptcompat.names.ask_the_authors", ask_the_authors, raising=False)
    found = suggestion(case(), "pytest_ckptcompat.names:ask_the_authors")
    assert (found.purpose, found.place) == ("ask about gain", "your mail")


def test_an_idiom_that_cannot_be_found_is_told():
    with pytest.raises(AdapterError, match=r"the adapter's idiom is 'my\.own:idiom'"):
        suggestion(case(), "my.own:idiom")


def test_torch_has_nothing_to_say_of_statics_that_its_checkpoints_do_not_hold():
    assert suggestion(case(holds_statics=False), "torch") is None
    assert suggestion(case(), "torch").code[1] == '    state.setdefault("gain", 1.0)'
