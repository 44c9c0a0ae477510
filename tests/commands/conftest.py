"""The command line, run in this process on a library in a project of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest
from _pytest.pytester import SysModulesSnapshot, SysPathsSnapshot
from layerlib import LayerLibrary

from pytest_ckptcompat import cli


@pytest.fixture
def library(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> LayerLibrary:
    return LayerLibrary(pytester, monkeypatch)


@dataclass
class Said:
    """``code`` is the exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def ckptcompat(pytester, capsys):
    """Run the command as its script does; the modules that it imports are forgotten afterwards."""

    def run(*arguments):
        capsys.readouterr()
        for cached in pytester.path.rglob("__pycache__/*"):
            cached.unlink()  # an edit within a second may leave size and time alike
        modules, paths = SysModulesSnapshot(), SysPathsSnapshot()
        try:
            code = cli.main([str(argument) for argument in arguments])
        finally:
            modules.restore()
            paths.restore()
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def git(pytester, monkeypatch):
    """Git in the project's folder, which is a repository with one commit: all that is there."""
    for key, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "A" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@example.org" for who in ("AUTHOR", "COMMITTER")},
    }.items():
        monkeypatch.setenv(key, value)

    def run(*arguments):
        command = ["git", "-C", str(pytester.path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(message="all"):
        run("add", "-A")
        run("commit", "-q", "-m", message)
        return run("rev-parse", "HEAD").strip()

    run("init", "-q", "-b", "main")
    run.commit = commit
    return run
