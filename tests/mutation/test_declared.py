"""What mutation.toml may say, and what it then means for the score."""

from __future__ import annotations

import pytest

from pytest_ckptcompat.ledger import LedgerError
from pytest_ckptcompat.mutation import declared
from pytest_ckptcompat.mutation.report import Summary
from pytest_ckptcompat.mutation.result import Survivor, Tried

ORDER = Survivor("reorder", "(root)", "of a dict", "no output moves")
ROW = Survivor("element", "weight", "element [0]", "no output moves")
TRIED = [
    Tried(
        *("lib", recipe, version, "state", "2.0", "digest"),
        noticed={"drop": {"load": 3}},
        survivors=(ORDER, ROW) if recipe == "embedding" else (ORDER,),
    )
    for recipe in ("dense", "embedding")
    for version in ("1.9", "1.10")
]
GOLDENS = [(one.recipe, one.version, one.route) for one in TRIED]


@pytest.fixture
def entries(tmp_path):
    def write(text):
        (tmp_path / "mutation.toml").write_text(text, encoding="utf-8")
        return declared.read(tmp_path / "mutation.toml")

    return write


EQUIVALENT = '[[equivalent]]\nmutation = "reorder"\nreason = "by name"\n'
FINDING = '[[finding]]\nmutation = "element"\nrecipe = "emb*"\nreason = "never looked up"\n'


def test_no_file_declares_nothing(tmp_path):
    assert declared.read(tmp_path / "mutation.toml") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[equivalent", "is not valid TOML"),
        ('[[equivalent]]\nmutation = "reorder"', "has no reason: write reason"),
        ('[[equivalent]]\nreason = "x"', "has no mutation: write mutation"),
        (EQUIVALENT.replace("reorder", "shuffle"), "is 'shuffle': it is one of element"),
        (EQUIVALENT.replace("equivalent", "equal"), "unknown key 'equal'"),
        (EQUIVALENT + 'recip = "a"', "did you mean 'recipe'?"),
        (EQUIVALENT + "path = 3", "write it as a text"),
        (EQUIVALENT + 'versions = "new"', "new"),
        ('equivalent = "all"', "write each entry under [[equivalent]]"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(entries, text, said):
    with pytest.raises(LedgerError) as error:
        entries(text)
    assert said in str(error.value)
    assert "mutation.toml" in str(error.value) or "new" in said


def test_without_a_declaration_every_survivor_counts_and_fails():
    summary = Summary("lib", TRIED)
    assert (summary.noticed, summary.total, summary.failed) == (12, 18, True)
    assert [(g.recipe, g.survivor.mutation, g.versions) for g in summary.groups(None)] == [
        ("dense", "reorder", ("1.9", "1.10")),
        ("embedding", "element", ("1.9", "1.10")),
        ("embedding", "reorder", ("1.9", "1.10")),
    ]


def test_an_equivalent_leaves_the_score_and_a_finding_stays_in_it(entries):
    summary = Summary("lib", TRIED, entries(EQUIVALENT + FINDING))
    assert (summary.noticed, summary.total, summary.equivalent) == (12, 14, 4)
    assert summary.groups(None) == []
    assert not summary.failed
    assert next(summary.lines()) == (
        "lib 2.0: 12 of 14 mutations noticed (85.7%), 4 equivalent left out, "
        "2 survivors declared as findings; 4 goldens"
    )
    assert summary.kinds() == {
        "element": {"survived": 2},
        "drop": {"load": 12},
        "reorder": {"equivalent": 4},
    }


def test_a_pattern_narrows_a_declaration(entries):
    summary = Summary("lib", TRIED, entries(EQUIVALENT + 'versions = "<1.10"\nrecipe = "dense"'))
    assert (summary.equivalent, len(summary.groups(None))) == (1, 3)


def test_a_declaration_that_explains_nothing_is_unused(entries):
    found = entries(EQUIVALENT + FINDING.replace("emb*", "dense"))
    assert [str(e) for e in declared.unused(found, GOLDENS, TRIED)] == [
        "[[finding]] no. 1 (mutation 'element', recipe 'dense')"
    ]
    summary = Summary("lib", TRIED, found, found[1:])
    assert summary.failed
    assert "explains nothing that survives: take it out" in list(summary.lines())[-1]


def test_a_declaration_is_not_unused_where_a_golden_it_is_about_was_not_tried(entries):
    found = entries(FINDING.replace("emb*", "dense"))
    assert declared.unused(found, GOLDENS, TRIED[1:]) == []


def test_a_golden_that_fails_fails_the_summary_and_a_waived_one_does_not():
    broken = Tried("lib", "dense", "1.9", "state", problem="it fails as it is")
    waived = Tried("lib", "dense", "1.9", "state", problem="the ledger waives it")
    assert Summary("lib", [broken]).failed
    assert not Summary("lib", [waived]).failed
    assert list(Summary("lib", [waived]).lines())[1] == (
        "  not judged, 1 goldens of dense: the ledger waives it"
    )


def test_the_markdown_has_every_survivor_below_what_explains_it(entries):
    text = "\n".join(Summary("lib", TRIED, entries(FINDING)).markdown())
    first, second = text.index("### Survivors that nothing explains"), text.index("### Finding")
    assert text.index("`(root)` of dense (1.9 to 1.10), reorder, of a dict") in range(first, second)
    assert text.index("`weight` of embedding (1.9 to 1.10), element") > second
    assert "never looked up" in text
