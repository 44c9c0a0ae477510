"""The command as a whole: help, examples, exit codes, completion."""

from __future__ import annotations

import pytest

from pytest_ckptcompat import cli

NAMES = [module.__name__.rpartition(".")[2].rstrip("_") for module in cli.COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example(name, ckptcompat, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert "example: " in " ".join(capsys.readouterr().out.split())


def test_exit_codes_are_documented(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "exit codes: 0 as asked; 1 something" in " ".join(capsys.readouterr().out.split())


def test_a_mistyped_command_gets_a_suggestion(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["recrod"])
    assert ended.value.code == 2
    assert "there is no command 'recrod'; did you mean 'record'?" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_learns_to_complete_the_command(shell, ckptcompat):
    said = ckptcompat("completion", shell)
    assert said.code == 0
    assert all(name in said.out for name in NAMES)


def test_without_shtab_what_to_install_is_told(ckptcompat, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "shtab", None)
    said = ckptcompat("completion", "bash")
    assert said.code == 2
    assert "pip install 'pytest-ckptcompat[completion]'" in said.err


def test_recording_by_the_command_is_pytests(library, ckptcompat):
    library.install()
    library.recipes()
    said = ckptcompat("record", "--allow-unreleased")
    assert said.code == 0
    assert (library.golden / "1.0.0" / "dense.h5").exists()


def test_tables_are_ascii_where_the_output_is(library, ckptcompat, monkeypatch):
    import io
    import sys

    library.released("1.0.0")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    assert cli.main(["ls"]) == 0
    assert b"mylayers" in raw.getvalue()
