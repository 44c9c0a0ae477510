"""GitHub Actions shows what broke at the recipe's line."""

from __future__ import annotations

import pytest
from layerlib import DENSE_WITH_SCALE, RECIPES


@pytest.fixture
def annotated(library, monkeypatch):
    def run(*options):
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        lines = library.run(*options).stdout.lines
        return [line for line in lines if line.startswith("::")]

    return run


def test_elsewhere_there_is_no_annotation(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    assert "::error" not in library.run().stdout.str()


def test_a_recipe_that_fails_is_annotated_once_at_its_line(library, annotated):
    library.released("0.9.0", "1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    (line,) = annotated("-q")
    place, _, message = line.removeprefix("::error ").partition("::")
    assert place == "file=test_recipes.py,line=5,title=mylayers 1.1.0%3A dense"
    assert message.startswith("goldens of 0.9.0, 1.0.0 fail: scale added%0AWhoever saved dense")


def test_a_run_where_all_passes_is_not_annotated(library, annotated):
    library.released("1.0.0")
    assert annotated() == []


def test_files_are_relative_to_the_checkout(library, annotated, monkeypatch):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(library.root.parent))
    (line,) = annotated()
    assert line.startswith(f"::error file={library.root.name}/test_recipes.py,line=5,")


def test_names_cannot_break_out_of_an_annotation(library, annotated):
    name = "a,b:c%d"
    library.released("1.0.0", recipes=RECIPES.replace("(3, 5)]", f'(3, 5)], name="{name}"'))
    library.install("1.1.0", DENSE_WITH_SCALE)
    (line,) = annotated()
    assert line.count("::") == 2
    assert "title=mylayers 1.1.0%3A a%2Cb%3Ac%25d::" in line


def test_what_is_wrong_with_the_store_is_annotated(library, annotated):
    library.released("1.0.0")
    library.ledger('[[waive]]\nrecipe = "dence"\nreason = "x"\n')
    (line,) = annotated()
    assert line.startswith("::error title=Golden checkpoints::")
    assert "matches no golden" in line
