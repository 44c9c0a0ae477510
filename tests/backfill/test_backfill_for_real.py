"""Backfill with what only some machines have: other Pythons, a package index, uv, a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_ckptcompat import golden
from pytest_ckptcompat.recording.environments import (
    EnvironmentFailedError,
    find_python,
    make,
)
from pytest_ckptcompat.store import Store

ONE = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()
"""


@pytest.mark.parametrize(
    ("python", "requires"),
    [("3.8", ["numpy==1.17.5", "pytest==7.4.4"]), ("3.13", ["numpy", "pytest"])],
    ids=["oldest", "newest"],
)
def test_the_oldest_and_the_newest_python_record_the_state_of_this_one(
    project, monkeypatch, python, requires
):
    """The real thing: needs that Python, and an index that has them."""
    try:
        find_python(python, shutil.which("uv"))
    except EnvironmentFailedError as error:
        pytest.skip(str(error))
    project.recipes(ONE)
    project.backfill("1.0")
    (project.root / "golden").rename(project.root / "today")
    for name in ("PIP_NO_INDEX", "UV_OFFLINE", "UV_CACHE_DIR", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name)
    project.configure(f"pins = [{{requires = {requires}, python = '{python}'}}]")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, str(only_mylayers(project)))
    code, said = project.backfill("1.0")
    if "cannot be reached" in said:
        pytest.skip("no package index")
    assert code == 0, said
    about = Store(project.root / "golden", "mylayers").release("1.0").provenance
    assert about["python"].startswith(f"{python}.")
    old, new = (
        golden.read(project.root / folder / "mylayers/1.0/dense.h5", sha256=None)
        for folder in ("golden", "today")
    )
    for path, array in old.state.arrays().items():
        assert array.tobytes() == new.state.arrays()[path].tobytes()
    for path, array in old.inputs.arrays().items():
        assert array.tobytes() == new.inputs.arrays()[path].tobytes()


def only_mylayers(project):
    """A folder with the library's wheels, without what stands in for NumPy and pytest."""
    folder = project.root / "wheels"
    folder.mkdir(exist_ok=True)
    for file in project.index.glob("mylayers-*.whl"):
        shutil.copy(file, folder)
    return folder


def test_uv_makes_the_environment_where_it_is_on_the_path(project):
    if shutil.which("uv") is None:
        pytest.skip("there is no uv on PATH")
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 0, said
    made = Path(os.environ["CKPTCOMPAT_CACHE"]).glob("environments/*/venv-*/pyvenv.cfg")
    assert any("\nuv = " in file.read_text() for file in made)
    code, said = project.backfill("9.9")
    assert code == 1
    assert "mylayers==9.9" in said
    code, said = project.backfill("1.4")
    assert code == 1
    assert "nowhere" in said


def test_uv_is_asked_for_though_it_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EnvironmentFailedError, match="there is no uv on PATH: install it"):
        make(["numpy"], None, tmp_path, "uv")


def test_pip_can_be_chosen_where_uv_is_there(project, monkeypatch):
    """A uv that fails whatever it is asked for is not asked."""
    fake = project.root / "bin" / "uv"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'error: uv was asked' >&2\nexit 2\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    # No other test has made an environment there.
    monkeypatch.setenv("CKPTCOMPAT_CACHE", str(project.root / "kept"))
    project.recipes(ONE)
    assert "uv was asked" in project.backfill("1.1")[1]
    project.configure('installer = "pip"')
    code, said = project.backfill("1.1")
    assert code == 0, said


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_shows_a_bar_and_what_is_at_work(project):
    import pty

    project.recipes(ONE.replace("    return", "    import time\n    time.sleep(2)\n    return"))
    main, child = pty.openpty()
    call = "import sys; from pytest_ckptcompat.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", call, "backfill", "mylayers", "--versions", "1.0"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=project.root, stdout=child, env=environment) as process:
        os.close(child)
        said = b""
        try:
            while chunk := os.read(main, 4096):
                said += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(main)
    assert process.returncode == 0
    text = said.decode()
    assert "releases" in text
    assert "0/1" in text
    assert "1.0: recording dense" in text
    assert "1.0: 1 recorded" in text
