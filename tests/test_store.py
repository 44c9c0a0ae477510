import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_ckptcompat.commit import Artifact, PendingGolden, commit
from pytest_ckptcompat.store import Store, StoreError


def pending(content=b"golden", **rest):
    lines = [{"path": "weight", "kind": "array", "dtype": "float32", "shape": [2]}]
    return PendingGolden(lambda path: path.write_bytes(content), lines, ("state",), **rest)


@pytest.fixture
def store(tmp_path):
    """Two releases; the later one has a native artifact."""
    store = Store(tmp_path / "golden", "mylayers")
    (tmp_path / "native").write_bytes(b"native")
    artifacts = {"npz": Artifact(tmp_path / "native", ".npz")}
    given = {"conv": pending(artifacts=artifacts), "norm": pending(b"other")}
    commit(store, "0.10.0", given, {}, {})
    commit(store, "0.9.0", {"conv": pending()}, {}, {})
    return store


@pytest.fixture
def folder(store):
    return store.folder / "0.10.0"


def edit(folder, change):
    """Have ``change(manifest)`` alter the manifest."""
    data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(data)
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")


def only(sentences):
    (sentence,) = sentences
    return sentence


def test_a_store_as_it_was_recorded_has_no_problems(store):
    assert store.problems() == []
    assert [store.problems(release) for release in store.releases()] == [[], []]


def test_releases_are_sorted_by_version(store):
    commit(store, "0.10.0rc1", {"conv": pending()}, {}, {})
    versions = [release.version for release in store.releases()]
    assert versions == ["0.9.0", "0.10.0rc1", "0.10.0"]


def test_a_folder_that_is_not_there_is_an_empty_store(tmp_path):
    assert Store(tmp_path, "none").releases() == ()
    assert Store(tmp_path, "none").problems() == []


def test_a_release_is_found_however_its_version_is_written(store):
    assert store.release("v0.10").folder.name == "0.10.0"
    assert store.release("0.11") is None
    assert store.release("main") is None


def test_the_releases_are_read_without_opening_a_golden(store, folder):
    for path in store.folder.rglob("*.h5"):
        path.unlink()
    (folder / "fields.json").unlink()
    assert [sorted(r.entries) for r in store.releases()] == [["conv"], ["conv", "norm"]]
    assert [release.problems for release in store.releases()] == [(), ()]


