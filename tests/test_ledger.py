from __future__ import annotations

import datetime as dt

import pytest
from packaging.version import Version

from pytest_ckptcompat.ledger import LedgerError, read, settle
from pytest_ckptcompat.policy import Fate, Finding, Verdict


@pytest.fixture
def ledger(tmp_path):
    def write(text):
        path = tmp_path / "ledger.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return write


def entry(ledger, section="waive", **keys):
    keys = {"recipe": "dense", "reason": "why", **keys}
    (only,) = ledger(f"[[{section}]]\n" + "".join(f'{k} = "{v}"\n' for k, v in keys.items()))
    return only


def found(verdict=Verdict.FAIL, stage="fields", kind="added", path="outpad", fate=Fate.BROKEN):
    return Finding(stage, kind, path, fate, verdict, "text")


def test_there_may_be_no_ledger(tmp_path):
    assert read(tmp_path / "ledger.toml") == ()


def test_entries_are_numbered_within_their_section(ledger):
    text = '[[{}]]\nrecipe = "a"\nreason = "r"\n'
    entries = ledger("".join(text.format(s) for s in ("waive", "acknowledge", "waive", "retire")))
    assert [e.id for e in entries] == ["acknowledge 1", "waive 1", "waive 2", "retire 1"]


def test_an_entry_shows_what_it_selects_by(ledger):
    shown = str(entry(ledger, path="out*", kind="added", versions="<2", route="h5"))
    assert shown == (
        "[[waive]] no. 1 (recipe 'dense', path 'out*', kind 'added', route 'h5', versions '<2')"
    )


@pytest.mark.parametrize(
    ("keys", "selected"),
    [
        ({}, True),
        ({"recipe": "den*"}, True),
        ({"recipe": "Dense"}, False),
        ({"recipe": "dens"}, False),
        ({"versions": "1.0"}, True),
        ({"versions": "<1"}, False),
        ({"versions": ">=1.0rc1"}, True),
        ({"route": "state"}, True),
        ({"route": "h5"}, False),
        ({"path": "other"}, True),
    ],
)
def test_an_entry_selects_goldens_by_recipe_version_and_route(ledger, keys, selected):
    assert entry(ledger, **keys).selects("dense", Version("1.0"), "state") == selected


def test_a_prerelease_is_selected_too(ledger):
    assert entry(ledger).selects("dense", Version("2.0.dev1"), "state")


@pytest.mark.parametrize(
    ("keys", "covered"),
    [
        ({}, True),
        ({"path": "out*"}, True),
        ({"path": "bias"}, False),
        ({"kind": "added"}, True),
        ({"kind": "removed"}, False),
    ],
)
def test_an_entry_covers_findings_by_path_and_kind(ledger, keys, covered):
    assert entry(ledger, **keys).covers(found()) == covered


@pytest.mark.parametrize(
    ("until", "expired"),
    [
        ("2026-01-31", True),
        ("2026-02-01", True),
        ("2026-02-02", False),
        ("1.0", True),
        ("1.1", False),
    ],
)
def test_an_entry_counts_until_its_date_or_version(ledger, until, expired):
    given = entry(ledger, until=until)
    assert given.expired(Version("1.0"), dt.date(2026, 2, 1)) == expired


def test_until_may_be_a_date_of_toml(ledger):
    (only,) = ledger('[[waive]]\nrecipe = "a"\nreason = "r"\nuntil = 2026-02-01\n')
    assert only.expired(Version("1"), dt.date(2026, 2, 1))


@pytest.mark.parametrize(
    ("section", "before", "after"),
    [
        ("waive", Verdict.FAIL, Verdict.WAIVED),
        ("waive", Verdict.ACK, Verdict.WAIVED),
        ("waive", Verdict.NOTE, Verdict.NOTE),
        ("acknowledge", Verdict.ACK, Verdict.ACKNOWLEDGED),
        ("acknowledge", Verdict.FAIL, Verdict.FAIL),
        ("acknowledge", Verdict.NOTE, Verdict.NOTE),
        ("retire", Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_what_a_section_does_to_a_verdict(ledger, section, before, after):
    settled = settle([found(before)], [entry(ledger, section)])
    assert settled.findings[0].verdict is after
    assert settled.used == ((f"{section} 1",) if before is not after else ())


def test_a_waiver_that_nothing_needed_is_idle(ledger):
    waiver = entry(ledger, path="bias")
    assert settle([found()], [waiver]).idle_waivers == (waiver,)
    assert settle([found(path="bias")], [waiver]).idle_waivers == ()


def test_a_failed_load_is_waived_with_the_drift_that_caused_it(ledger):
    load = found(stage="load", kind="raised", path="")
    settled = settle([load, found()], [entry(ledger, path="outpad")])
    assert [f.verdict for f in settled.findings] == [Verdict.WAIVED, Verdict.WAIVED]


def test_a_failed_load_stays_while_one_of_its_causes_does(ledger):
    load = found(stage="load", kind="raised", path="")
    settled = settle([load, found(), found(path="bias")], [entry(ledger, path="outpad")])
    assert settled.findings[0].verdict is Verdict.FAIL


def test_a_failed_load_without_drift_is_not_waived_by_a_path(ledger):
    load = found(stage="load", kind="raised", path="")
    settled = settle([load], [entry(ledger, path="outpad")])
    assert settled.findings[0].verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[waive", "is not valid TOML"),
        ('[[waiv]]\nrecipe = "a"', "unknown key 'waiv' .* did you mean 'waive'"),
        ('[waive]\nrecipe = "a"', r"write each entry under \[\[waive\]\]"),
        ("waive = [1]", r"write each entry under \[\[waive\]\]"),
        ('[[waive]]\nrecipe = "a"', r"\[\[waive\]\] no. 1 of .* has no reason"),
        ('[[waive]]\nrecipe = "a"\nreason = "  "', "has no reason"),
        ('[[waive]]\nrecipe = "a"\nreason = 3', "has no reason"),
        ('[[waive]]\nreason = "r"', "has no recipe"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\npaths = "b"', "unknown key 'paths'"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\npath = ["b"]', "path in .* write it as a text"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\nversions = 1.0', "versions in .* as a text"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\nversions = "x"', "not a version specifier"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\nuntil = "x"', "neither a date nor a version"),
        ('[[waive]]\nrecipe = "a"\nreason = "r"\nuntil = 3', "neither a date nor a version"),
    ],
)
def test_a_bad_ledger_is_refused_with_its_place(ledger, text, said):
    with pytest.raises(LedgerError, match=said):
        ledger(text)


def test_a_ledger_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "ledger.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError, match="cannot be read"):
        read(path)


def test_a_kind_may_be_named_by_its_family(ledger):
    assert entry(ledger, kind="retyped").covers(found(kind="retyped wider"))
    assert not entry(ledger, kind="retyped wider").covers(found(kind="retyped narrower"))


def test_a_kind_that_there_is_none_of_is_refused_with_the_one_that_was_meant(ledger):
    with pytest.raises(LedgerError, match=r"unknown kind 'valu changed' in .*mean 'value ch"):
        entry(ledger, kind="valu changed")
    with pytest.raises(LedgerError, match=r"unknown kind 'x\*'"):
        entry(ledger, kind="x*")
