"""The published schema and the code name the same things, and the schema refuses others."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

import jsonschema
import pytest
from report_samples import hostile, sample

from pytest_ckptcompat.grids import Grid
from pytest_ckptcompat.policy import STAGES, Fate, Finding, Verdict
from pytest_ckptcompat.report import report as reports
from pytest_ckptcompat.report.causes import Cause
from pytest_ckptcompat.report.history import History
from pytest_ckptcompat.report.result import (
    LEFT_OUT,
    SKIPPED,
    STATUSES,
    Advice,
    Detail,
    Result,
    Seen,
)

TEXT = resources.files("pytest_ckptcompat.report").joinpath("report.schema.json").read_text("utf-8")
SCHEMA = json.loads(TEXT)
PARTS = {
    "library": reports.LibraryReport,
    "release": reports.ReleaseFacts,
    "result": Result,
    "finding": Finding,
    "detail": Detail,
    "drift": Seen,
    "advice": Advice,
    "grid": Grid,
    "cause": Cause,
    "history": History,
}


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_the_fields_of_its_class_and_needs_them_all(part):
    names = [field.name for field in dataclasses.fields(PARTS[part])]
    assert sorted(SCHEMA["$defs"][part]["properties"]) == sorted(names)
    assert sorted(SCHEMA["$defs"][part]["required"]) == sorted(names)


def test_enumerations_are_those_of_the_code():
    finding = SCHEMA["$defs"]["finding"]["properties"]
    assert sorted(finding["fate"]["enum"]) == sorted(Fate)
    assert sorted(finding["verdict"]["enum"]) == sorted(Verdict)
    assert finding["stage"]["enum"] == [*STAGES]
    known = SCHEMA["$defs"]["result"]["properties"]["status"]["enum"]
    assert sorted(known) == sorted({*STATUSES, SKIPPED, LEFT_OUT})


@pytest.mark.parametrize("report", [sample(), hostile(sample())], ids=["mild", "hostile"])
def test_a_report_with_everything_in_it_fits(report):
    jsonschema.validate(json.loads(reports.dumps(report)), SCHEMA)


@pytest.mark.parametrize("change", [{"exit": "1"}, {"more": 1}, {"format": 2}, {"libraries": [{}]}])
def test_what_is_no_report_does_not_fit(change):
    data = {**json.loads(reports.dumps(sample())), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)
