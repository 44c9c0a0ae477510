"""What a report tells of a run: everything that the terminal tells, and more, as plain data."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from layerlib import DENSE, DENSE_DROPPING, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE, RECIPES

from pytest_ckptcompat.report import report as reports

SCHEMA = json.loads(
    Path(reports.__file__).with_name("report.schema.json").read_text(encoding="utf-8")
)
TWO = RECIPES + RECIPES.replace("dense", "tall")
SHIFTED = DENSE.replace("return self.slope *", "return 1.00001 * self.slope *")


def only(report):
    """The results of the only library."""
    (library,) = report["libraries"]
    return library["results"]


def test_a_run_where_all_is_well_is_told_as_that(library, reported):
    library.released("0.9.0", "1.0.0")
    report = reported()
    assert report["exit"] == 0
    assert report["problems"] == []
    assert [(r["recipe"], r["version"], r["status"]) for r in only(report)] == [
        ("dense", "0.9.0", "passed"),
        ("dense", "1.0.0", "passed"),
    ]


def test_a_failure_has_its_text_its_drift_and_what_to_paste(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    (result,) = only(reported())
    detail = result["detail"]
    assert result["status"] == "failed"
    assert result["text"].startswith("mylayers 1.0.0 -> 1.1.0 | dense | route state | BREAK")
    assert (result["file"], result["line"]) == ("test_recipes.py", 5)
    assert detail["reached"] == ["load", "fields"]
    assert detail["drifts"] == [
        {
            "kind": "added",
            "path": "scale",
            "new_path": "",
            "old": "nothing",
            "new": "(0, 0)",
            "fate": "broken",
            "verdict": "fail",
        }
    ]
    assert any("added(" in line for line in detail["advice"]["code"])
    assert detail["consequence"].startswith("Whoever saved dense with mylayers 1.0.0")
    assert detail["golden"] == "golden/mylayers/1.0.0/dense.h5"
    assert detail["provenance"]["version"] == "1.0.0"


def test_the_loaders_words_are_a_finding_of_the_load(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    (result,) = only(reported())
    (load,) = [finding for finding in result["findings"] if finding["stage"] == "load"]
    assert "expected the fields" in load["text"]


def test_wrong_outputs_come_with_a_grid(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    (result,) = only(reported())
    (grid,) = result["detail"]["grids"]
    assert grid["shape"] == [2, 5]
    assert grid["unit"] == "budgets"
    row, column = grid["worst_cell"]
    assert grid["got"][row][column] == pytest.approx(1.01 * grid["expected"][row][column], rel=1e-3)
    assert grid["error"][row][column] > 8


def test_shifted_outputs_come_with_a_grid_too(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", SHIFTED)
    (result,) = only(reported())
    assert result["status"] == "shifted"
    assert result["detail"]["grids"]


def test_handled_drift_is_told_of_a_golden_that_passes(library, reported):
    library.released("1.0.0")
    lenient = DENSE_WITH_SCALE.replace("if list(state) != list(vars(self)):", "if False:")
    library.install("1.1.0", lenient)
    (result,) = only(reported())
    assert result["status"] == "passed"
    assert [(d["path"], d["fate"]) for d in result["detail"]["drifts"]] == [("scale", "handled")]


def test_one_cause_in_many_goldens_is_one_entry(library, reported):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_WITH_SCALE)
    assert reported()["libraries"][0]["causes"] == [
        {
            "names": ["scale"],
            "kind": "added",
            "goldens": 4,
            "recipes": ["dense", "tall"],
            "versions": ["0.9.0", "1.0.0"],
        }
    ]


def test_the_history_of_the_fields_spans_the_releases(library, reported):
    library.released("0.9.0")
    library.install("1.0.0", DENSE_WITH_SCALE)
    library.record()
    (history,) = reported()["libraries"][0]["histories"]
    spans = {field["path"]: field["spans"] for field in history["fields"]}
    assert history["versions"] == ["0.9.0", "1.0.0"]
    assert spans["weight"] == [{"first": "0.9.0", "last": "1.0.0", "what": "float32 [2, 3]"}]
    assert spans["scale"] == [{"first": "1.0.0", "last": "1.0.0", "what": "(0, 0)"}]


def test_a_newer_golden_is_left_out_and_told(library, reported):
    library.released("0.9.0", "1.0.0")
    library.install("0.9.5")
    report = reported()
    statuses = {result["version"]: result["status"] for result in only(report)}
    assert statuses == {"0.9.0": "passed", "1.0.0": "left out"}
    newer = {r["version"]: r["newer"] for r in report["libraries"][0]["releases"]}
    assert newer == {"0.9.0": False, "1.0.0": True}


def test_a_recipe_that_raises_is_told_as_failed(library, reported):
    library.released("1.0.0")
    library.recipe('raise OSError("no weights")')
    (result,) = only(reported())
    assert (result["recipe"], result["status"]) == ("dense", "failed")
    assert "no weights" in result["text"]


def test_a_fixture_that_raises_is_told_as_failed(library, reported):
    library.released("1.0.0")
    library.recipes(
        RECIPES.replace("def test_dense()", "def test_dense(broken)")
        + "\n@pytest.fixture\ndef broken():\n    raise OSError('no device')\n"
    )
    (result,) = only(reported())
    assert (result["recipe"], result["status"]) == ("dense", "failed")
    assert "no device" in result["text"]


def test_a_skipped_recipe_is_told_with_its_reason(library, reported):
    library.released("1.0.0")
    library.recipe("pytest.skip('no GPU')")
    (result,) = only(reported())
    assert result["status"] == "skipped"
    assert "no GPU" in result["text"]


def test_a_waived_break_is_told_as_waived(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.ledger('[[waive]]\nrecipe = "dense"\nreason = "2.0 says so"\n')
    (result,) = only(reported())
    assert result["status"] == "waived"
    assert result["detail"]["drifts"][0]["verdict"] == "waived"


def test_a_golden_that_was_tampered_with_is_a_problem_and_a_failure(library, reported):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "dense.h5").write_bytes(b"none")
    report = reported()
    assert only(report)[0]["status"] == "failed"
    assert any("dense.h5" in problem for problem in report["problems"])


def test_an_unused_ledger_entry_is_a_problem(library, reported):
    library.released("1.0.0")
    library.ledger('[[acknowledge]]\nrecipe = "dense"\nreason = "once"\n')
    report = reported()
    assert report["exit"] == 1
    assert any("was needed by nothing" in problem for problem in report["problems"])


def stable(report):
    """What does not depend on when and in how many processes it ran."""
    return {key: report[key] for key in ("exit", "libraries", "problems")}


def test_two_workers_give_the_report_of_one_process(library, reported):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    library.ledger('[[waive]]\nrecipe = "tall"\nversions = "<1"\nreason = "why"\n')
    alone = reported()
    shared = reported("-p", "xdist", "-n2", apart=True)
    assert stable(shared) == stable(alone)


def test_a_recipe_that_kills_its_process_is_a_problem(library, reported):
    library.released("1.0.0")
    library.recipe("import os\nos._exit(3)")
    report = reported("-p", "xdist", "-n1", "--max-worker-restart=0", apart=True)
    assert report["exit"] != 0
    assert any("test_dense[1.0.0-state]" in problem for problem in report["problems"])


def test_a_failing_teardown_is_told_beside_the_check(library, reported):
    library.released("1.0.0")
    library.recipes(
        RECIPES.replace("def test_dense()", "def test_dense(leaking)")
        + "\n@pytest.fixture\ndef leaking():\n    yield\n    raise OSError('still open')\n"
    )
    found = only(reported())
    assert sorted(result["status"] for result in found) == ["failed", "passed"]


def test_recording_is_reported_too(library, reported):
    library.recipes()
    library.install()
    (result,) = only(reported("--ckpt-record"))
    assert result["status"] == "recorded"


@pytest.mark.parametrize(
    "source",
    [DENSE, DENSE_WITH_SCALE, DENSE_OTHER_OUTPUTS, DENSE_DROPPING, SHIFTED],
    ids=["passing", "broken", "wrong", "dropping", "shifted"],
)
def test_every_report_fits_the_schema(library, reported, source):
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", source)
    jsonschema.validate(reported(), SCHEMA)


def test_a_report_comes_back_from_json_as_it_was(library, reported):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    data = reported()
    assert json.loads(reports.dumps(reports.read(library.root / "report.json"))) == data