def test_the_store_is_read_without_numpy_and_h5py():
    code = (
        "import sys, pytest_ckptcompat.store\n"
        "print(sorted({'numpy', 'h5py', 'pytest', 'pytest_ckptcompat.state'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stdout.strip() == "[]"


def test_a_golden_and_its_artifact_have_their_paths(store, folder):
    release = store.release("0.10.0")
    entry = release.entries["conv"]
    assert store.path(release, entry) == folder / "conv.h5"
    assert store.path(release, entry, "npz") == folder / "conv.npz"
    assert store.verified(release, entry, "npz").read_bytes() == b"native"


def test_a_route_without_an_artifact_is_refused_with_those_there_are(store):
    release = store.release("0.10.0")
    with pytest.raises(StoreError, match=r"for the route pt; it has: npz"):
        store.path(release, release.entries["conv"], "pt")


def test_a_changed_artifact_is_not_handed_out(store, folder):
    (folder / "conv.npz").write_bytes(b"NATIVE")
    release = store.release("0.10.0")
    with pytest.raises(StoreError, match=r"conv\.npz is not the file that was recorded"):
        store.verified(release, release.entries["conv"], "npz")


# Files that are not what the manifest says.


def test_a_changed_golden_is_a_problem(store, folder):
    (folder / "conv.h5").write_bytes(b"goldEn")
    text = only(store.problems())
    assert str(folder / "conv.h5") in text
    assert "git checkout" in text


def test_a_truncated_golden_is_a_problem(store, folder):
    (folder / "conv.h5").write_bytes(b"gold")
    assert "not the file that was recorded" in only(store.problems())


def test_a_missing_golden_is_a_problem(store, folder):
    (folder / "conv.h5").unlink()
    assert "is missing, although the manifest names it" in only(store.problems())


def test_a_missing_artifact_is_a_problem(store, folder):
    (folder / "conv.npz").unlink()
    assert "conv.npz is missing" in only(store.problems())


def test_a_golden_that_is_not_in_its_manifest_is_a_problem(store, folder):
    (folder / "lstm.h5").write_bytes(b"x")
    text = only(store.problems())
    assert "lstm.h5 is not in" in text
    assert "--ckpt-record" in text


def test_a_git_lfs_pointer_is_a_problem_with_what_to_run(store, folder):
    (folder / "conv.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid x\n")
    assert "git lfs pull" in only(store.problems())


def test_a_symbolic_link_is_a_problem(store, folder, tmp_path):
    (folder / "conv.h5").rename(tmp_path / "elsewhere")
    (folder / "conv.h5").symlink_to(tmp_path / "elsewhere")
    assert "is a symbolic link" in only(store.problems())


def test_a_folder_in_place_of_a_golden_is_a_problem(store, folder):
    (folder / "conv.h5").unlink()
    (folder / "conv.h5").mkdir()
    assert "conv.h5 is missing" in only(store.problems())


def test_hidden_files_are_nobodys_problem(store, folder):
    (folder / ".DS_Store").write_bytes(b"x")
    assert store.problems() == []


def test_large_files_are_hashed_to_their_end(store):
    content = b"x" * (3 << 20)
    commit(store, "1.0", {"big": pending(content)}, {}, {})
    assert store.release("1.0").entries["big"].sha256 == hashlib.sha256(content).hexdigest()
    (store.folder / "1.0" / "big.h5").write_bytes(content[:-1] + b"y")
    assert "big.h5" in only(store.problems())


# Manifests that cannot be believed.


def test_a_release_without_a_manifest_is_a_problem(store, folder):
    (folder / "manifest.json").unlink()
    text = only(store.problems())
    assert "manifest.json is missing" in text
    assert store.release("0.10.0").entries == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not an index"),
        ("{}", "not an index"),
        ('{"format": 2}', "newer pytest-ckptcompat (format 2): upgrade"),
        ('{"format": 1, "format": 1}', "'format' stands in it twice"),
        ('{"format": 1}', "is of None None"),
        ('{"format": 1, "library": "other", "version": "0.10.0"}', "is of other 0.10.0"),
        ('{"format": 1, "library": "mylayers", "version": "0.9"}', "is of mylayers 0.9"),
        ('{"format": 1, "library": "mylayers", "version": "0.10"}', "has no goldens"),
        ("<<<<<<< HEAD\n{}\n", "marks of a merge conflict"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_manifest_is_a_problem_and_no_exception(store, folder, text, said):
    (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    release = store.release("0.10.0")
    assert release.entries == {}
    sentence = only(store.problems())
    assert said in sentence
    assert str(folder / "manifest.json") in sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": "../../../secret.h5"}, "is not what its file is called"),
        ({"file": "/etc/passwd"}, "is not what its file is called"),
        ({"file": "norm.h5"}, "is not what its file is called"),
        ({"file": 3}, "is not what its file is called"),
        ({"sha256": "0" * 63}, "is not a SHA-256"),
        ({"sha256": "A" * 64}, "is not a SHA-256"),
        ({"size": -1}, "is not a size"),
        ({"size": "7"}, "is not a size"),
        ({"routes": "state"}, "not a list of names"),
        ({"routes": [1]}, "not a list of names"),
        ({"module": 3}, "not a text"),
        ({"fields": None}, "not a text"),
        ({"artifacts": {"npz": {"file": "../conv.npz", "sha256": "0" * 64, "size": 0}}}, "called"),
        ({"artifacts": {"npz": {"file": "conv./x", "sha256": "0" * 64, "size": 0}}}, "called"),
        ({"artifacts": {"npz": {"file": "norm.npz", "sha256": "0" * 64, "size": 0}}}, "called"),
        (
            {"artifacts": {"npz": {"file": "conv.h5", "sha256": "0" * 64, "size": 0}}},
            "has the name",
        ),
        ({"artifacts": {"npz": {}}}, "lacks 'file'"),
        ({"artifacts": []}, "bad entry"),
    ],
)
def test_a_bad_entry_is_a_problem_and_left_out(store, folder, change, said):
    edit(folder, lambda data: data["goldens"]["conv"].update(change))
    release = store.release("0.10.0")
    assert sorted(release.entries) == ["norm"]
    text = only(release.problems)
    assert "bad entry for conv" in text
    assert said in text
    assert store.problems(release) == [text]


@pytest.mark.parametrize("entry", [None, 3, [], "conv.h5", {}])
def test_an_entry_that_is_none_is_a_problem(store, folder, entry):
    edit(folder, lambda data: data["goldens"].update(conv=entry))
    assert "bad entry for conv" in only(store.problems())


# Folders.


def test_a_folder_that_is_no_version_is_a_problem(store, folder):
    shutil.copytree(folder, store.folder / "main")
    assert len(store.releases()) == 2
    text = only(store.problems())
    assert str(store.folder / "main") in text
    assert "PEP 440" in text


def test_two_folders_of_one_version_are_a_problem(store, folder):
    shutil.copytree(folder, store.folder / "0.10")
    assert "are of the same version" in only(store.problems())


def test_an_empty_folder_is_no_release(store):
    (store.folder / "1.0").mkdir()
    assert store.release("1.0") is None
    assert store.problems() == []


def test_files_that_are_not_goldens_are_left_alone(store):
    (store.folder / "ledger.toml").write_text("")
    (store.folder / ".cache").mkdir()
    assert store.problems() == []


# fields.json.


def fields(folder, change):
    data = json.loads((folder / "fields.json").read_text(encoding="utf-8"))
    change(data)
    (folder / "fields.json").write_text(json.dumps(data), encoding="utf-8")


def test_fields_may_be_laid_out_anew(store, folder):
    fields(folder, lambda data: None)
    assert store.problems() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["recipes"]["conv"][0].update(shape=[3]),
        lambda data: data["recipes"]["conv"].clear(),
        lambda data: data["recipes"].pop("conv"),
        lambda data: data["recipes"].update(conv=3),
    ],
)
def test_changed_fields_are_a_problem(store, folder, change):
    fields(folder, change)
    text = only(store.problems())
    assert "not what was recorded for conv" in text
    assert str(folder / "fields.json") in text


