"""A project whose library has old releases as wheels in a folder; no network."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from backfill.wheels import stand_ins, wheel
from layerlib import DENSE, DENSE_WITH_SCALE

from pytest_ckptcompat.cli import main
from pytest_ckptcompat.store import Store

if TYPE_CHECKING:
    from pathlib import Path

RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()

@pytest.mark.parametrize("outputs", [2, 4], ids=["two", "four"])
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_wide(outputs):
    return mylayers.Dense(3, outputs)

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_scaled():
    return mylayers.Scaled()

@pytest.mark.ckptcompat(inputs=[(3, 5)], since="1.1")
def test_late():
    return mylayers.Dense()
"""


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: mylayers 1.0 and 1.1, one that calls itself another, one in need."""
    folder = tmp_path_factory.mktemp("index")
    stand_ins(folder)

    def layers(version: str, source: str, says: str = "", requires: tuple[str, ...] = ()) -> None:
        text = f'__version__ = "{says or version}"\n{source}'
        wheel(folder, "mylayers", version, {"mylayers/__init__.py": text}, requires=requires)

    layers("1.0", DENSE)
    layers("1.1", DENSE_WITH_SCALE + "\nScaled = Dense\n")
    layers("1.2", DENSE, says="1.3")
    layers("1.4", DENSE, requires=("nowhere>=7",))
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Project:
    """A checkout of mylayers 2.0 with recipes, in which ckptcompat is run."""

    def __init__(self, root: Path, index: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.index = index
        self._capsys = capsys
        self.configure()
        self.recipes(RECIPES)

    def configure(self, backfill: str = "", library: str = "") -> None:
        """Write pyproject.toml: what stands under [tool.ckptcompat] and its backfill table."""
        (self.root / "pyproject.toml").write_text(
            f'[tool.ckptcompat]\nlibrary = "mylayers"\n{dedent(library)}\n'
            f"[tool.ckptcompat.backfill]\n{dedent(backfill)}\n"
        )

    def recipes(self, text: str) -> None:
        path = self.root / "tests" / "test_recipes.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))

    def backfill(self, versions: str, *more: str) -> tuple[int, str]:
        """Run the command here; gives its exit code and what it printed."""
        code = main(["backfill", "mylayers", "--versions", versions, *more])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def start(self, versions: str) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        call = "import sys; from pytest_ckptcompat.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", call, "backfill", "mylayers", "--versions", versions]
        return subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, text=True)

    def goldens(self) -> dict[str, list[str]]:
        """The names of the goldens by version."""
        releases = Store(self.root / "golden", "mylayers").releases()
        return {release.version: sorted(release.entries) for release in releases}


@pytest.fixture
def project(
    tmp_path: Path,
    index: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    for name, value in {
        "CKPTCOMPAT_CACHE": cache,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_FIND_LINKS": index,
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": cache / "uv",  # the user's has what an index has
        "UV_FIND_LINKS": index,
        "UV_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, index, capsys)
