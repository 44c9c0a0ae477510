"""What the ledger says counts, and is held to what it says."""

from __future__ import annotations

import pytest
from layerlib import DENSE, DENSE_DROPPING, DENSE_WITH_SCALE, RECIPES, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"
OLD, NEW = "test_dense[0.9.0-state]", "test_dense[1.0.0-state]"


@pytest.fixture
def breaking(library):
    """The strict loader of the current 1.1.0 takes neither golden."""
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    return library


@pytest.fixture
def dropping(library):
    """The loader of the current 1.1.0 drops ``slope``, with which outputs are right."""
    library.released("1.0.0")
    library.install("1.1.0", DENSE_DROPPING)
    return library


def test_a_break_that_nothing_waives_fails(breaking):
    assert outcomes(breaking.run("-rA")) == {OLD: "failed", NEW: "failed", INTEGRITY: "passed"}


def test_a_waived_break_is_an_expected_failure(breaking):
    breaking.ledger('[[waive]]\nrecipe = "dense"\nreason = "2.0 says so"\n')
    result = breaking.run("-rA")
    assert outcomes(result) == {OLD: "xfail", NEW: "xfail", INTEGRITY: "passed"}
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["mylayers 1.1.0: 2 waived*", "XFAIL * - waived in the ledger: 2.0 says so"]
    )


def test_a_waiver_of_some_versions_leaves_the_others(breaking):
    breaking.ledger('[[waive]]\nrecipe = "dense"\nversions = "<1"\nreason = "old"\n')
    assert outcomes(breaking.run("-rA")) == {OLD: "xfail", NEW: "failed", INTEGRITY: "passed"}


def test_a_waiver_of_the_path_that_broke_counts(breaking):
    breaking.ledger('[[waive]]\nrecipe = "dense"\npath = "scale"\nreason = "why"\n')
    assert outcomes(breaking.run("-rA"))[NEW] == "xfail"


def test_a_waiver_of_another_path_does_not_count(breaking):
    breaking.ledger('[[waive]]\nrecipe = "dense"\npath = "bias"\nreason = "why"\n')
    result = breaking.run("-rA")
    assert outcomes(result)[NEW] == "failed"


def test_a_waiver_where_nothing_breaks_fails(library):
    library.released("1.0.0")
    library.ledger('[[waive]]\nrecipe = "dense"\nreason = "once"\n')
    result = library.run("-rA")
    assert outcomes(result)[NEW] == "failed"
    result.stdout.fnmatch_lines(["[[][[]waive]] no. 1 * waives it (once), but nothing breaks: *"])


def test_an_acknowledgement_does_not_waive_a_break(breaking):
    breaking.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "why"\n')
    assert outcomes(breaking.run("-rA"))[NEW] == "failed"


def test_a_loss_that_nothing_acknowledges_fails(dropping):
    result = dropping.run("-rA")
    assert outcomes(result)[NEW] == "failed"
    result.stdout.fnmatch_lines(["mylayers 1.0.0 -> 1.1.0 | dense * | NEEDS ACKNOWLEDGEMENT"])


def test_an_acknowledged_loss_passes_and_is_counted(dropping):
    dropping.ledger('[[acknowledge]]\nrecipe = "dense"\npath = "slope"\nreason = "it was 1.5"\n')
    result = dropping.run("-rA")
    assert outcomes(result) == {NEW: "passed", INTEGRITY: "passed"}
    assert result.ret == 0
    result.stdout.fnmatch_lines(["mylayers 1.1.0: 1 acknowledged*"])


@pytest.mark.parametrize("until", ["2026-01-31", "1.1.0", "1.0"])
def test_an_entry_past_its_until_fails(dropping, until):
    dropping.ledger(f'[[acknowledge]]\nrecipe = "dense"\nreason = "x"\nuntil = "{until}"\n')
    result = dropping.run("-rA")
    assert outcomes(result)[INTEGRITY] == "failed"
    result.stdout.fnmatch_lines([f"*[[][[]acknowledge]] no. 1 * has expired (until {until}): *"])


@pytest.mark.parametrize("until", ["2999-12-31", "1.2"])
def test_an_entry_before_its_until_counts(dropping, until):
    dropping.ledger(f'[[acknowledge]]\nrecipe = "dense"\nreason = "x"\nuntil = "{until}"\n')
    assert set(outcomes(dropping.run("-rA")).values()) == {"passed"}


@pytest.mark.parametrize("section", ["acknowledge", "waive", "retire"])
def test_an_entry_that_matches_no_golden_fails(library, section):
    library.released("1.0.0")
    library.ledger(f'[[{section}]]\nrecipe = "dence"\nreason = "x"\n')
    result = library.run("-rA")
    assert outcomes(result) == {NEW: "passed", INTEGRITY: "failed"}
    result.stdout.fnmatch_lines(["*no. 1 (recipe 'dence') of *ledger.toml matches no golden: *"])


def unused(result):
    return [line for line in result.stdout.lines if "was needed by nothing in this run" in line]


