"""docs/snapshots.md, word for word."""

from __future__ import annotations

import re
from pathlib import Path

from layerlib import DENSE, DENSE_WITH_SCALE

PAGE = (Path(__file__).parents[2] / "docs" / "snapshots.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))

RECIPE = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense(3, 4)
"""


def test_the_page_is_what_happens(project):
    project.root.joinpath("pyproject.toml").write_text(FILES["pyproject.toml"])
    project.install("1.0.0", DENSE)
    project.recipes(RECIPE, "tests/test_checkpoints.py")
    project.recipes(FILES["tests/test_outputs.py"], "tests/test_outputs.py")
    project.record("tests/test_checkpoints.py")
    project.update()
    lock = project.root / "tests/__snapshots__/test_checkpoints/test_dense[fields].fields"
    assert lock.read_text() == FILES["lock"]
    assert project.run().ret == 0
    project.install("1.0.0", DENSE_WITH_SCALE)
    result = project.run("-k", "fields or outputs")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    assert FILES["failure"] in result.stdout.str() + "\n"
