import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pytest_ckptcompat import golden as golden_file
from pytest_ckptcompat import lock
from pytest_ckptcompat.commit import Artifact, PendingGolden, commit
from pytest_ckptcompat.golden import Golden, GoldenError
from pytest_ckptcompat.state import Tree
from pytest_ckptcompat.store import Store, StoreError


def pending(value=1.0, **rest):
    weight = np.full((2, 3), value, np.float32)
    state = Tree.of({"weight": weight, "Ω": None, "pad": (1, 2)})
    golden = Golden("any", state, Tree.of({"args": (), "kwargs": {}}), Tree.of(weight))
    return PendingGolden.of(golden, **{"routes": ("state",), **rest})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "golden", "mylayers")


def snapshot(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_what_was_recorded_is_what_the_store_has(store):
    given = pending(module="tests/test_checkpoints.py")
    commit(store, "1.2.0", {"conv": given}, {"numpy": "2.0"}, {"lstm": "raised ValueError"})
    (release,) = store.releases()
    assert (release.library, release.version) == ("mylayers", "1.2.0")
    assert release.provenance == {"numpy": "2.0"}
    assert release.refused == {"lstm": "raised ValueError"}
    entry = release.entries["conv"]
    assert entry.routes == ("state",)
    assert entry.module == "tests/test_checkpoints.py"
    assert entry.provenance == {"numpy": "2.0"}
    golden = golden_file.read(store.verified(release, entry), sha256=entry.sha256)
    assert golden.state.plain()["pad"] == (1, 2)
    assert store.problems() == []


def test_the_release_is_returned(store):
    release = commit(store, "1.0", {"conv": pending()}, {}, {})
    assert release == store.releases()[0]


def test_recording_the_same_twice_gives_the_same_files(tmp_path):
    for name in ("one", "other"):
        given = {"conv": pending(), "norm": pending(2.0)}
        commit(Store(tmp_path / name, "lib"), "1.0", given, {"time": 1}, {})
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "other")


def test_the_manifest_does_not_depend_on_the_order_of_recording(tmp_path):
    given = {"conv": pending(), "norm": pending(2.0)}
    for name, recipes in (("one", ("conv", "norm")), ("other", ("norm", "conv"))):
        commit(Store(tmp_path / name, "lib"), "1.0", {r: given[r] for r in recipes}, {}, {})
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "other")


def test_fields_has_one_line_for_each_field(store):
    commit(store, "1.0", {"conv": pending(), "empty": PendingGolden(_touch, [], ())}, {}, {})
    text = (store.folder / "1.0" / "fields.json").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "{",
        ' "format": 1,',
        ' "recipes": {',
        '  "conv": [',
        '   {"path": "", "kind": "dict"},',
        '   {"path": "weight", "kind": "array", "dtype": "float32", "shape": [2, 3]},',
        '   {"path": "Ω", "kind": "static", "value": "None"},',
        '   {"path": "pad", "kind": "static", "value": "(1, 2)"}',
        "  ],",
        '  "empty": []',
        " }",
        "}",
    ]
    json.loads(text)


def _touch(path):
    path.write_bytes(b"x")


def test_a_release_grows_and_nothing_in_it_changes(store):
    commit(store, "1.0", {"conv": pending()}, {"time": 1}, {"norm": "raised", "rnn": "raised"})
    before = snapshot(store.folder)
    conv = store.releases()[0].entries["conv"]
    commit(store, "1.0", {"norm": pending(2.0)}, {"time": 2}, {"pool": "raised"})
    after = snapshot(store.folder)
    (release,) = store.releases()
    assert after[Path("1.0/conv.h5")] == before[Path("1.0/conv.h5")]
    assert release.entries["conv"] == conv
    assert release.provenance == {"time": 1}
    assert release.entries["norm"].provenance == {"time": 2}
    assert release.refused == {"pool": "raised", "rnn": "raised"}
    assert store.problems() == []


