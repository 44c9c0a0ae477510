"""The fixture ``ckpt_snapshot`` in a run."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from layerlib import outcomes

from pytest_ckptcompat.golden import from_bytes

FILE = "__snapshots__/test_arrays/test_layer.h5"

TEST = """
import numpy as np

def test_layer(ckpt_snapshot):
    y = np.linspace(0, 1, 6, dtype="float32").reshape(2, 3){change}
    assert ckpt_snapshot{call} == {{"y": y, "steps": (2, "same")}}
"""


@pytest.fixture
def arrays(project):
    """Writes a test whose array differs by ``change`` from what is stored."""

    def write(change="", call="", source=TEST):
        project.recipes(source.format(change=change, call=call), "test_arrays.py")
        return project

    write()
    return write


@pytest.fixture
def stored(arrays):
    """The same, with the snapshot stored."""
    arrays().update()
    return arrays


def test_what_is_not_stored_yet_fails_and_is_described(arrays):
    result = arrays().run("-vv")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "E*Snapshot 'test_layer' does not exist!",
            "E*y: an array float32[[]2, 3[]]",
            "E*steps: (2, 'same')",
            "E*accept it with pytest --snapshot-update*",
        ]
    )


def test_an_update_stores_plain_hdf5(stored):
    with h5py.File(stored().root / FILE) as file:
        assert file["state/y"].dtype == "float32"
        assert file["state/y"][1, 2] == 1.0


def test_what_is_stored_passes(stored):
    assert stored().run().ret == 0


def test_rounding_passes_and_an_update_leaves_the_file(stored):
    before = stored().stored()
    project = stored(" * np.float32(1.00001)")
    assert project.run().ret == 0
    project.update()
    assert project.stored() == before


def test_a_difference_fails_by_field_with_the_worst_element(stored):
    result = stored(" * 1.5").run("-vv")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["E*y: 5 of 6 elements differ, by 0.5*worst at [[]1, 2[]]: stored 1.0, got 1.5"]
    )


def test_an_update_accepts_a_difference(stored):
    project = stored(" * 1.5")
    project.update()
    data = from_bytes(project.root, (project.root / FILE).read_bytes())
    assert data.state.arrays()["y",][1, 2] == 1.5
    assert project.run().ret == 0


def test_a_tolerance_holds_for_its_comparison(stored):
    assert stored(" * 1.5", "(rtol=0.6)").run().ret == 0
    assert stored(" * 1.5", "(rtol=0.4)").run().ret == 1
    assert stored(" * 1.5", "(atol=0.6)").run().ret == 0


def test_exact_notices_rounding(stored):
    project = stored(" * np.float32(1.000001)", "(exact=True)")
    assert project.run().ret == 1


def test_a_tolerance_does_not_hold_for_the_next_comparison(arrays):
    source = """
import numpy as np

def test_layer(ckpt_snapshot):
    assert ckpt_snapshot(rtol=1.0) == np.ones(2){change}
    assert ckpt_snapshot == np.ones(2){change}
"""
    arrays(source=source).update()
    result = arrays(" * 1.5", source=source).run()
    assert result.ret == 1
    result.stdout.fnmatch_lines([">*assert ckpt_snapshot == np.ones(2)*"])


def test_several_comparisons_of_a_test_have_a_file_each(arrays):
    source = """
import numpy as np

def test_layer(ckpt_snapshot):
    assert ckpt_snapshot == np.ones(2)
    assert ckpt_snapshot == np.zeros(2)
    assert ckpt_snapshot(name="loss") == 0.5
    ckpt_snapshot.assert_match([1, 2])