def test_fields_of_a_recipe_that_the_manifest_lacks_are_a_problem(store, folder):
    fields(folder, lambda data: data["recipes"].update(lstm=[]))
    assert "not what was recorded for lstm" in only(store.problems())


def test_missing_fields_are_a_problem(store, folder):
    (folder / "fields.json").unlink()
    assert "fields.json is missing" in only(store.problems())


def test_fields_that_cannot_be_read_are_a_problem(store, folder):
    (folder / "fields.json").write_text("{")
    assert "fields.json is not valid JSON" in only(store.problems())


# A recording at work.


def test_files_that_a_recording_is_about_to_add_are_not_there_yet(store, folder):
    (folder / "lstm.h5").write_bytes(b"x")
    journal = {"files": ["lstm.h5"], "recipes": ["lstm"]}
    (folder / ".recording.json").write_text(json.dumps(journal))
    assert store.problems() == []
    assert store.unfinished() == [folder]


def test_a_journal_that_cannot_be_read_hides_nothing(store, folder):
    (folder / "lstm.h5").write_bytes(b"x")
    for text in ("{", "[]", '{"files": "lstm.h5"}', '{"files": [3]}'):
        (folder / ".recording.json").write_text(text)
        assert "lstm.h5 is not in" in only(store.problems())
