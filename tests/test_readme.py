"""The README's five minutes, word for word."""

import re
from pathlib import Path

import pytest
from layerlib import LayerLibrary

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL))


@pytest.fixture
def project(pytester, monkeypatch):
    """The README's project, with its library installed."""
    library = LayerLibrary(pytester, monkeypatch)
    for name in ("pyproject.toml", "tests/test_checkpoints.py"):
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FILES[name], encoding="utf-8")
    source = FILES["mylayers/__init__.py"].replace('__version__ = "1.0.0"\n', "")
    library.install("1.0.0", source)
    return library, source


def test_it_names_every_file_that_it_needs():
    assert set(FILES) == {"mylayers/__init__.py", "pyproject.toml", "tests/test_checkpoints.py"}


def test_recording_and_checking_work_as_it_says(project):
    library, _ = project
    library.record("tests/test_checkpoints.py")
    result = library.run("-v")
    result.stdout.fnmatch_lines(
        [
            "tests/test_checkpoints.py::test_dense[[]1.0.0-state] PASSED*",
            "tests/test_checkpoints.py::test_dense_outputs[[]one-1.0.0-state] PASSED*",
            "tests/test_checkpoints.py::test_dense_outputs[[]many-1.0.0-state] PASSED*",
        ],
        consecutive=False,
    )
    result.assert_outcomes(passed=4)


def test_a_new_field_is_caught_as_it_says(project):
    library, source = project
    library.record()
    changed = source.replace('"bias": self.bias}', '"bias": self.bias, "scale": 1.0}')
    assert changed != source
    library.install("1.1.0", changed)
    result = library.run("-k", "test_dense and 1.0.0 and not outputs")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*added; a fresh layer has 1.0*", "*@migrations.step*"])