def test_an_acknowledgement_that_nothing_needed_fails_the_run(library):
    library.released("0.9.0", "1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    result = library.run("-rA")
    assert set(outcomes(result).values()) == {"passed"}
    assert result.ret == 1
    assert len(unused(result)) == 1
    result.stdout.fnmatch_lines(["ERROR: [[][[]acknowledge]] no. 1 (recipe 'dense') of *ledger*"])


def test_a_run_with_q_tells_of_an_unused_entry_too(library):
    library.released("1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    assert unused(library.run("-q"))


@pytest.mark.parametrize(
    "options",
    [
        ["--ckpt-version", "<1"],
        ["-k", "1.0.0"],
        ["test_recipes.py::test_dense[0.9.0-state]"],
        ["--deselect", "test_recipes.py::test_dense[0.9.0-state]"],
        ["-p", "xdist", "-n2", "-k", "1.0.0"],
    ],
    ids=["version", "k", "node id", "deselect", "k under xdist"],
)
def test_an_entry_is_not_judged_by_a_part_of_what_it_selects(library, options):
    library.released("0.9.0", "1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    run = library.run_apart if "xdist" in options else library.run
    result = run(*options)
    assert result.ret == 0
    assert not unused(result)


def test_an_entry_is_not_judged_by_what_failed_last(library):
    library.released("0.9.0", source=DENSE)
    library.released("1.0.0", source=DENSE_WITH_SCALE, recipes=None)
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    assert outcomes(library.run("-rA"))[OLD] == "failed"
    result = library.run("-rA", "--lf")
    assert outcomes(result) == {OLD: "failed"}
    assert not unused(result)


def test_an_entry_is_not_judged_by_one_of_several_files(library):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("dense", "tall"), "test_more.py")
    library.record()
    library.ledger('[[acknowledge]]\nrecipe = "*"\nreason = "once"\n')
    assert not unused(library.run("test_recipes.py"))
    assert unused(library.run())


def test_an_entry_is_not_judged_where_an_item_was_skipped(library):
    library.released("0.9.0", "1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    library.recipe("pytest.skip('no GPU')")
    assert library.run().ret == 0


def test_an_entry_that_one_of_several_goldens_needed_is_used(breaking):
    breaking.ledger('[[waive]]\nrecipe = "dense"\nreason = "all"\n')
    result = breaking.run()
    assert not unused(result)
    assert result.ret == 0


def test_two_workers_use_an_entry_together(library):
    library.released("0.9.0", source=DENSE_WITH_SCALE)
    library.released("1.0.0", source=DENSE_DROPPING, recipes=None)
    library.ledger('[[waive]]\nrecipe = "dense"\nversions = "<1"\nreason = "why"\n')
    result = library.run_apart("-p", "xdist", "-n2", "-rA")
    assert outcomes(result) == {OLD: "xfail", NEW: "passed", INTEGRITY: "passed"}
    assert result.ret == 0


def test_the_ledger_is_not_judged_while_recording(library):
    library.released("1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    library.recipes(RECIPES + RECIPES.replace("dense", "tall"))
    result = library.run("--ckpt-record")
    assert result.ret == 0
    assert not unused(result)


def test_interrupting_a_run_judges_no_entry(library):
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", DENSE.replace("return self.slope *", "return 2 * self.slope *"))
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    result = library.run("-x")
    assert not unused(result)


BAD = {
    "no reason": ('[[waive]]\nrecipe = "dense"\n', "no. 1 of *ledger.toml has no reason: write*"),
    "empty reason": (
        '[[waive]]\nrecipe = "dense"\nreason = " "\n',
        "no. 1 of *ledger.toml has no reason: write reason = ",
    ),
    "no recipe": ('[[waive]]\nreason = "x"\n', "no. 1 of *ledger.toml has no recipe: write*"),
    "TOML": ("[[waive]\n", "ledger.toml is not valid TOML: *"),
    "section": ('[[waiver]]\nreason = "x"\n', "unknown key 'waiver' in *; did you mean 'waive'?"),
    "key": (
        '[[waive]]\nrecipe = "dense"\nreason = "x"\nversion = "<1"\n',
        "unknown key 'version' in [[][[]waive]] no. 1 of *; did you mean 'versions'?",
    ),
    "table": ('[waive]\nrecipe = "dense"\n', "waive in *: write each entry under [[][[]waive]]"),
    "versions": (
        '[[waive]]\nrecipe = "dense"\nreason = "x"\nversions = "old"\n',
        "'old' is not a version specifier",
    ),
    "until": (
        '[[waive]]\nrecipe = "dense"\nreason = "x"\nuntil = "soon"\n',
        "until = 'soon' in * is neither a date nor a version",
    ),
    "number": (
        '[[waive]]\nrecipe = "dense"\nreason = "x"\npath = 3\n',
        "path in [[][[]waive]] no. 1 of * is 3: write it as a text",
    ),
    "versions number": (
        '[[waive]]\nrecipe = "dense"\nreason = "x"\nversions = 1\n',
        "versions in [[][[]waive]] no. 1 of * is 1: write it as a text",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_ledger_fails_with_a_sentence(library, case):
    text, said = BAD[case]
    library.released("1.0.0")
    library.ledger(text)
    result = library.run("-rA")
    assert outcomes(result) == {NEW: "failed", INTEGRITY: "failed"}
    result.stdout.fnmatch_lines([f"*{said}*"])
    assert "Traceback" not in result.stdout.str()
    assert "pytest_ckptcompat/" not in result.stdout.str()


@pytest.mark.parametrize(("pattern", "expected"), [("sl*", "passed"), ("other/*", "failed")])
def test_a_verdict_for_a_path_needs_no_entry(dropping, pattern, expected):
    dropping.configure(f'library = "mylayers"\nverdicts."{pattern}" = {{ removed = "note" }}')
    assert outcomes(dropping.run("-rA"))[NEW] == expected
