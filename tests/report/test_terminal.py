"""The end of a run on a terminal: a matrix, causes, and no page that repeats another."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from layerlib import DENSE, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE, RECIPES

from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.report.summary import wrapped
from pytest_ckptcompat.report.table import MAX_ROWS, table

TWO = RECIPES + RECIPES.replace("dense", "tall")


def drawn(results, width=80):
    return ["".join(text for text, _ in line) for line in table(results, width)]


def test_recipes_that_were_not_selected_are_not_said_to_pass():
    found = drawn([result("a", "1.0", "failed"), result("b", "2.0", "left out")])
    assert not [line for line in found if "all passed" in line]


def test_on_a_terminal_sentences_are_broken_between_words():
    matrix = [("  a" * 40, ""), ("failed", "failed")]
    found = list(wrapped([[("  " + "word " * 30, "")], matrix], 60))
    lines = ["".join(text for text, _ in line) for line in found]
    assert all(len(line) <= 60 for line in lines[:-1])
    assert " ".join(lines[:-1]).split() == ["word"] * 30
    assert found[-1] == matrix


def result(recipe, version, status="passed", route="state"):
    return Result("lib", recipe, "9.9", status, version, route)


def test_a_run_where_all_passes_has_no_matrix():
    assert drawn([result("a", "1.0"), result("b", "1.0", "new")]) == []


def test_what_failed_stands_in_a_row_and_what_passed_is_counted():
    found = drawn([result("a", "1.0", "failed"), result("a", "2.0"), result("b", "2.0")])
    assert found == [
        "     1.0     2.0",
        "  a  failed  passed",
        "  1 more recipe: all passed",
    ]


def test_versions_that_look_alike_share_a_column():
    goldens = [result("a", f"1.{n}", "failed" if n < 7 else "passed") for n in range(9)]
    assert drawn(goldens)[0].split("  ") == ["", "", " 1.0 to 1.6", "1.7 to 1.8"]


def test_versions_are_in_the_order_of_versions():
    found = drawn([result("a", "0.10", "failed"), result("a", "0.9"), result("a", "0.10.post1")])
    assert found[0].split() == ["0.9", "0.10", "0.10.post1"]


def test_of_several_routes_the_worst_is_shown():
    found = drawn([result("a", "1.0"), result("a", "1.0", "failed", "h5")])
    assert found[1].split() == ["a", "failed"]


def test_many_columns_are_signs_in_blocks_that_fit_with_a_legend():
    goldens = [result("a", f"1.{n}", "failed" if n % 2 else "passed") for n in range(30)]
    found = drawn(goldens)
    assert all(len(line) <= 80 for line in found)
    assert found[-1] == "  F failed  . passed  "
    shown = [head for line in found for head in line.split() if head.startswith("1.")]
    assert shown == [f"1.{n}" for n in range(30)]


def test_columns_beyond_some_blocks_are_named_and_left_to_the_report():
    goldens = [result("a", f"1.{n}", "failed" if n % 2 else "passed") for n in range(90)]
    found = drawn(goldens)
    assert found[0].endswith("do not fit: see --ckpt-report")
    assert "1.89" in " ".join(found)


def test_rows_beyond_a_screen_are_counted():
    found = drawn([result(f"r{n:03}", "1.0", "failed") for n in range(MAX_ROWS + 7)])
    assert "  ... and 7 more recipes: see --ckpt-report" in found


def test_a_name_stays_on_its_line_and_keeps_its_end():
    found = drawn([result("x" * 60 + "\n\x1b[31m-last", "1.0", "failed")])
    assert len(found) == 2
    assert "-last" in found[1]
    assert "\x1b" not in found[1]


def test_the_matrix_tells_goldens_that_were_left_out(library):
    library.released("0.9.0", "1.0.0")
    library.install("0.9.5", DENSE_WITH_SCALE)
    result = library.run()
    result.stdout.fnmatch_lines(["         0.9.0   1.0.0", "  dense  failed  left out"])


def failures(result):
    """The text of each failure by the name of its item."""
    found, name = {}, ""
    for line in result.stdout.lines:
        if line.startswith("____"):
            name = line.strip("_ ")
            found[name] = []
        elif "- ckptcompat -" in line:
            break
        elif name:
            found[name].append(line)
    return found


def test_one_cause_is_told_by_the_newest_golden_and_else_by_name(library):
    library.released("0.8.0", "0.9.0", "1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    found = failures(library.run("-k", "dense"))
    assert found["test_dense[0.8.0-state]"] == [
        "mylayers 0.8.0 -> 1.1.0 | dense | route state | BREAK",
        "  the same as test_dense[1.0.0-state]: scale added (-v shows it in full)",
        "  golden/mylayers/0.8.0/dense.h5, recipe at test_recipes.py:5",
    ]
    assert len(found["test_dense[0.9.0-state]"]) == 3
    assert len(found["test_dense[1.0.0-state]"]) > 8


def test_every_recipe_is_told_in_full_once(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_WITH_SCALE)
    found = failures(library.run())
    assert len(found["test_dense[1.0.0-state]"]) > 8
    assert len(found["test_tall[1.0.0-state]"]) > 8


def test_more_recipes_than_fit_are_told_by_name(library):
    names = [f"layer{n}" for n in range(8)]
    library.released("1.0.0", recipes="".join(RECIPES.replace("dense", name) for name in names))
    library.install("1.1.0", DENSE_WITH_SCALE)
    found = failures(library.run())
    long = [name for name, lines in found.items() if len(lines) > 8]
    assert long == [f"test_layer{n}[1.0.0-state]" for n in range(5)]
    assert "the same as test_layer0[1.0.0-state]" in found["test_layer7[1.0.0-state]"][1]


def test_wrong_outputs_of_other_recipes_are_not_the_same(library):
    library.released("1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    assert all(len(lines) > 8 for lines in failures(library.run()).values())


def test_v_tells_every_failure_in_full(library):
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    assert all(len(lines) > 8 for lines in failures(library.run("-v")).values())


def test_junit_has_every_failure_in_full(library):
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.run("--junitxml", "junit.xml")
    failures = list(ET.parse(library.root / "junit.xml").iter("failure"))
    assert len(failures) == 2
    assert all("Whoever saved dense with mylayers" in failure.text for failure in failures)


def test_quiet_runs_have_no_matrix(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    assert "- ckptcompat -" not in library.run("-q").stdout.str()


def test_a_note_that_many_goldens_have_is_one_line(library):
    drawn_scale = "        self.scale = np.arange(4.0) ** 2\n        vars(self).update(more)"
    library.released("0.9.0", "1.0.0")
    source = DENSE.replace("        vars(self).update(more)", drawn_scale)
    source = source.replace("if list(state) != list(vars(self)):", "if False:")
    library.install("1.1.0", source)
    lines = [line for line in library.run().stdout.lines if "cannot be known" in line]
    assert len(lines) == 1
    assert lines[0].endswith("(2 goldens)")


@pytest.mark.parametrize(
    ("options", "colour", "coloured"),
    [(["--color=yes"], None, True), ([], None, False), ([], "NO_COLOR", False)],
    ids=["asked for", "no terminal", "NO_COLOR"],
)
def test_colours_are_where_pytest_has_them(library, monkeypatch, options, colour, coloured):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    if colour:
        monkeypatch.setenv(colour, "1")
        monkeypatch.setenv("FORCE_COLOR", "")
    text = library.run(*options).stdout.str()
    assert ("\x1b[31m\x1b[1mfailed" in text) == coloured


def test_a_terminal_that_knows_ascii_alone_gets_ascii(library, monkeypatch):
    library.released("1.0.0", recipes=RECIPES.replace("test_dense", "test_dänse_σ"))
    library.install("1.1.0", DENSE_WITH_SCALE.replace("self.scale", "self.σ"))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    result = library.run_apart()
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert result.stdout.str().isascii()
