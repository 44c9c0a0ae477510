"""``lock = true``: each recipe's field tree against its snapshot."""

from __future__ import annotations

import sys

import pytest
from layerlib import DENSE, DENSE_WITH_SCALE, outcomes

LOCK = "__snapshots__/test_recipes/test_dense[fields].fields"

TWO = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
@pytest.mark.parametrize("n", [2, 7], ids=["two", "many"])
def test_dense(n):
    return mylayers.Dense(n_out=n)

@pytest.mark.ckptcompat(inputs=[(3, 5)])
class TestLayers:
    def test_tall(self):
        return mylayers.Dense(3, 9)
"""

ARRAYS = """
import numpy as np
import pytest

@pytest.mark.parametrize("n", range(3))
def test_array(n, ckpt_snapshot):
    assert ckpt_snapshot == np.arange(n)
"""

#: A layer that does not build.
BROKEN = DENSE.replace("rng = np", "raise RuntimeError('no device'); rng = np")


@pytest.fixture
def locked(project):
    """The golden of one release, and the field tree as it is locked."""
    project.released("1.0.0")
    project.update()
    return project


def test_without_the_key_no_item_is_added(project):
    project.configure('library = "mylayers"')
    project.released("1.0.0")
    assert "test_dense[fields]" not in project.run("-rA").stdout.str()


def test_the_first_run_fails_and_names_the_file_to_commit(project):
    project.released("1.0.0")
    result = project.run("-rA")
    assert outcomes(result)["test_dense[fields]"] == "failed"
    assert outcomes(result)["test_dense[1.0.0-state]"] == "passed"
    result.stdout.fnmatch_lines(["*not locked yet: write */test_dense[[]fields].fields with*"])


def test_an_update_writes_one_line_for_each_field(locked):
    assert (locked.root / LOCK).read_text().splitlines() == [
        "# dense of mylayers",
        "/: dict",
        "weight: float32[2, 3]",
        "bias: float32[2]",
        "slope = 1.5",
    ]


def test_the_same_fields_pass(locked):
    result = locked.run("-rA")
    assert result.ret == 0
    assert outcomes(result)["test_dense[fields]"] == "passed"


def test_a_new_field_fails_in_words_and_says_how_to_accept_it(locked):
    locked.install("1.0.0", DENSE_WITH_SCALE)
    result = locked.run("-k", "fields")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            f"the fields are not those of {LOCK.replace('[', '[[]')}",
            "  + scale   added; it is (0, 0)",
            "*accept it with pytest --snapshot-update*",
        ]
    )


def test_a_recipe_without_any_golden_is_locked_all_the_same(project):
    project.install("1.0.0")
    project.recipes()
    project.update("-k", "fields")
    project.install("1.0.0", DENSE_WITH_SCALE)
    result = outcomes(project.run("-rA", "-k", "dense"))
    assert result == {"test_dense[new]": "passed", "test_dense[fields]": "failed"}


def test_an_update_accepts_the_change(locked):
    locked.install("1.0.0", DENSE_WITH_SCALE)
    locked.update("-k", "fields")
    assert "scale = (0, 0)" in (locked.root / LOCK).read_text()
    assert locked.run("-k", "fields").ret == 0


def test_an_update_of_unchanged_fields_writes_nothing(locked):
    before = (locked.root / LOCK).stat().st_mtime_ns
    locked.update()
    assert (locked.root / LOCK).stat().st_mtime_ns == before


def test_a_snapshot_that_another_recipe_wrote_is_not_taken_for_this_ones(locked):
    path = locked.root / LOCK
    path.write_text(path.read_text().replace("# dense of", "# tall of"))
    result = locked.run("-k", "fields")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["  - # tall of mylayers", "  + # dense of mylayers"])


def test_parameters_and_classes_have_a_file_each(project):
    project.released("1.0.0", recipes=TWO)
    project.update()
    folder = "__snapshots__/test_recipes/"
    assert set(project.stored()) == {
        f"{folder}test_dense[two-fields].fields",
        f"{folder}test_dense[many-fields].fields",
        f"{folder}TestLayers.test_tall[fields].fields",
    }


def test_ids_that_no_file_can_have_are_locked_without_a_warning(project):
    odd = TWO.replace('"two", "many"', '"1/2", "a:b"')
    project.released("1.0.0", recipes=odd)
    project.update("-W", "error")
    assert len(project.stored()) == 3
    project.recipes(odd.replace("n_out=n", "n_out=n + 1"))
    result = project.run("-W", "error", "-rA", "-k", "fields")
    assert {name: outcome for name, outcome in outcomes(result).items() if "dense" in name} == {
        "test_dense[1/2-fields]": "failed",
        "test_dense[a:b-fields]": "failed",
    }


def test_two_recipes_that_syrupy_gives_one_file_do_not_both_pass(project):
    project.released("1.0.0", recipes=TWO.replace('"two", "many"', '"12", "1/2"'))
    project.run("--snapshot-update")
    result = outcomes(project.run("-rA", "-k", "dense and fields"))
    assert sorted(result.values()) == ["failed", "passed"]


def test_only_collecting_lists_the_item_and_changes_nothing(locked):
    before = locked.stored()
    result = locked.run("--collect-only", "-q")
    result.stdout.fnmatch_lines(["test_recipes.py::test_dense[[]fields]"])
    assert locked.stored() == before


def test_k_selects_the_items(locked):
    assert outcomes(locked.run("-rA", "-k", "fields")) == {"test_dense[fields]": "passed"}


def test_not_selecting_the_items_makes_no_snapshot_unused(locked):
    result = locked.run("-k", "not fields")
    assert result.ret == 0
    assert "snapshot unused" not in result.stdout.str()


def test_an_update_of_something_else_deletes_no_lock(locked):
    before = locked.stored()
    locked.update("-k", "not fields")
    assert locked.stored() == before


def test_a_lock_whose_recipe_is_gone_is_unused(project):
    project.released("1.0.0", recipes=TWO)
    project.update()
    project.recipes()
    project.run().stdout.fnmatch_lines(["*3 snapshots unused*"])


def test_an_update_deletes_the_lock_whose_recipe_is_gone_and_no_other(project):
    project.released("1.0.0", recipes=TWO)
    project.update()
    project.recipes(TWO.replace('"many"', '"lots"'))
    project.run("--snapshot-update")
    assert {path.rpartition("/")[2] for path in project.stored()} == {
        "test_dense[two-fields].fields",
        "test_dense[lots-fields].fields",
        "TestLayers.test_tall[fields].fields",
    }


def test_a_recipe_that_raises_fails_with_its_traceback(locked):
    locked.install("1.0.0", BROKEN)
    result = locked.run("-k", "fields")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E*RuntimeError: no device"])


def test_an_update_keeps_the_lock_of_a_recipe_that_raises(locked):
    before = locked.stored()
    locked.install("1.0.0", BROKEN)
    assert locked.run("--snapshot-update").ret == 1
    assert locked.stored() == before


def test_an_update_keeps_the_lock_of_what_is_no_recipe(locked):
    before = locked.stored()
    locked.recipe(mark="inputs=[(3, 5)], sinse=1").rename(locked.root / "test_recipes.py")
    result = locked.run("--snapshot-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*unknown key 'sinse'*"])
    assert locked.stored() == before


def test_an_update_under_a_broken_configuration_deletes_no_lock(locked):
    before = locked.stored()
    locked.configure('library = "mylayers"\nlock = true\ngolde = "golden"')
    assert locked.run("--snapshot-update").ret == 1
    assert locked.stored() == before


def test_a_state_that_cannot_be_read_is_told_in_a_sentence(locked):
    broken = DENSE.replace("return dict(vars(self))", "return self.parameters()")
    locked.install("1.0.0", broken)
    result = locked.run("-k", "fields")
    result.stdout.fnmatch_lines(["dense: the state of its layer cannot be read: *parameters*"])


def test_recording_leaves_the_locks_alone_and_does_not_miss_them(locked):
    before = locked.stored()
    locked.install("1.1.0", DENSE_WITH_SCALE)
    result = locked.run("--ckpt-record")
    assert result.ret == 0
    assert "snapshot unused" not in result.stdout.str()
    assert locked.stored() == before


def test_recording_with_an_update_is_refused(locked):
    result = locked.run("--ckpt-record", "--snapshot-update")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--snapshot-update cannot go with --ckpt-record*"])


def test_narrowing_to_a_version_keeps_the_lock(locked):
    result = locked.run("-rA", "--ckpt-version", "<0.5")
    assert outcomes(result)["test_dense[fields]"] == "passed"


def test_what_the_next_release_gets_is_locked_in_its_development(project):
    project.install("1.1.0.dev3")
    project.recipe(mark='inputs=[(3, 5)], since="1.1.0"')
    assert "test_dense[fields]" in project.run("--collect-only", "-q").stdout.str()


def test_what_an_older_version_lacks_is_not_locked(project):
    project.install("1.0.0")
    project.recipe(mark='inputs=[(3, 5)], since="1.1.0"')
    assert "test_dense[fields]" not in project.run("--collect-only", "-q").stdout.str()


def test_two_workers_check_and_write_as_one_process_does(project):
    project.released("1.0.0", recipes=TWO)
    project.recipes(ARRAYS, "test_arrays.py")
    assert project.run_apart("-p", "xdist", "-n2", "--snapshot-update").ret == 0
    stored = project.stored()
    assert len(stored) == 6
    project.update()
    assert project.stored() == stored
    project.install("1.0.0", DENSE_WITH_SCALE)
    result = project.run_apart("-p", "xdist", "-n2", "-rA", "-k", "fields")
    assert set(outcomes(result).values()) == {"failed"}
    assert len(outcomes(result)) == 3
    result.stdout.fnmatch_lines(["  + scale   added; it is (0, 0)"])


def test_without_syrupy_it_fails_and_says_what_to_load(locked):
    result = locked.pytester.runpytest_inprocess("-p", "ckptcompat", "-k", "fields")
    result.stdout.fnmatch_lines(["lock = true *needs the plugin syrupy*load it with -p syrupy*"])


# Goldens are out of the reach of every snapshot command.


def test_an_update_that_deletes_locks_touches_no_golden(project):
    project.released("1.0.0", recipes=TWO)
    project.update()
    goldens = project.bytes()
    project.recipes()
    project.run("--snapshot-update")
    assert len(project.stored()) == 1
    assert project.bytes() == goldens


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("__snapshots__/golden", []),
        ("tests/__snapshots__", []),
        ("golden", ["--snapshot-dirname", "golden"]),
        ("tests/kept/golden", ["--snapshot-dirname", "tests/kept"]),
    ],
)
def test_goldens_within_a_folder_of_snapshots_are_refused(project, folder, options):
    project.configure(f'library = "mylayers"\nlock = true\ngolden = "{folder}"')
    project.install("1.0.0")
    project.recipes()
    result = project.run(*options)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["the goldens are in *Keep them elsewhere*"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_goldens_that_a_link_puts_within_snapshots_are_refused(locked):
    golden = locked.root / "golden"
    golden.rename(locked.root / "__snapshots__" / "golden")
    golden.symlink_to(locked.root / "__snapshots__" / "golden")
    locked.run().stdout.fnmatch_lines(["the goldens are in *Keep them elsewhere*"])


def test_the_option_for_goldens_is_held_to_the_same(project):
    project.install("1.0.0")
    project.recipes()
    result = project.run("--ckpt-golden", "__snapshots__/golden")
    result.stdout.fnmatch_lines(["the goldens are in *Keep them elsewhere*"])
