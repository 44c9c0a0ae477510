"""``ckptcompat report``: other forms of a report that was saved as JSON."""

from __future__ import annotations

import pytest
from report_samples import sample

from pytest_ckptcompat.report.report import dumps, read


@pytest.fixture
def saved(library):
    file = library.root / "ckpt.json"
    file.write_text(dumps(sample()), encoding="utf-8")
    return file


def test_it_becomes_every_form_that_is_asked_for(saved, ckptcompat):
    folder = saved.parent / "out"
    files = [folder / f"a{ending}" for ending in (".html", ".md", ".json")]
    said = ckptcompat("report", saved, *(part for file in files for part in ("-o", file)))
    assert said.code == 0
    assert files[0].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert files[1].read_text(encoding="utf-8").startswith("## Checkpoints: ")
    assert read(files[2]) == read(saved)


def test_without_an_output_it_is_shown_as_the_run_showed_it(saved, ckptcompat):
    said = ckptcompat("report", saved)
    assert said.code == 0
    assert said.out.startswith("lib 2.0: ")
    assert "1 newer goldens left out" in said.out
    assert "conv.h5 was changed" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.json"], "none.json is not there: make one with pytest --ckpt-report FILE.json"),
        (["ckpt.json", "-o", "a.pdf"], "a.pdf: a report's form is told by the ending"),
        (["bad.json"], "bad.json is no report of pytest-ckptcompat: tool is missing"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(saved, ckptcompat, arguments, words):
    (saved.parent / "bad.json").write_text('{"format": 1}')
    said = ckptcompat("report", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("ckptcompat: ")
    assert words in said.err
