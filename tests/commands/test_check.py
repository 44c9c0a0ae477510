"""``ckptcompat check``: the whole store, and what became of it since a git revision."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from layerlib import RECIPES

TWO = (
    RECIPES
    + """
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_wide():
    return mylayers.Dense(3, 4)
"""
)


@pytest.fixture
def released(library):
    """The goldens ``dense`` and ``wide`` of 0.9.0 and 1.0.0, the latter installed."""
    return library.released("0.9.0", "1.0.0", recipes=TWO)


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1))


# The store as it is


def test_a_store_that_fits_is_right(released, ckptcompat):
    said = ckptcompat("check")
    assert said.code == 0, said
    assert "mylayers: 4 goldens of 2 releases, 2 recipes\nnothing is wrong\n" in said.out


def test_machines_get_the_same_as_json(released, ckptcompat):
    (released.golden / "1.0.0" / "dense.h5").unlink()
    said = ckptcompat("check", "--json")
    told = json.loads(said.out)
    assert said.code == 1
    assert told["libraries"] == {"mylayers": {"goldens": 4, "releases": 2, "recipes": 2}}
    assert any("dense.h5" in problem for problem in told["problems"])


def test_it_runs_no_recipe(released, ckptcompat):
    released.recipes(TWO.replace("return", "raise SystemError\n    return"))
    assert ckptcompat("check").code == 0


def test_a_project_without_a_library_is_told_how_to_name_one(library, ckptcompat):
    library.configure("")
    said = ckptcompat("check")
    assert said.code == 2
    assert 'library = "NAME" under [tool.ckptcompat]' in said.err


def test_a_library_without_goldens_fails(library, ckptcompat):
    library.install()
    library.recipes()
    said = ckptcompat("check")
    assert said.code == 1
    assert "holds no golden of mylayers yet" in said.out


def test_a_changed_golden_fails(released, ckptcompat):
    path = released.golden / "0.9.0" / "dense.h5"
    path.write_bytes(path.read_bytes() + b"x")
    said = ckptcompat("check")
    assert said.code == 1
    assert f"{path} is not the file that was recorded" in said.out
    assert said.out.endswith("1 problem\n")


def test_a_lfs_pointer_fails(released, ckptcompat):
    path = released.golden / "0.9.0" / "dense.h5"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    said = ckptcompat("check")
    assert said.code == 1
    assert "git lfs pull" in said.out


def test_a_missing_manifest_fails(released, ckptcompat):
    (released.golden / "0.9.0" / "manifest.json").unlink()
    said = ckptcompat("check")
    assert said.code == 1
    assert "manifest.json is missing" in said.out


def test_a_golden_whose_recipe_is_gone_fails(released, ckptcompat):
    released.recipes(RECIPES)
    said = ckptcompat("check")
    assert said.code == 1
    assert "0.9.0/wide.h5 has no recipe" in said.out
    assert "dense.h5" not in said.out


def test_a_golden_whose_test_file_is_gone_fails(released, ckptcompat):
    released.recipes(RECIPES, file="test_other.py")
    (released.root / "test_recipes.py").unlink()
    said = ckptcompat("check")
    assert said.code == 1
    assert "1.0.0/wide.h5 has no recipe" in said.out


@pytest.mark.parametrize("options", ["-k nothing", "-m slow"])
def test_options_that_select_tests_leave_no_recipe_out(released, ckptcompat, options):
    released.configure('library = "mylayers"', f'addopts = "{options}"\nmarkers = ["slow"]')
    assert ckptcompat("check").code == 0


def test_recipes_outside_of_testpaths_are_found(released, ckptcompat):
    released.recipes("def test_other(): pass", file="tests/test_other.py")
    released.configure('library = "mylayers"\npaths = ["test_recipes.py"]', 'testpaths = ["tests"]')
    assert ckptcompat("check").code == 0


def test_a_retired_recipe_is_no_problem(released, ckptcompat):
    released.recipes(RECIPES)
    released.ledger('[[retire]]\nrecipe = "wide"\nreason = "gone in 2.0"\n')
    assert ckptcompat("check").code == 0


def test_a_ledger_entry_without_a_reason_fails(released, ckptcompat):
    released.ledger('[[waive]]\nrecipe = "dense"\nreason = ""\n')
    said = ckptcompat("check")
    assert said.code == 1
    assert "has no reason" in said.out


def test_a_test_file_that_cannot_be_collected_fails_and_blames_no_golden(released, ckptcompat):
    released.recipes(TWO + "\nimport nowhere\n")
    said = ckptcompat("check")
    assert said.code == 1
    assert "pytest cannot collect test_recipes.py" in said.out
    assert "No module named 'nowhere'" in said.out
    assert "has no recipe" not in said.out


def test_a_skipped_test_file_fails_and_blames_no_golden(released, ckptcompat):
    released.recipes("import pytest\npytest.importorskip('nowhere')\n" + TWO)
    said = ckptcompat("check")
    assert said.code == 1
    assert "pytest skips test_recipes.py" in said.out
    assert "has no recipe" not in said.out


def test_options_that_pytest_refuses_are_told(released, ckptcompat):
    released.configure('library = "mylayers"', 'addopts = "--no-such-option"')
    said = ckptcompat("check")
    assert said.code == 1
    assert "unrecognized arguments: --no-such-option" in said.out


def test_a_folder_of_another_library_is_checked_too(released, ckptcompat):
    shutil.copytree(released.golden, released.golden.parent / "others")
    said = ckptcompat("check")
    assert said.code == 1
    assert "others/0.9.0/manifest.json is of mylayers" in said.out


def test_one_library_can_be_asked_for(released, ckptcompat):
    shutil.copytree(released.golden, released.golden.parent / "others")
    said = ckptcompat("check", "--library", "mylayers")
    assert said.code == 0
    assert "others" not in said.out


def test_a_mistyped_library_is_suggested(released, ckptcompat):
    said = ckptcompat("check", "--library", "mylayer")
    assert said.code == 2
    assert "did you mean 'mylayers'?" in said.err


# Since a revision


@pytest.fixture
def committed(released, git):
    git.commit()
    return released


@pytest.fixture
def since(git, ckptcompat):
    """Check against the first commit."""
    return lambda *more: ckptcompat("check", "--base", "main", *more)


def test_nothing_has_changed_since(committed, since):
    assert since().code == 0


def test_a_new_release_and_new_entries_may_come(committed, since, git):
    third = TWO + "\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\ndef test_third():\n"
    committed.recipes(third + "    return mylayers.Dense(3, 6)\n")
    committed.record()
    committed.install("1.1.0")
    committed.record()
    assert (committed.golden / "1.1.0").is_dir()
    said = since()
    assert said.code == 0, said.out
    git("checkout", "-q", "-b", "more")
    git.commit()
    assert since().code == 0


def test_the_ledger_may_change(committed, since, git):
    committed.ledger('[[retire]]\nrecipe = "wide"\nreason = "one"\n')
    git.commit()
    git("checkout", "-q", "-b", "more")
    committed.recipes(RECIPES)
    committed.ledger('[[retire]]\nrecipe = "wi*"\nreason = "another"\n')
    assert since().code == 0


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "uncommitted"])
def test_a_golden_that_was_replaced_with_its_manifest_fails(committed, since, git, commits):
    git("checkout", "-q", "-b", "more")
    shutil.rmtree(committed.golden / "1.0.0")
    committed.recipes(TWO.replace("Dense(3, 4)", "Dense(3, 7)"))
    committed.record()
    if commits:
        git.commit()
    said = since()
    assert said.code == 1
    assert (
        "golden/mylayers/1.0.0/wide.h5 was changed since main: what a release recorded" in said.out
    )
    assert "the entry of wide in golden/mylayers/1.0.0/manifest.json was changed" in said.out
    assert "the part on wide in golden/mylayers/1.0.0/fields.json was changed" in said.out
    assert "0.9.0" not in said.out


def test_a_deleted_release_is_one_problem(committed, since):
    shutil.rmtree(committed.golden / "0.9.0")
    said = since()
    assert said.code == 1
    assert "golden/mylayers/0.9.0 was deleted since main" in said.out
    assert said.out.endswith("1 problem\n")


def test_a_deleted_release_can_be_restored_as_it_is_told(committed, since, git):
    shutil.rmtree(committed.golden / "0.9.0")
    command = since().out.partition("(git ")[2].partition(")")[0]
    git(*command.split())
    assert since().code == 0


def test_a_golden_that_was_deleted_with_its_entries_fails(committed, since):
    folder = committed.golden / "0.9.0"
    (folder / "wide.h5").unlink()
    edit(folder / "manifest.json", lambda data: data["goldens"].pop("wide"))
    edit(folder / "fields.json", lambda data: data["recipes"].pop("wide"))
    said = since()
    assert said.code == 1
    assert "golden/mylayers/0.9.0/wide.h5 was deleted since main" in said.out
    assert "wide was taken out of golden/mylayers/0.9.0/manifest.json since main" in said.out


def test_a_renamed_golden_fails(committed, since, git):
    git("mv", "golden/mylayers/0.9.0", "golden/mylayers/0.8.0")
    manifest = committed.golden / "0.8.0" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"0.9.0"', '"0.8.0"'))
    said = since()
    assert said.code == 1
    assert "golden/mylayers/0.9.0 was deleted since main" in said.out


def test_a_changed_provenance_fails(committed, since):
    manifest = committed.golden / "0.9.0" / "manifest.json"
    edit(manifest, lambda data: data["provenance"].update(numpy="1.0"))
    said = since()
    assert said.code == 1
    assert "provenance in golden/mylayers/0.9.0/manifest.json was changed since main" in said.out


def test_another_layout_of_an_index_is_no_change(committed, since):
    manifest = committed.golden / "0.9.0" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()), indent=4))
    assert since().code == 0


def test_what_could_not_be_recorded_may_be_later(committed, since, git):
    manifest = committed.golden / "0.9.0" / "manifest.json"
    edit(manifest, lambda data: data["refused"].update(third="raised"))
    git.commit()
    git("checkout", "-q", "-b", "more")
    edit(manifest, lambda data: data["refused"].clear())
    assert since().code == 0


def test_a_golden_of_a_development_version_may_go(library, since, git, ckptcompat):
    library.released("1.0.0", recipes=TWO)
    library.install("1.1.0.dev1")
    library.record("--ckpt-allow-unreleased")
    git.commit()
    shutil.rmtree(library.golden / "1.1.0.dev1")
    assert since().code == 0


def test_goldens_that_came_to_the_base_later_are_not_missed(committed, git, ckptcompat):
    git("checkout", "-q", "-b", "more")
    git("checkout", "-q", "main")
    committed.install("1.1.0")
    committed.record()
    git.commit()
    git("checkout", "-q", "more")
    assert ckptcompat("check", "--base", "main").code == 0


def test_a_file_that_no_manifest_names_may_go(committed, since, git):
    stray = committed.golden / "0.9.0" / "stray.txt"
    stray.write_text("x")
    git.commit()
    stray.unlink()
    assert since().code == 0


def test_one_librarys_changes_can_be_asked_for(committed, since, git):
    shutil.copytree(committed.golden, committed.golden.parent / "others")
    git.commit()
    shutil.rmtree(committed.golden.parent / "others" / "0.9.0")
    assert since("--library", "mylayers").code == 0


def test_an_unknown_revision_is_told(committed, ckptcompat):
    said = ckptcompat("check", "--base", "nope")
    assert said.code == 2
    assert "--base nope: git knows no such revision" in said.err


def test_an_option_is_no_revision(committed, ckptcompat):
    said = ckptcompat("check", "--base=--all")
    assert said.code == 2
    assert "git knows no such revision" in said.err


def test_a_project_outside_of_git_is_told(released, ckptcompat, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(released.root.parent))
    said = ckptcompat("check", "--base", "main")
    assert said.code == 2
    assert "is in no git repository" in said.err


def test_a_shallow_clone_is_told_to_fetch(committed, git, ckptcompat, monkeypatch, tmp_path):
    first = git("rev-parse", "HEAD").strip()
    git("commit", "-q", "--allow-empty", "-m", "second")
    clone = tmp_path / "clone"
    url = committed.root.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, str(clone)], check=True)
    monkeypatch.chdir(clone)
    said = ckptcompat("check", "--base", first)
    assert said.code == 2
    assert "shallow clone" in said.err
    assert "git fetch --unshallow" in said.err