def test_what_could_not_be_recorded_makes_a_release_of_its_own(store):
    commit(store, "0.9", {}, {}, {"conv": "there was no Conv yet"})
    assert store.releases()[0].refused == {"conv": "there was no Conv yet"}
    assert store.problems() == []


def test_a_version_written_otherwise_is_the_same_release(store):
    commit(store, "1.0.0", {"conv": pending()}, {}, {})
    commit(store, "v1.0", {"norm": pending()}, {}, {})
    assert [sorted(r.entries) for r in store.releases()] == [["conv", "norm"]]


def test_a_name_that_no_file_system_takes_is_recorded(store):
    commit(store, "1.0", {"a/../b:*?\0é": pending()}, {}, {})
    assert store.problems() == []
    assert (store.folder / "1.0" / "a%2F..%2Fb%3A%2A%3F%00%C3%A9.h5").is_file()


def test_native_artifacts_are_copied_beside_the_golden(store, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode())
    artifacts = {
        "h5": Artifact(tmp_path / "a", ".h5"),
        "npz": Artifact(tmp_path / "b", ".npz"),
        "npz-strict": Artifact(tmp_path / "b", ".npz"),
        "npz-old": Artifact(tmp_path / "c", "npz"),
    }
    commit(store, "1.0", {"conv": pending(artifacts=artifacts)}, {}, {})
    (release,) = store.releases()
    entry = release.entries["conv"]
    content = {r: store.verified(release, entry, r).read_bytes() for r in artifacts}
    assert content == {"h5": b"a", "npz": b"b", "npz-strict": b"b", "npz-old": b"c"}
    assert sorted(path.name for path in release.folder.iterdir()) == [
        "conv.h5",
        "conv.h5.h5",
        "conv.npz",
        "conv.npz-old.npz",
        "fields.json",
        "manifest.json",
    ]
    assert store.problems() == []


def refused(store, version, goldens, error=StoreError, **rest):
    """The sentence, once it is sure that nothing was written."""
    before = snapshot(store.folder)
    with pytest.raises(error) as caught:
        commit(store, version, goldens, {}, rest)
    assert snapshot(store.folder) == before
    return str(caught.value)


