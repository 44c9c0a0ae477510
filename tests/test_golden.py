import hashlib
import json
import os
import struct
import sys

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_ckptcompat import golden as golden_module
from pytest_ckptcompat.budget import Budget
from pytest_ckptcompat.golden import Golden, GoldenError, read, write
from pytest_ckptcompat.state import MAX_DEPTH, Array, Container, Name, Tree, same_static

WEIGHT = np.arange(1, 7, dtype=np.float32).reshape(2, 3)


def of(state, outputs=None, **rest):
    """A golden of that state."""
    inputs = Tree.of({"args": (np.float32([[1, 2]]),), "kwargs": {}})
    return Golden("conv", Tree.of(state), inputs, Tree.of(WEIGHT if outputs is None else outputs),
                  **rest)  # fmt: skip


def whole():
    return of(
        {"weight": WEIGHT, "bias": np.ones(3, np.float32), "stride": (1, 2), "act": np.tanh},
        budgets={"": Budget(np.full((2, 3), 200, np.uint8), 1.25e-7)},
        facts={"exact": False, "call": "__call__"},
    )


@pytest.fixture
def path(tmp_path):
    """A golden on disk."""
    file = tmp_path / "conv.h5"
    write(file, whole())
    return file


def kept(tmp_path, state):
    file = tmp_path / "kept.h5"
    write(file, of(state))
    return read(file, sha256=None).state


def assert_same(left, right):
    """The same tree: paths, order, kinds, static values, dtypes, shapes, bits and ties."""
    ours, theirs = list(left.nodes()), list(right.nodes())
    assert [where for where, _ in ours] == [where for where, _ in theirs]
    for (_, one), (_, other) in zip(ours, theirs, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Container):
            assert one.kind == other.kind
        elif isinstance(one, Array):
            assert one.value.dtype.name == other.value.dtype.name
            assert one.shape == other.shape
            assert one.value.astype(other.value.dtype).tobytes() == other.value.tobytes()
        else:
            assert same_static(one.value, other.value)
    assert left.ties() == right.ties()


# What a golden keeps.

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    hnp.datetime64_dtypes(),
    st.sampled_from([np.dtype(ml_dtypes.bfloat16), np.dtype(ml_dtypes.int4)]),
)


