"""A saved report is read back, or refused with a sentence that says what is wrong."""

from __future__ import annotations

import json

import pytest
from report_samples import sample

from pytest_ckptcompat.report.report import ReportError, dumps, read

GOOD = {
    "format": 1,
    "tool": "pytest-ckptcompat 1",
    "time": "2026-01-01T00:00:00+00:00",
    "exit": 0,
    "environment": {"python": "3.11"},
    "libraries": [
        {
            "name": "lib",
            "current": "1.0",
            "narrowed": False,
            "releases": [],
            "results": [{"library": "lib", "recipe": "a", "current": "1.0", "status": "passed"}],
            "causes": [],
            "histories": [],
        }
    ],
    "problems": [],
}


def refused(tmp_path, text):
    file = tmp_path / "report.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ReportError) as caught:
        read(file)
    return str(caught.value)


def test_a_good_one_is_read(tmp_path):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(GOOD))
    assert read(file).libraries[0].results[0].recipe == "a"


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ReportError, match="is not there: make one with pytest --ckpt-report"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_what_is_no_json_is_told(tmp_path, text):
    assert "is not valid JSON" in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null", "{}"])
def test_json_of_another_kind_is_told(tmp_path, text):
    assert "is no report of pytest-ckptcompat" in refused(tmp_path, text)


def test_a_newer_format_is_told(tmp_path):
    assert "has the format 7" in refused(tmp_path, json.dumps({**GOOD, "format": 7}))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("exit", "no", "exit is 'no', not int"),
        ("exit", True, "exit is True, not int"),
        ("libraries", {}, "libraries is {}, not a list"),
        ("libraries", [3], "libraries[0] is 3, not an object"),
        ("environment", {"a": 1}, "environment.a is 1, not str"),
        ("libraries", [{**GOOD["libraries"][0], "results": [{}]}], "results[0].library is missing"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(tmp_path, key, value, said):
    assert said in refused(tmp_path, json.dumps({**GOOD, key: value}))


def test_a_status_that_there_is_not_is_told(tmp_path):
    library = {**GOOD["libraries"][0]}
    library["results"] = [{**library["results"][0], "status": "fine"}]
    said = refused(tmp_path, json.dumps({**GOOD, "libraries": [library]}))
    assert "a result of a has the status 'fine'" in said


@pytest.mark.parametrize(
    "change", [{"error": []}, {"got": [[1, 2]]}, {"expected": [[1], [1, 2]]}], ids=str
)
def test_a_grid_that_is_none_is_told(tmp_path, change):
    data = json.loads(dumps(sample()))
    results = data["libraries"][0]["results"]
    grid = next(r["detail"]["grids"][0] for r in results if r["detail"] and r["detail"]["grids"])
    grid |= change
    assert "is not one of rows of equal length" in refused(tmp_path, json.dumps(data))
