"""What a session imports and opens, and when."""

from __future__ import annotations

import pytest

#: Says at the end of collection and of the run which modules are imported.
WATCHER = """
import sys
import pytest

HEAVY = ("numpy", "h5py", "syrupy", "mylayers")

def loaded():
    return " ".join(name for name in HEAVY if name in sys.modules) or "nothing"

def pytest_collection_finish(session):
    session.config.stash[KEY] = loaded()

def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(f"collection imported {config.stash[KEY]}")
    terminalreporter.write_line(f"the run imported {loaded()}")

KEY = pytest.StashKey()
"""

LAZY = """
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    import mylayers

    return mylayers.Dense()
"""


def test_a_run_without_recipes_imports_nothing_heavy(library):
    library.released("1.0.0")
    library.recipes("def test_plain():\n    pass\n")
    library.pytester.makeconftest(WATCHER)
    result = library.run_apart()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["collection imported nothing", "the run imported nothing"])


def test_a_run_without_recipes_reads_no_configuration(library):
    library.configure("[")
    (library.root / "pyproject.toml").write_text("[tool.ckptcompat]\nunknown = 1\n")
    library.recipes("def test_plain():\n    pass\n")
    result = library.run()
    result.assert_outcomes(passed=1)
    assert "ckptcompat -" not in result.stdout.str()


def test_collecting_recipes_imports_neither_arrays_nor_the_library(library):
    library.released("1.0.0")
    library.recipes(LAZY)
    library.pytester.makeconftest(WATCHER)
    result = library.run_apart()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["collection imported nothing", "the run imported numpy h5py*"])


def test_collect_only_opens_no_golden(library):
    library.released("0.9.0", "1.0.0")
    library.pytester.makeconftest(
        """
        import sys

        def audit(event, arguments):
            if event == "open" and str(arguments[0]).endswith(".h5"):
                raise AssertionError(f"opened {arguments[0]}")

        sys.addaudithook(audit)
        """
    )
    result = library.run_apart("--collect-only", "-q")
    assert result.ret == 0
    assert len([line for line in result.stdout.lines if "::" in line]) == 3


def test_a_golden_without_rights_to_read_it_can_be_collected(library):
    library.released("1.0.0")
    path = library.golden / "1.0.0" / "dense.h5"
    path.unlink()
    path.mkdir()
    result = library.run("--collect-only", "-q")
    assert result.ret == 0


@pytest.mark.parametrize("selected", ["test_plain.py", "-k plain"])
def test_selecting_no_recipe_reads_no_golden(library, selected):
    library.released("1.0.0")
    library.recipes("def test_plain():\n    pass\n", "test_plain.py")
    for path in library.golden.rglob("*.h5"):
        path.write_bytes(b"")
    library.run(*selected.split()).assert_outcomes(passed=1, deselected=2 * ("-k" in selected))