@st.composite
def arrays(draw):
    dtype = draw(dtypes)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    raw = draw(st.binary(min_size=64, max_size=64))
    size = int(np.prod(shape))
    if dtype.kind in "bV":
        array = np.frombuffer(raw, np.uint8)[:size] % 2
        return array.reshape(shape).astype(dtype)
    bits = (raw * (size * dtype.itemsize // 64 + 1))[: size * dtype.itemsize]
    array = np.frombuffer(bits, dtype).reshape(shape)
    return draw(st.sampled_from([array, array.T, array.copy("F")]))


keys = st.one_of(st.text(max_size=6), st.sampled_from(["/", "a/b", "\0", ".", "..", "%", "", "é"]))
statics = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(),
    st.binary(), st.tuples(st.integers(), st.none()), st.builds(np.float32, st.floats(width=32)),
    st.builds(Name, st.just("function"), st.text()), st.just({}), st.just([]), st.just(()),
)  # fmt: skip
states = st.recursive(
    st.one_of(statics, arrays()),
    lambda inner: st.one_of(
        st.dictionaries(st.one_of(keys, st.integers(0, 5)), inner, max_size=4).filter(
            # Which of 1 and "1" would be which is not what this is about.
            lambda items: len({str(key) for key in items}) == len(items)
        ),
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(states)
def test_any_state_comes_back_as_it_was(tmp_path_factory, state):
    file = tmp_path_factory.getbasetemp() / "any.h5"
    golden = of(state)
    write(file, golden)
    assert_same(golden.state, read(file, sha256=None).state)


@settings(deadline=None, max_examples=30)
@given(states)
def test_the_same_golden_gives_the_same_bytes_twice(tmp_path_factory, state):
    one, other = (tmp_path_factory.getbasetemp() / name for name in ("one.h5", "other.h5"))
    write(one, of(state, facts={"a": 1, "b": [2]}))
    write(other, of(state, facts={"b": [2], "a": 1}))
    assert one.read_bytes() == other.read_bytes()


def test_everything_beside_the_state_comes_back(path):
    golden = read(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert golden.recipe == "conv"
    assert_same(golden.inputs, whole().inputs)
    assert_same(golden.outputs, whole().outputs)
    assert golden.facts == whole().facts
    assert golden.budgets.keys() == {""}
    assert golden.budgets[""].scale == 1.25e-7
    assert golden.budgets[""].codes.tobytes() == bytes([200] * 6)


def test_a_budget_belongs_to_the_path_of_its_output(tmp_path):
    outputs = {"": (WEIGHT, np.float32(1)), "a/b": np.zeros(4, np.float32)}
    budgets = {
        "%/0": Budget(np.full((2, 3), 7, np.uint8), 1.0),
        "a%2Fb": Budget(np.full(4, 9, np.uint8), 2.0),
    }
    write(tmp_path / "x.h5", of({}, outputs, budgets=budgets))
    back = read(tmp_path / "x.h5", sha256=None).budgets
    assert {key: (b.codes.ravel()[0], b.scale) for key, b in back.items()} == {
        "%/0": (7, 1.0),
        "a%2Fb": (9, 2.0),
    }


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"])
def test_a_dtype_that_hdf5_lacks_is_kept_by_its_bits(tmp_path, name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = np.arange(8).astype(dtype).reshape(2, 4)
    back = kept(tmp_path, {"w": array}).arrays()[("w",)]
    assert back.dtype == dtype
    assert back.tobytes() == array.tobytes()


def test_nan_payloads_and_signed_zeros_survive(tmp_path):
    bits = np.array([0x7FC12345, 0xFF800001, 0x80000000, 0x7F800000], np.uint32)
    back = kept(tmp_path, {"w": bits.view(np.float32)}).arrays()[("w",)]
    assert back.view(np.uint32).tolist() == bits.tolist()


def test_big_endian_arrays_come_back_in_the_order_of_this_machine(tmp_path):
    back = kept(tmp_path, {"w": WEIGHT.astype(">f4")}).arrays()[("w",)]
    assert back.dtype == np.float32
    assert back.dtype.isnative
    assert back.tolist() == WEIGHT.tolist()


def test_equal_goldens_of_other_memory_layout_give_the_same_bytes(tmp_path):
    layouts = (WEIGHT, WEIGHT.copy("F"), WEIGHT.astype(">f4"), np.repeat(WEIGHT, 2, 1)[:, ::2])
    written = set()
    for array in layouts:
        write(tmp_path / "x.h5", of({"w": array}))
        written.add((tmp_path / "x.h5").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("size", [60_000, 60_001, 70_000, 300_000])
def test_arrays_on_both_sides_of_the_compact_limit_come_back(tmp_path, size):
    array = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    assert kept(tmp_path, {"w": array}).arrays()[("w",)].tobytes() == array.tobytes()


def test_more_static_values_than_an_attribute_could_hold_come_back(tmp_path):
    state = {f"key {i}": "x" * 100 for i in range(2000)}
    assert kept(tmp_path, state).plain() == state


def test_a_state_nested_as_deep_as_allowed_comes_back(tmp_path):
    state = WEIGHT
    for _ in range(MAX_DEPTH):
        state = {"in": state}
    assert len(kept(tmp_path, state).arrays()) == 1


def test_arrays_of_many_dimensions_come_back(tmp_path):
    assert kept(tmp_path, {"w": np.ones((1,) * 32)}).arrays()[("w",)].shape == (1,) * 32


def test_three_lines_of_h5py_show_a_golden(path):
    with h5py.File(path) as file:
        assert file["state/weight"][:].tolist() == WEIGHT.tolist()
        tree = json.loads(file["tree"][()])
    assert ["act", {"static": {"function": "numpy:tanh"}}] in tree["state"]["dict"]


def test_a_small_golden_stays_small(path):
    assert path.stat().st_size < 12_000


# What a golden refuses to keep.


def test_a_long_double_is_refused_with_its_path(tmp_path):
    with pytest.raises(GoldenError, match=r"state/deep/w is of dtype .*float64"):
        write(tmp_path / "x.h5", of({"deep": {"w": np.zeros(2, np.longdouble)}}))


def test_a_tree_with_an_array_of_objects_is_refused(tmp_path):
    tree = Tree(Array(np.array([object()])))
    with pytest.raises(GoldenError, match="is of dtype object"):
        write(tmp_path / "x.h5", Golden("x", tree, Tree.of({}), Tree.of({})))


@pytest.mark.parametrize(
    "state",
    [
        {1: WEIGHT, "1": WEIGHT + 1},
        {"1": {"x": WEIGHT}, 1: WEIGHT + 1},
        {1: WEIGHT, "1": {"x": WEIGHT + 1}},
    ],
)
def test_keys_that_are_written_alike_never_mix_up_their_arrays(tmp_path, state):
    try:
        back = kept(tmp_path, state)
    except GoldenError:
        return
    assert_same(Tree.of(state), back)


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy itself has no more before 2.0"
)
def test_more_dimensions_than_hdf5_has_are_refused(tmp_path):
    with pytest.raises(GoldenError, match="cannot be kept in HDF5"):
        write(tmp_path / "x.h5", of({"w": np.ones((1,) * 33)}))


@pytest.mark.parametrize("fact", [float("nan"), object(), (1, 2), {1: 2}])
def test_facts_that_json_would_change_are_refused(tmp_path, fact):
    with pytest.raises(GoldenError, match="JSON"):
        write(tmp_path / "x.h5", of({}, facts={"fact": fact}))


def test_text_that_json_would_change_is_refused(tmp_path):
    # Two surrogates that JSON reads as one character.
    with pytest.raises(GoldenError, match="cannot keep"):
        write(tmp_path / "x.h5", of({"text": "\ud83d" + "\ude00"}))


def test_a_lone_surrogate_comes_back(tmp_path):
    assert kept(tmp_path, {"\ud83d": "\ude00", "w\ud83d": WEIGHT}).leaves().keys() == {
        ("\ud83d",),
        ("w\ud83d",),
    }


@pytest.mark.parametrize("where", ["other", ""])
def test_a_budget_of_no_such_output_is_refused(tmp_path, where):
    budgets = {where: Budget(np.zeros(5, np.uint8), 1.0)}
    with pytest.raises(GoldenError, match="no output of its shape"):
        write(tmp_path / "x.h5", of({}, budgets=budgets))


# Files that are no goldens. ``refused`` reads one and gives the sentence.


def refused(path, sha256=None, **options):
    with pytest.raises(GoldenError) as caught:
        read(path, sha256=sha256, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    assert "git checkout" in refused(tmp_path / "none.h5")


def test_a_folder_is_refused(tmp_path):
    assert "not a file" in refused(tmp_path)


def test_an_empty_file_is_refused(path):
    path.write_bytes(b"")
    assert "is empty" in refused(path)


def test_a_git_lfs_pointer_is_refused_with_what_to_run(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert "git lfs pull" in refused(path, sha256="0" * 64)


def test_a_truncated_file_is_refused_with_its_name(path):
    path.write_bytes(path.read_bytes()[:-100])
    assert "damaged" in refused(path)


def test_a_file_that_is_not_hdf5_is_refused(path):
    path.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    assert "not an HDF5 file" in refused(path)


def test_a_file_beyond_the_limit_is_refused(path):
    assert "larger than 100 bytes" in refused(path, limit=100)


def test_a_wrong_digest_is_refused_before_hdf5_sees_a_byte(path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("HDF5 was given the file")

    monkeypatch.setattr(golden_module.h5py, "File", never)
    assert "not the file that was recorded" in refused(path, sha256="0" * 64)


def test_a_file_written_by_a_later_libver_is_refused(path):
    with h5py.File(path, "w", libver="latest") as file:
        file["tree"] = 1
    assert "superblock" in refused(path)


def test_a_file_of_noise_behind_the_signature_is_refused(path):
    data = path.read_bytes()
    path.write_bytes(data[:9] + bytes(range(256)) * (len(data) // 256))
    assert "damaged" in refused(path)


def tampered(path, change):
    """The sentence for the golden after ``change(file)``."""
    with h5py.File(path, "r+") as file:
        change(file)
    return refused(path)


def retell(file, change):
    """Have ``change(tree)`` alter what /tree says, or give something else to say."""
    tree = json.loads(file["tree"][()])
    text = change(tree)
    text = json.dumps(tree if text is None else text) if not isinstance(text, bytes) else text
    del file["tree"]
    file["tree"] = np.array(text, h5py.string_dtype("utf-8", len(text)))


@pytest.mark.parametrize(
    "link",
    [
        h5py.SoftLink("/state/bias"),
        h5py.SoftLink("/nowhere"),
        h5py.ExternalLink("/etc/passwd", "/state/weight"),
    ],
)
@pytest.mark.parametrize("name", ["state/weight", "state", "tree"])
def test_a_link_that_leads_elsewhere_is_refused(path, name, link):
    def change(file):
        del file[name]
        file[name] = link

    assert f"link at /{name}" in tampered(path, change)


def test_a_user_defined_link_is_refused(path):
    # No call of h5py makes one: an external link gets another type, byte by byte.
    with h5py.File(path, "r+") as file:
        del file["state/weight"]
        file["state/weight"] = h5py.ExternalLink("target", "/object")
    data = bytearray(path.read_bytes())
    head = struct.pack("<BBBB", 1, 0x08, 64, len("weight")) + b"weight"
    assert data.count(head) == 1
    data[data.index(head) + 2] = 70
    path.write_bytes(data)
    assert "link at /state/weight" in refused(path)


def test_external_storage_is_refused(path):
    def change(file):
        del file["state/bias"]
        secret = [(os.fspath(path.with_name("secret")), 0, 12)]
        file.create_dataset("state/bias", (3,), "<f4", external=secret)

    path.with_name("secret").write_bytes(b"\0" * 12)
    assert "in another file" in tampered(path, change)


def test_a_virtual_dataset_is_refused(path):
    def change(file):
        del file["state/bias"]
        layout = h5py.VirtualLayout((3,), "<f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
        file.create_virtual_dataset("state/bias", layout)

    assert "chunked or virtual" in tampered(path, change)


@pytest.mark.parametrize("options", [{"chunks": (3,)}, {"compression": "gzip"}])
def test_chunks_and_filters_are_refused(path, options):
    def change(file):
        del file["state/bias"]
        file.create_dataset("state/bias", data=np.ones(3, "<f4"), **options)

    assert "chunked or virtual" in tampered(path, change)


@pytest.mark.parametrize(
    "data",
    [
        np.ones(3, "<f8"),
        np.ones(3, ">f4"),
        np.ones(3, "<u4"),
        np.zeros(3, [("a", "<f4")]),
        np.array(["a", "b", "c"], h5py.string_dtype()),
        np.array([np.ones(1)] * 3 + [None], object)[:3].astype(h5py.vlen_dtype(np.uint8)),
        np.full(3, h5py.Reference(), h5py.ref_dtype),
        np.full(3, h5py.RegionReference(), h5py.regionref_dtype),
    ],
    ids=["f8", "big-endian", "u4", "compound", "strings", "vlen", "reference", "region"],
)
def test_a_dataset_of_another_type_than_the_tree_says_is_refused(path, data):
    def change(file):
        del file["state/bias"]
        file.create_dataset("state/bias", data=data, dtype=data.dtype)

    assert "no dataset of float32 at /state/bias" in tampered(path, change)


@pytest.mark.parametrize("shape", [(4,), (1, 3), (), None])
def test_a_dataset_of_another_shape_than_the_tree_says_is_refused(path, shape):
    def change(file):
        del file["state/bias"]
        file["state/bias"] = h5py.Empty("<f4") if shape is None else np.ones(shape, "<f4")

    assert "another shape" in tampered(path, change)


def test_a_group_in_place_of_a_dataset_is_refused(path):
    def change(file):
        del file["state/bias"]
        file.create_group("state/bias")

    assert "no dataset of float32" in tampered(path, change)


def test_a_dataset_that_is_missing_is_refused(path):
    assert "lacks 'bias' in /state" in tampered(path, lambda file: file.pop("state/bias"))


@pytest.mark.parametrize("name", ["state/more", "more", "inputs/args/1"])
def test_a_dataset_that_the_tree_does_not_name_is_refused(path, name):
    def change(file):
        file[name] = 1

    assert f"has '{name.rpartition('/')[2]}'" in tampered(path, change)


def test_a_group_that_holds_itself_is_refused(path):
    def change(file):
        file["state/state"] = file["state"]

    assert "has 'state' in /state" in tampered(path, change)


def test_an_array_that_no_part_uses_is_refused(path):
    def change(file):
        file["state/more"] = np.ones(2, "<f4")
        retell(file, lambda t: t["arrays"].update({"state/more": {"dtype": "float32",
                                                                  "shape": [2]}}))  # fmt: skip

    assert "holds state/more" in tampered(path, change)


def test_a_huge_dataset_of_which_nothing_is_stored_is_refused_unallocated(path):
    def change(file):
        del file["state/bias"]
        file.create_dataset("state/bias", (2**40,), "<f4")
        retell(file, lambda t: t["arrays"]["state/bias"].update(shape=[2**40]))

    assert "larger than what is stored" in tampered(path, change)


def test_datasets_that_share_their_bytes_are_bounded_together(path):
    names = [f"state/n{i}" for i in range(20)]

    def tell(tree):
        for name in names:
            tree["arrays"][name] = {"dtype": "uint8", "shape": [50_000]}
            tree["state"]["dict"].append([name, {"array": name}])

    def change(file):
        file[names[0]] = np.zeros(50_000, np.uint8)
        for name in names[1:]:
            file[name] = file[names[0]]
        retell(file, tell)

    assert "larger than what is stored" in tampered(path, change)


def test_a_later_format_is_refused_with_what_to_do(path):
    text = tampered(path, lambda file: retell(file, lambda tree: tree.update(format=2)))
    assert "recorded by a newer pytest-ckptcompat (format 2); upgrade" in text


def test_a_tree_of_variable_length_is_refused(path):
    def change(file):
        text = file["tree"][()].decode()
        del file["tree"]
        file["tree"] = text

    assert "no text of fixed length" in tampered(path, change)


def test_a_file_without_a_tree_is_refused(path):
    assert "has no /tree" in tampered(path, lambda file: file.pop("tree"))


def test_a_group_as_the_tree_is_refused(path):
    def change(file):
        del file["tree"]
        file.create_group("tree")

    assert "a group as /tree" in tampered(path, change)


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"{", b"[" * 100_000, b"[]", b"{}", b'{"format": "1"}', b'{"format": 1}'],
    ids=["bytes", "open", "deep", "list", "empty", "text", "rest"],
)
def test_a_tree_that_says_nothing_is_refused(path, text):
    assert "/tree" in tampered(path, lambda file: retell(file, lambda tree: text))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("state"),
        lambda t: t.update(recipe=3),
        lambda t: t.update(arrays=[]),
        lambda t: t.update(state={"static": {"int": "x"}}),
        lambda t: t.update(state={"array": "outputs/%"}),
        lambda t: t.update(state={"array": "state/none"}),
        lambda t: t["arrays"]["state/bias"].update(dtype="object"),
        lambda t: t["arrays"]["state/bias"].update(dtype="float128"),
        lambda t: t["arrays"]["state/bias"].update(dtype="(2,)f4"),
        lambda t: t["arrays"]["state/bias"].update(dtype="nothing"),
        lambda t: t["arrays"]["state/bias"].update(dtype=3),
        lambda t: t["arrays"]["state/bias"].update(shape=[-3]),
        lambda t: t["arrays"]["state/bias"].update(shape=[3.0]),
        lambda t: t["arrays"]["state/bias"].pop("shape"),
        lambda t: t["arrays"].update({"state/bias": 3}),
        lambda t: t["arrays"].update({"state/bias/deep": t["arrays"]["state/bias"]}),
        lambda t: t["arrays"].update({"": t["arrays"]["state/bias"]}),
        lambda t: t["arrays"].update({"state//bias": t["arrays"]["state/bias"]}),
        lambda t: t["arrays"].update({"/".join("a" * 50_000): t["arrays"]["state/bias"]}),
        lambda t: t["budgets"][""].update(scale="x"),
        lambda t: t["budgets"][""].update(scale=10**400),
        lambda t: t["budgets"][""].update(codes="state/bias"),
        lambda t: t["budgets"].update({"other": t["budgets"].pop("")}),
        lambda t: t["budgets"].update({"": 3}),
    ],
)
def test_a_tree_that_contradicts_itself_or_the_file_is_refused(path, change):
    tampered(path, lambda file: retell(file, lambda tree: change(tree) and None))


def test_a_dtype_that_needs_another_package_says_what_to_install(path, monkeypatch):
    write(path, of({"w": np.zeros(3, ml_dtypes.bfloat16)}))
    # As it is where ml_dtypes is not installed: NumPy does not know the name.
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    text = tampered(path, lambda file: retell(file, lambda t: t["arrays"]["state/w"].update(
        dtype="float7")))  # fmt: skip
    assert "pip install ml_dtypes" in text
