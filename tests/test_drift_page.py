"""docs/drift.md: each kind stands there, and its example is what it is said to be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat.config import read
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.kinds import FAMILIES, WORDS, Kind
from pytest_ckptcompat.state import Name, Tree

PAGE = (Path(__file__).parents[1] / "docs" / "drift.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("<!-- kinds -->")[2].partition("\n\n")[0]
ROWS = re.findall(r"^\| `([^`]+)` \| `(\{.*?\})` \| `(\{.*?\})` \|", PAGE, re.MULTILINE)
NAMES = {
    "W": np.arange(6, dtype="float32").reshape(2, 3),
    "V": np.ones((2, 3), "float32"),
    "relu": Name("function", "lib:relu"),
    "tanh": Name("function", "lib:tanh"),
}


def test_every_kind_and_family_stands_there():
    listed = re.findall(r"^\| `([^`]+)` \|", TABLE, re.MULTILINE)
    assert listed == [kind.value for kind in Kind]
    assert re.findall(r"\*\*family `([^`]+)`\*\*", PAGE) == list(FAMILIES)
    for words in WORDS.values():
        assert all(f"`{word}`" in " ".join(PAGE.split()) for word in words)


@pytest.mark.parametrize(("kind", "old", "new"), ROWS)
def test_an_example_is_of_its_kind(kind, old, new):
    found = diff(*(Tree.of(eval(text, NAMES)) for text in (old, new)))
    assert [str(drift.kind) for drift in found] == [kind]


def test_the_verdicts_that_it_shows_can_be_configured(tmp_path):
    (text,) = re.findall(r"<!-- verdicts -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(f'[tool.ckptcompat]\nlibrary = "x"\n{text}')
    library = read(tmp_path).library(None)
    assert library.verdicts == tomllib.loads(text)["tool"]["ckptcompat"]["verdicts"]
