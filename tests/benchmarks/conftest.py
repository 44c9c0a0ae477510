"""Cases of a tiny library whose releases are wheels in a folder; no network."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from backfill.wheels import stand_ins, wheel
from layerlib import DENSE, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE, RECIPES
from packaging.requirements import Requirement

from benchmarks.incidents.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
#: That of the packages which stand in for NumPy and pytest.
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _dependencies() -> Iterable[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sorted({"numpy", "pytest", *(Requirement(d).name for d in project["dependencies"])})


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mylayers 1.0, 1.1 (the same), 2.0 (a new field, strictly loaded), 3.0 (other outputs)."""
    folder = tmp_path_factory.mktemp("wheels")
    stand_ins(folder, _dependencies())
    sources = {"1.0": DENSE, "1.1": DENSE, "2.0": DENSE_WITH_SCALE, "3.0": DENSE_OTHER_OUTPUTS}
    for version, source in sources.items():
        wheel(folder, "mylayers", version, {"mylayers/__init__.py": source})
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Cases:
    """A folder of cases, and the command that runs them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def add(self, name: str, new: str = "1.1", recipes: str = RECIPES, **keys: object) -> Path:
        """Write a case from 1.0 to ``new``; a key given as None is left out."""
        about = {
            "title": f"mylayers {new}",
            "library": "mylayers",
            "adapter": "numpy",
            "old_python": RUNNING,
            "old_requirements": ["mylayers==1.0"],
            "new_python": RUNNING,
            "new_requirements": [f"mylayers=={new}"],
            "verdict": "compatible",
            "issue": "https://example.org/1",
            **keys,
        }
        folder = self.folder / name
        folder.mkdir()
        text = "".join(f"{k} = {json.dumps(v)}\n" for k, v in about.items() if v is not None)
        (folder / "case.toml").write_text(text)
        (folder / "test_recipe.py").write_text(dedent(recipes))
        return folder

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command; gives its exit code and all that it printed."""
        code = main([*arguments, "--cases", str(self.folder)])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err


@pytest.fixture
def cases(
    tmp_path: Path,
    wheels: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cases:
    for name, value in {
        "CKPTCOMPAT_CACHE": cache,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_FIND_LINKS": wheels,
        "PIP_NO_INDEX": "1",
        "UV_FIND_LINKS": wheels,
        "UV_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, str(value))
    folder = tmp_path / "cases"
    folder.mkdir()
    return Cases(folder, capsys)
