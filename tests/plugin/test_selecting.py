"""Choosing what runs: pytest's own ways, and --ckpt-version."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from layerlib import DENSE_WITH_SCALE, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"

TWO = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_tall():
    return mylayers.Dense(3, 7)

def test_plain():
    pass
"""


def test_k_selects_by_version(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    assert outcomes(library.run("-rA", "-k", "dense and 1.0.0")) == {
        "test_dense[1.0.0-state]": "passed"
    }


def test_k_integrity_selects_the_integrity_item(library):
    library.released("1.0.0", recipes=TWO)
    assert outcomes(library.run("-rA", "-k", "integrity")) == {INTEGRITY: "passed"}


def test_m_selects_recipes(library):
    library.released("1.0.0", recipes=TWO)
    found = outcomes(library.run("-rA", "-m", "ckptcompat"))
    assert {"test_dense[1.0.0-state]", "test_tall[1.0.0-state]"} <= set(found)
    assert "test_plain" not in found


def test_a_node_id_selects_one_golden(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    node = "test_recipes.py::test_dense[0.9.0-state]"
    assert outcomes(library.run("-rA", node)) == {"test_dense[0.9.0-state]": "passed"}


def test_a_node_id_without_brackets_selects_a_recipe(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    assert outcomes(library.run("-rA", "test_recipes.py::test_dense")) == {
        "test_dense[0.9.0-state]": "passed",
        "test_dense[1.0.0-state]": "passed",
    }


def test_a_node_id_selects_the_integrity_item(library):
    library.released("1.0.0", recipes=TWO)
    assert outcomes(library.run("-rA", f"test_recipes.py::{INTEGRITY}")) == {INTEGRITY: "passed"}


def test_collect_only_lists_the_items(library):
    library.released("1.0.0", recipes=TWO)
    result = library.run("--collect-only", "-q")
    assert [line for line in result.stdout.lines if "::" in line] == [
        "test_recipes.py::test_dense[1.0.0-state]",
        f"test_recipes.py::{INTEGRITY}",
        "test_recipes.py::test_tall[1.0.0-state]",
        "test_recipes.py::test_plain",
    ]
    assert result.ret == 0


def test_lf_runs_what_failed(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.released("1.1.0", source=DENSE_WITH_SCALE, recipes=None)
    assert library.run().parseoutcomes() == {"failed": 4, "passed": 4}
    assert outcomes(library.run("-rA", "--lf")) == {
        f"test_{name}[{version}-state]": "failed"
        for name in ("dense", "tall")
        for version in ("0.9.0", "1.0.0")
    }


def test_lf_runs_a_failed_integrity_item_alone(library):
    library.released("1.0.0", recipes=TWO)
    stray = library.golden / "1.0.0" / "stray.h5"
    stray.write_bytes(b"")
    library.run()
    assert outcomes(library.run("-rA", "--lf")) == {INTEGRITY: "failed"}
    stray.unlink()
    assert outcomes(library.run("-rA", "--lf")) == {INTEGRITY: "passed"}


def test_it_works_without_the_cache(library):
    library.released("1.0.0")
    library.run("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_junit_names_version_and_route(library):
    library.released("1.0.0")
    library.run("--junitxml=report.xml")
    cases = ET.parse(library.root / "report.xml").iter("testcase")
    assert [case.get("name") for case in cases] == ["test_dense[1.0.0-state]", INTEGRITY]


def test_ckpt_version_narrows_and_the_summary_says_so(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    result = library.run("-rA", "--ckpt-version", "<1")
    assert outcomes(result) == {
        "test_dense[0.9.0-state]": "passed",
        "test_tall[0.9.0-state]": "passed",
        "test_plain": "passed",
        INTEGRITY: "passed",
    }
    result.stdout.fnmatch_lines(["mylayers 1.0.0: 2 passed, narrowed by --ckpt-version*"])


def test_a_bare_version_stands_for_itself(library):
    library.released("0.9.0", "1.0.0")
    found = outcomes(library.run("-rA", "--ckpt-version", "0.9.0"))
    assert found == {"test_dense[0.9.0-state]": "passed", INTEGRITY: "passed"}


def test_a_bad_version_specifier_is_a_usage_error(library):
    library.released("1.0.0")
    result = library.run("--ckpt-version", "newest")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --ckpt-version: 'newest' is not a version specifier: write *"]
    )


def test_a_specifier_that_matches_no_golden_fails(library):
    library.released("0.9.0", "1.0.0")
    result = library.run("--ckpt-version", ">=7")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*--ckpt-version >=7 leaves no golden to check; there are 0.9.0, 1.0.0*"]
    )


def test_two_workers_give_the_outcomes_of_one_process(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_WITH_SCALE)
    alone = library.run("-rA")
    shared = library.run_apart("-p", "xdist", "-n2", "-rA")
    assert shared.ret == alone.ret == 1
    assert outcomes(shared) == outcomes(alone)
    assert summary(shared) == summary(alone)


def summary(result):
    start = next(i for i, line in enumerate(result.stdout.lines) if "- ckptcompat -" in line)
    return [line for line in result.stdout.lines[start:] if line.startswith(("mylayers", "ERROR"))]


def test_two_workers_judge_the_ledger_as_a_whole(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.ledger('[[acknowledge]]\nrecipe = "*"\nreason = "none"\n')
    result = library.run_apart("-p", "xdist", "-n2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: [[][[]acknowledge]] no. 1 * was needed by nothing in*"])


def test_recording_refuses_several_processes(library):
    library.recipes()
    library.install()
    result = library.run_apart("-p", "xdist", "-n2", "--ckpt-record")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --ckpt-record cannot run under xdist*"])
    assert not library.golden.exists()


def test_recording_runs_where_xdist_is_told_to_use_no_workers(library):
    library.recipes()
    library.install()
    assert library.run_apart("-p", "xdist", "-n0", "--ckpt-record").ret == 0


def test_goldens_can_lie_elsewhere(library):
    library.released("1.0.0")
    (library.root / "golden").rename(library.root / "elsewhere")
    library.run("--ckpt-golden", "elsewhere").assert_outcomes(passed=2)