"""
    project = arrays(source=source)
    project.update()
    assert {path.rpartition("/")[2] for path in project.stored()} == {
        "test_layer.h5",
        "test_layer.1.h5",
        "test_layer[loss].h5",
        "test_layer.3.h5",
    }
    assert project.run().ret == 0


def test_a_bad_tolerance_is_told(stored):
    stored("", "(rtol=-1)").run().stdout.fnmatch_lines(["E*rtol=-1 is no tolerance*"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("object()", "the value is an object of type builtins:object, of which a snapshot cannot*"),
        ("np.array([None])", "the state is an array of dtype object*"),
        ("np.zeros(2, np.longdouble)", "*is of dtype *, which not every machine has alike*"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(arrays, data, said):
    source = (
        f"import numpy as np\ndef test_layer(ckpt_snapshot):\n    assert ckpt_snapshot == {data}"
    )
    project = arrays(source=source)
    result = project.run("-vv", "--snapshot-update")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"E  *{said}"])
    assert "Traceback" not in result.stdout.str()
    assert project.stored() == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git-LFS pointer"),
        (b"not HDF5", "is not an HDF5 file"),
        (None, "is damaged"),
    ],
)
def test_a_damaged_snapshot_is_told_and_an_update_replaces_it(stored, content, said):
    project = stored()
    path = project.root / FILE
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2] if content is None else content)
    result = project.run("-vv")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"E*test_layer.h5 {said}*"])
    project.update()
    assert path.read_bytes() == good


def test_a_snapshot_that_links_to_another_file_is_refused(stored):
    project = stored()
    with h5py.File(project.root / FILE, "a") as file:
        del file["state/y"]
        file["state/y"] = h5py.ExternalLink("/etc/passwd", "/")
    project.run("-vv").stdout.fnmatch_lines(["E*leads elsewhere*"])


@pytest.mark.parametrize("options", ["include=lambda **_: True", "diff=0"])
def test_what_it_cannot_do_is_refused(stored, options):
    project = stored("", f"({options})")
    result = project.run("-vv")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E*an HDF5 snapshot *"])


def test_a_snapshot_that_no_test_uses_is_unused_and_an_update_deletes_it(arrays):
    both = TEST + TEST.replace("test_layer", "test_other")
    arrays(source=both).update()
    project = arrays()
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*1 snapshot unused*"])
    project.update()
    assert list(project.stored()) == [FILE]


def test_the_extension_serves_syrupys_own_fixture(arrays):
    source = """
import numpy as np
from pytest_ckptcompat.snapshots.extensions import HDF5SnapshotExtension, Tolerance

class Loose(HDF5SnapshotExtension):
    tolerance = Tolerance(rtol=0.6)

def test_layer(snapshot):
    assert snapshot.use_extension(Loose) == np.ones(2){change}
"""
    arrays(source=source).update()
    assert arrays(" * 1.5", source=source).run().ret == 0
    assert arrays(" * 2.5", source=source).run().ret == 1


def test_without_syrupy_it_fails_and_says_what_to_load(stored):
    project = stored()
    result = project.pytester.runpytest_inprocess("-p", "ckptcompat", "-rA")
    assert outcomes(result) == {"test_layer": "error"}
    result.stdout.fnmatch_lines(["*ckpt_snapshot needs the plugin syrupy*load it with -p syrupy*"])


def test_the_plugin_alone_imports_neither_syrupy_nor_arrays(project):
    project.recipes(
        """
        import sys

        def test_imports():
            assert not {"syrupy", "numpy", "h5py"} & set(sys.modules)
        """
    )
    assert project.pytester.runpytest_subprocess("-p", "ckptcompat").ret == 0


def test_the_same_data_are_the_same_bytes(stored):
    project = stored()
    before = project.stored()
    (project.root / FILE).unlink()
    project.update()
    assert project.stored() == before


def test_numpys_scalars_and_big_endian_arrays_come_back(arrays):
    source = """
import numpy as np

def test_layer(ckpt_snapshot):
    assert ckpt_snapshot == [np.int8(3), np.arange(3, dtype=">f4"), np.float16(0.1), {{}}]
"""
    project = arrays(source=source)
    project.update()
    assert project.run().ret == 0
    kept = from_bytes(project.root, (project.root / FILE).read_bytes()).state.plain()
    assert kept[1].dtype == np.dtype("float32")
