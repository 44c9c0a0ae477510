"""``--ckpt-report``: which files, what is refused before the run, what is told after it."""

from __future__ import annotations

import json

import pytest
from layerlib import DENSE_WITH_SCALE


def test_several_files_have_the_forms_of_their_endings(library):
    library.released("1.0.0")
    library.run("--ckpt-report", "a.json", "--ckpt-report", "out/b.md")
    assert json.loads((library.root / "a.json").read_text())["format"] == 1
    assert (library.root / "out" / "b.md").read_text().startswith("## Checkpoints: ")


def test_the_end_of_the_run_names_the_files(library):
    library.released("1.0.0")
    library.run("--ckpt-report", "a.json").stdout.fnmatch_lines(["report: *a.json"])


@pytest.mark.parametrize("name", ["report", "report.xml", "report.JSON.txt", ".json"])
def test_another_ending_is_refused_before_the_run(library, name):
    library.released("1.0.0")
    result = library.run("--ckpt-report", name)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: --ckpt-report *{name}: a report's form is told by*"])
    assert "collected" not in result.stdout.str()


def test_a_folder_is_refused_before_the_run(library):
    (library.root / "reports.json").mkdir()
    result = library.run("--ckpt-report", "reports.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --ckpt-report *reports.json is a folder: *"])


def test_a_file_in_place_of_a_folder_is_refused_before_the_run(library):
    (library.root / "taken").write_text("a file, where a folder would have to be")
    result = library.run("--ckpt-report", "taken/report.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["*taken/report.json cannot be written, since *taken is no folder*"]
    )


def test_a_file_that_cannot_be_written_fails_the_run_with_a_sentence(library):
    library.released("1.0.0")
    library.recipe("from pathlib import Path\nPath('out').touch()\nreturn mylayers.Dense()")
    result = library.run("--ckpt-report", "out/report.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR: *out/report.json cannot be written*"])
    assert "Traceback" not in result.stdout.str()


def test_only_collecting_writes_no_report(library):
    library.released("1.0.0")
    library.run("--collect-only", "--ckpt-report", "a.json")
    assert not (library.root / "a.json").exists()


def test_a_run_without_recipes_writes_a_report_that_says_so(library):
    library.recipes("def test_nothing():\n    pass\n")
    library.run("--ckpt-report", "a.json", "--ckpt-report", "a.md")
    assert json.loads((library.root / "a.json").read_text())["libraries"] == []
    assert "## Checkpoints: none checked" in (library.root / "a.md").read_text()


def test_the_step_summary_is_appended_to_where_it_is_asked_for(library, monkeypatch):
    library.released("1.0.0")
    summary = library.root / "step.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    library.run()
    assert summary.read_text() == "before\n"
    library.run("--ckpt-step-summary")
    assert summary.read_text().startswith("before\n## Checkpoints: 1 check, none failed")


def test_outside_of_github_there_is_no_step_summary_to_append_to(library):
    library.released("1.0.0")
    assert library.run("--ckpt-step-summary").ret == 0


def test_junit_properties_tell_what_was_checked_and_what_broke(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.run("--junitxml", "junit.xml")
    xml = (library.root / "junit.xml").read_text()
    for name, value in {
        "library": "mylayers",
        "recipe": "dense",
        "version": "1.0.0",
        "route": "state",
        "current": "1.1.0",
        "status": "failed",
        "stages": "load,fields",
        "drift": "raised; scale added",
    }.items():
        assert f'<property name="ckptcompat_{name}" value="{value}"' in xml