def test_a_recorded_golden_is_never_overwritten(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    text = refused(store, "1.0", {"conv": pending(2.0), "norm": pending()}, more="refused")
    assert "has a golden of conv already" in text


def test_a_name_that_differs_only_in_case_is_refused(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    assert "ignore case" in refused(store, "1.0", {"Conv": pending()})


def test_two_names_of_one_recording_that_differ_only_in_case_are_refused(store):
    assert "ignore case" in refused(store, "1.0", {"conv": pending(), "CONV": pending()})
    assert not (store.folder / "1.0").exists()


def test_a_file_that_is_in_no_manifest_is_not_overwritten(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    (store.folder / "1.0" / "norm.h5").write_bytes(b"someone's")
    assert "in the way of norm" in refused(store, "1.0", {"norm": pending()})


def test_files_without_a_manifest_are_not_taken_for_a_new_release(store):
    (store.folder / "1.0").mkdir(parents=True)
    (store.folder / "1.0" / "conv.h5").write_bytes(b"someone's")
    assert "no manifest.json" in refused(store, "1.0", {"norm": pending()})


def test_a_release_with_a_bad_manifest_is_not_recorded_into(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    (store.folder / "1.0" / "manifest.json").write_text("{")
    assert "not valid JSON" in refused(store, "1.0", {"norm": pending()})


def test_a_release_with_bad_fields_is_not_recorded_into(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    (store.folder / "1.0" / "fields.json").write_text('{"format": 1}')
    assert "fields.json has no recipes" in refused(store, "1.0", {"norm": pending()})


def test_nothing_is_cleaned_up_by_a_manifest_that_cannot_be_read(store):
    commit(store, "1.0", {"conv": pending()}, {}, {})
    folder = store.folder / "1.0"
    (folder / ".recording.json").write_text('{"files": ["conv.h5"], "recipes": ["conv"]}')
    (folder / "manifest.json").write_text("{")
    assert "cannot be cleaned up" in refused(store, "1.0", {"norm": pending()})


def test_a_version_that_is_none_is_refused(store):
    assert "PEP 440" in refused(store, "main", {"conv": pending()})


@pytest.mark.parametrize("suffix", ["/../x", "a/b", "", "x" * 300, " "])
def test_an_ending_that_cannot_be_one_is_refused(store, tmp_path, suffix):
    artifacts = {"npz": Artifact(tmp_path, suffix)}
    assert "native file" in refused(store, "1.0", {"conv": pending(artifacts=artifacts)})


def test_a_native_file_that_is_missing_is_refused(store, tmp_path):
    artifacts = {"npz": Artifact(tmp_path / "none", ".npz")}
    assert "none" in refused(store, "1.0", {"conv": pending(artifacts=artifacts)})
    assert not (store.folder / "1.0").exists()


def test_a_golden_that_cannot_be_written_leaves_nothing(store):
    golden = Golden("x", Tree.of({"w": np.zeros(1, np.longdouble)}), *[Tree.of({})] * 2)
    bad = PendingGolden.of(golden, routes=("state",))
    refused(store, "1.0", {"conv": pending(), "x": bad}, GoldenError)
    assert not (store.folder / "1.0").exists()


def test_a_store_that_is_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "golden").write_text("")
    with pytest.raises(StoreError, match=r"recording into .* failed"):
        commit(Store(tmp_path / "golden", "lib"), "1.0", {"conv": pending()}, {}, {})


# Two recordings at once.


def test_a_second_recording_waits_for_nothing_and_is_refused(store):
    texts = []

    def write(path):
        with pytest.raises(StoreError) as caught:
            commit(store, "1.0", {"norm": pending()}, {}, {})
        texts.append(str(caught.value))
        pending().write(path)

    commit(store, "1.0", {"conv": PendingGolden(write, [], ("state",))}, {}, {})
    assert f"process {os.getpid()}" in texts[0]
    assert sorted(store.releases()[0].entries) == ["conv"]
    assert store.problems() == []


def test_recordings_of_two_versions_go_on_at_once(store):
    meet = threading.Barrier(2, timeout=30)

    def write(path):
        meet.wait()
        pending().write(path)

    given = {"conv": PendingGolden(write, [], ("state",))}
    threads = [
        threading.Thread(target=commit, args=(store, version, given, {}, {}))
        for version in ("1.0", "2.0")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [release.version for release in store.releases()] == ["1.0", "2.0"]


def locked_by(store, holder):
    folder = store.folder / "1.0"
    folder.mkdir(parents=True)
    (folder / ".recording.lock").write_text(holder)


def dead_process():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_the_lock_of_a_dead_process_is_broken(store):
    locked_by(store, f"{dead_process()} {lock.socket.gethostname()}")
    commit(store, "1.0", {"conv": pending()}, {}, {})
    assert store.problems() == []


@pytest.mark.parametrize("holder", ["", "12 another.machine", "x y"])
def test_a_lock_that_may_be_held_is_explained(store, holder):
    locked_by(store, holder)
    assert "If it is dead, delete" in refused(store, "1.0", {"conv": pending()})


def test_who_has_patience_waits_for_a_lock(tmp_path):
    order = []

    def hold():
        with lock.locked(tmp_path):
            held.set()
            time.sleep(0.3)
            order.append("held")

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with lock.locked(tmp_path, patience=60):
        order.append("waited")
    holder.join()
    assert order == ["held", "waited"]


def test_the_lock_of_another_recording_that_was_faster_is_given_back(store, monkeypatch):
    locked_by(store, f"{dead_process()} {lock.socket.gethostname()}")
    held = store.folder / "1.0" / ".recording.lock"

    def overtaken(pid):
        held.write_text("the other's")
        return False

    monkeypatch.setattr(lock, "_is_alive", overtaken)
    with pytest.raises(StoreError, match="has begun"):
        commit(store, "1.0", {"conv": pending()}, {}, {})
    assert held.read_text() == "the other's"
    assert store.releases() == ()


# Killed or failing before any one of the file operations that a recording makes.

DRIVER = """
import os, sys, json
sys.path.insert(0, {tests!r})
import test_commit as given
from pathlib import Path
from pytest_ckptcompat.store import Store, StoreError

WATCHED = {{"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}}
mode, root, left = sys.argv[1], Path(sys.argv[2]), 0

def watch(event, args):
    global left
    if left and event in WATCHED and str(args[0]).startswith(str(root)):
        left -= 1
        if not left:
            if mode == "kill":
                os._exit(9)
            raise OSError(28, "No space left on device")

sys.addaudithook(watch)
number, codes = 0, []
while not codes or codes[-1]:
    number += 1
    folder = root / str(number)
    store = Store(folder, "lib")
    if sys.argv[3] == "append":
        given.commit(store, "1.0", given.FIRST, {{}}, {{}})
    child = os.fork()
    if not child:
        left = number
        try:
            given.commit(store, "1.0", given.SECOND, {{}}, {{}})
        except StoreError:
            os._exit(1)
        os._exit(2 if not left else 0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""

FIRST = {"conv": pending()}
SECOND = {"norm": pending(2.0), "pool": pending(3.0)}


def interrupted(tmp_path, mode, start):
    """A store for each file operation, and how a recording ended that was interrupted there.

    1 if it raised StoreError, 2 if it went on, 0 if it was done before.
    """
    code = DRIVER.format(tests=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", code, mode, str(tmp_path), start],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    assert len(codes) > 15
    assert codes[-1] == 0
    return [
        (Store(tmp_path / str(number), "lib"), code) for number, code in enumerate(codes, start=1)
    ]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the driver forks")


@pytest.fixture(scope="module", params=["new", "append"])
def start(request):
    return request.param


@pytest.fixture(scope="module")
def old(start):
    return [] if start == "new" else [["conv"]]


@pytest.fixture(scope="module")
def new(start):
    return [["norm", "pool"]] if start == "new" else [["conv", "norm", "pool"]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory, start):
    return interrupted(tmp_path_factory.mktemp("killed"), "kill", start)


def recipes(store):
    return [sorted(release.entries) for release in store.releases()]


@needs_fork
def test_a_kill_at_any_moment_leaves_the_old_state_or_the_new_one(killed, old, new):
    states = [recipes(store) for store, _ in killed]
    assert [store.problems() for store, _ in killed] == [[]] * len(killed)
    before = states.count(old)
    assert 10 < before < len(states)
    assert states == [old] * before + [new] * (len(states) - before)


@needs_fork
def test_the_next_recording_cleans_up_after_a_kill(killed, new, tmp_path):
    for number, (dead, _) in enumerate(killed):
        store = Store(tmp_path / str(number), dead.library)
        if dead.folder.exists():
            shutil.copytree(dead.folder, store.folder)
        release = store.release("1.0")
        missing = {r: p for r, p in SECOND.items() if not release or r not in release.entries}
        commit(store, "1.0", {**missing, "last": pending(4.0)}, {}, {})
        assert store.problems() == []
        assert store.unfinished() == []
        assert recipes(store) == [sorted([*new[0], "last"])]


@needs_fork
def test_a_recording_that_died_is_told_of(killed):
    told = [store.unfinished() == [store.folder / "1.0"] for store, _ in killed]
    assert told.count(True) > 10
    assert not told[-1]


@needs_fork
def test_an_error_at_any_moment_leaves_the_old_state_or_the_new_one(tmp_path, start, old, new):
    for store, code in interrupted(tmp_path, "raise", start):
        assert store.problems() == []
        assert recipes(store) in ([old, new] if code == 1 else [new])
