"""Environments are kept between runs, and what a killed run left is not taken for one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ckptcompat.recording import environments

if TYPE_CHECKING:
    from backfill.conftest import Project

WANTED = ["mylayers==1.0"]


@pytest.fixture
def kept(project: Project) -> Path:
    return project.root / "kept"


@pytest.mark.skipif(os.name == "nt", reason="an interpreter is no symbolic link there")
def test_environments_are_shared_by_all_names_of_one_interpreter(kept, tmp_path, monkeypatch):
    made = environments.make(WANTED, None, kept, "pip")
    other = tmp_path / "python-by-another-name"
    other.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(other))
    assert environments.make(WANTED, None, kept, "pip") == made


@pytest.mark.parametrize("left", ['{"requires": []}', "{", "[]", None])
def test_what_a_killed_installation_left_is_made_anew_in_a_folder_of_its_own(kept, left):
    first = environments.make(WANTED, None, kept, "pip")
    marker = first.folder / "ready.json"
    if left is None:
        marker.unlink()
    else:
        marker.write_text(left)
    second = environments.make(WANTED, None, kept, "pip")
    assert second.folder == first.folder
    assert second.python != first.python
    assert second.python.exists()
    assert not first.python.exists()


def test_an_installation_that_fails_leaves_no_environment(kept):
    with pytest.raises(environments.EnvironmentFailedError):
        environments.make(["mylayers==9"], None, kept, "pip")
    assert not list(kept.glob("environments/*/venv*"))
    assert not list(kept.glob("environments/*/ready.json"))
