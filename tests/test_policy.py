"""Verdicts: by what became of a drift, and as the configuration has it."""

from __future__ import annotations

import pytest

from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.policy import Fate, Verdict, verdict


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("fate", "expected"),
    [
        (Fate.HANDLED, Verdict.NOTE),
        (Fate.TRANSFORMED, Verdict.NOTE),
        (Fate.LOST, Verdict.ACK),
        (Fate.IGNORED, Verdict.ACK),
        (Fate.BROKEN, Verdict.FAIL),
    ],
)
def test_without_configuration_what_became_of_a_drift_decides(kind, fate, expected):
    assert verdict(kind, "w", fate, {}) is expected


def test_a_kind_counts_before_its_family_and_that_before_the_fate():
    said = {"*": "fail", "handled": "note", "retyped": "ack"}
    assert verdict(Kind.WIDENED, "w", Fate.HANDLED, said) is Verdict.ACK
    assert verdict(Kind.WIDENED, "w", Fate.HANDLED, {**said, "retyped wider": "note"}) is (
        Verdict.NOTE
    )
    assert verdict(Kind.ADDED, "w", Fate.HANDLED, said) is Verdict.NOTE
    assert verdict(Kind.ADDED, "w", Fate.LOST, said) is Verdict.FAIL


def test_a_path_pattern_counts_before_what_is_said_of_every_path():
    said = {"lost": "fail", "*/seed": {"lost": "note"}}
    assert verdict(Kind.REMOVED, "drop/seed", Fate.LOST, said) is Verdict.NOTE
    assert verdict(Kind.REMOVED, "drop/rate", Fate.LOST, said) is Verdict.FAIL


def test_of_the_path_patterns_the_last_counts_that_has_a_word_on_it():
    said = {"*": {"lost": "fail"}, "*/seed": {"lost": "note"}, "drop/*": {"ignored": "fail"}}
    assert verdict(Kind.REMOVED, "drop/seed", Fate.LOST, said) is Verdict.NOTE
    assert verdict(Kind.REMOVED, "drop/rate", Fate.LOST, said) is Verdict.FAIL
    assert verdict(Kind.VALUE, "drop/seed", Fate.IGNORED, said) is Verdict.FAIL


def test_what_is_broken_fails_whatever_the_configuration_says():
    said = {"*": "note", "added": "note", "w": {"*": "note"}}
    assert verdict(Kind.ADDED, "w", Fate.BROKEN, said) is Verdict.FAIL
