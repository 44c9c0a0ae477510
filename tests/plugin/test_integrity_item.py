"""The integrity item: whether goldens, recipes and ledger fit together."""

from __future__ import annotations

import json

import pytest
from layerlib import RECIPES, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"
NODE = f"test_recipes.py::{INTEGRITY}"

TWO = RECIPES + RECIPES.replace("dense", "tall").replace("Dense()", "Dense(3, 7)")


def broken(library, *said, options=(NODE,)):
    """The integrity item fails with the lines, and nothing is written."""
    before = library.bytes()
    result = library.run("-rA", *options)
    assert outcomes(result)[INTEGRITY] == "failed"
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{line}*" for line in said])
    assert "Traceback" not in result.stdout.str()
    assert library.bytes() == before


def test_there_is_one_for_a_library_in_several_files(library):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("dense", "other"), "test_other.py")
    found = library.run("--collect-only", "-q").stdout.lines
    assert [line for line in found if "integrity" in line] == [f"test_other.py::{INTEGRITY}"]


def test_it_belongs_to_the_first_file_that_is_run(library):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("dense", "other"), "test_other.py")
    found = library.run("--collect-only", "-q", "test_recipes.py").stdout.lines
    assert [line for line in found if "integrity" in line] == [NODE]


def test_its_name_has_no_brackets(library):
    library.released("1.0.0")
    assert "[" not in next(name for name in outcomes(library.run("-rA")) if "integrity" in name)


def test_it_passes_beside_recipes_that_fail(library):
    library.released("1.0.0", recipes=TWO)
    library.install("1.1.0", library_that_raises())
    found = outcomes(library.run("-rA"))
    assert found.pop(INTEGRITY) == "passed"
    assert set(found.values()) == {"failed"}


def library_that_raises():
    return "class Dense:\n    def __init__(self, *_):\n        raise OSError('no')\n"


def test_there_is_none_where_there_is_no_recipe(library):
    library.released("1.0.0")
    library.recipes("def test_plain():\n    pass\n", "test_plain.py")
    assert outcomes(library.run("-rA", "test_plain.py")) == {"test_plain": "passed"}


def test_there_is_none_while_recording(library):
    library.install()
    library.recipes()
    assert list(outcomes(library.run("-rA", "--ckpt-record"))) == ["test_dense[record]"]


# What is wrong with files


def change(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_corrupted_golden_fails(library):
    library.released("1.0.0")
    path = library.golden / "1.0.0" / "dense.h5"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    broken(library, "dense.h5 is not the file that was recorded*restore it from version control*")


def test_the_item_of_a_corrupted_golden_fails_too(library):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "dense.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    found = outcomes(library.run("-rA"))
    assert found == {"test_dense[1.0.0-state]": "failed", INTEGRITY: "failed"}


def test_a_corrupted_golden_leaves_the_others_checked(library):
    library.released("1.0.0", recipes=TWO)
    (library.golden / "1.0.0" / "dense.h5").write_bytes(b"")
    found = outcomes(library.run("-rA"))
    assert found["test_tall[1.0.0-state]"] == "passed"
    assert found["test_dense[1.0.0-state]"] == "failed"


def test_a_missing_golden_fails(library):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "dense.h5").unlink()
    broken(library, "dense.h5 is missing, although the manifest names it: restore it*")
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "failed"


def test_a_missing_manifest_fails(library):
    library.released("0.9.0", "1.0.0")
    (library.golden / "0.9.0" / "manifest.json").unlink()
    broken(library, "0.9.0/manifest.json is missing: restore it from version control*")


def test_a_missing_manifest_of_the_only_release_fails(library):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "manifest.json").unlink()
    broken(library, "1.0.0/manifest.json is missing: restore it from version control*")


def test_a_golden_that_is_not_in_the_manifest_fails(library):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "stray.h5").write_bytes(b"")
    broken(library, "stray.h5 is not in *manifest.json: record it with --ckpt-record, or delete*")


def test_a_manifest_of_another_version_fails(library):
    library.released("1.0.0")
    (library.golden / "1.0.0").rename(library.golden / "0.8.0")
    broken(library, "manifest.json is of mylayers 1.0.0, but its folder is that of mylayers 0.8.0*")


def test_a_folder_that_is_no_version_fails(library):
    library.released("1.0.0")
    (library.golden / "newest").mkdir()
    (library.golden / "newest" / "file").touch()
    broken(library, "newest is not named for a version that PEP 440 knows: rename or move it")


def test_a_git_lfs_pointer_fails(library):
    library.released("1.0.0")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (library.golden / "1.0.0" / "dense.h5").write_bytes(pointer)
    broken(library, "dense.h5 is a Git-LFS pointer, not the file itself: run `git lfs pull`")
    result = library.run("-k", "dense and not integrity")
    result.stdout.fnmatch_lines(["*dense.h5 is a Git-LFS pointer, not the file itself: run*"])


def test_a_manifest_of_a_newer_format_fails(library):
    library.released("1.0.0")
    change(library.golden / "1.0.0" / "manifest.json", lambda data: data.update(format=99))
    broken(library, "was written by a newer pytest-ckptcompat (format 99): upgrade*")


@pytest.mark.parametrize("file", ["manifest.json", "fields.json"])
def test_an_index_that_is_no_json_fails(library, file):
    library.released("1.0.0")
    (library.golden / "1.0.0" / file).write_text("{")
    broken(library, f"{file} is not valid JSON*restore it from version control*")


def test_an_edited_field_list_fails(library):
    library.released("1.0.0")
    path = library.golden / "1.0.0" / "fields.json"
    path.write_text(path.read_text().replace("bias", "shift"))
    broken(library, "fields.json is not what was recorded for dense: restore it*")


def test_several_problems_are_all_told(library):
    library.released("0.9.0", "1.0.0")
    for version in ("0.9.0", "1.0.0"):
        (library.golden / version / "stray.h5").write_bytes(b"")
    broken(library, "2 problems", "0.9.0/stray.h5 is not in", "1.0.0/stray.h5 is not in")


def test_a_bad_file_fails_under_two_workers(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    (library.golden / "1.0.0" / "stray.h5").write_bytes(b"")
    result = library.run_apart("-p", "xdist", "-n2", "-rA")
    assert outcomes(result)[INTEGRITY] == "failed"
    assert result.parseoutcomes() == {"failed": 1, "passed": 4}


# Goldens without a recipe


def test_a_golden_without_a_recipe_fails(library):
    library.released("1.0.0", recipes=TWO)
    library.recipes(RECIPES)
    broken(
        library,
        "tall.h5 has no recipe: tall was recorded from test_recipes.py. Bring the recipe back, or*",
        options=[],
    )


def test_a_renamed_recipe_leaves_a_golden_without_one(library):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("test_dense", "test_linear"))
    broken(library, "dense.h5 has no recipe: dense was recorded from*", options=[])


def test_a_retired_recipe_is_missed_by_nobody(library):
    library.released("1.0.0", recipes=TWO)
    library.recipes(RECIPES)
    library.ledger('[[retire]]\nrecipe = "tall"\nreason = "Tall is gone"\n')
    result = library.run("-rA")
    assert outcomes(result) == {"test_dense[1.0.0-state]": "passed", INTEGRITY: "passed"}
    assert result.ret == 0


def test_a_recipe_may_be_retired_for_some_versions(library):
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.recipes(RECIPES)
    library.ledger('[[retire]]\nrecipe = "tall"\nversions = "<1"\nreason = "gone"\n')
    broken(library, "1 problem", "1.0.0/tall.h5 has no recipe", options=[])


def test_goldens_of_files_that_were_not_collected_are_left_alone(library):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("dense", "other"), "test_other.py")
    library.record()
    assert set(outcomes(library.run("-rA", "test_recipes.py")).values()) == {"passed"}


def test_a_selected_recipe_does_not_orphan_the_rest_of_its_file(library):
    library.released("1.0.0", recipes=TWO)
    found = outcomes(library.run("-rA", "test_recipes.py::test_dense", NODE))
    assert found == {"test_dense[1.0.0-state]": "passed", INTEGRITY: "passed"}


def test_k_does_not_orphan_the_rest_of_a_file(library):
    library.released("1.0.0", recipes=TWO)
    assert set(outcomes(library.run("-rA", "-k", "dense or integrity")).values()) == {"passed"}


def test_lf_does_not_orphan_the_rest_of_a_file(library):
    library.released("1.0.0", recipes=TWO)
    stray = library.golden / "1.0.0" / "stray.h5"
    stray.write_bytes(b"")
    library.run()
    broken(library, "1 problem", options=["--lf"])


def test_a_method_that_is_selected_does_not_orphan_the_rest_of_its_file(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        pytestmark = pytest.mark.ckptcompat(inputs=[(3, 5)])

        class TestOne:
            def test_dense(self):
                return mylayers.Dense()

        class TestTwo:
            def test_dense(self):
                return mylayers.Dense()
        """,
    )
    found = outcomes(library.run("-rA", "test_recipes.py::TestTwo"))
    assert set(found.values()) == {"passed"}
