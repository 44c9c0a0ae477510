"""Each mutation changes one thing, and nothing else."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.mutation import edits, of_loader, of_state
from pytest_ckptcompat.mutation.values import other_dtype, other_static, with_other_element
from pytest_ckptcompat.state import Name, Tree, format_path, same_static

F = np.float32


def state():
    shared = np.arange(1, 4, dtype=F)
    return Tree.of(
        {
            "conv": {"weight": np.arange(36, dtype=F).reshape(3, 3, 4), "pad": (1, 0)},
            "norm": {"running_mean": np.array([1, 2], F), "count": np.array(3)},
            "tied": shared,
            "again": shared,
            "steps": [np.ones(2, F), np.zeros(2, F)],
            "act": np.tanh,
            "bias": None,
        }
    )


def of_kind(kind, path=None):
    found = [m for m in of_state.mutations(state()) if m.kind == kind]
    return [m for m in found if path is None or m.where == path]


def changed(mutation):
    """The paths of leaves that differ, on either side."""
    before, after = state().leaves(), mutation.apply(state()).leaves()
    paths = before.keys() | after.keys()
    return {
        format_path(path)
        for path in paths
        if not (
            path in before and path in after and edits.same(Tree(before[path]), Tree(after[path]))
        )
    }


def test_the_mutations_of_a_state_are_known():
    found = [f"{m.kind} {m.where} {m.detail}".rstrip() for m in of_state.mutations(state())]
    found = [text.partition(" element [")[0] for text in found]
    values = [text for text in found if text.split()[0] not in ("drop", "duplicate", "rename")]
    assert values == [
        *("element conv/weight", "swap axes conv/weight axes 0 and 1"),
        *(f"flip axis conv/weight axis {axis}" for axis in range(3)),
        "dtype conv/weight as float16",
        "static conv/pad (1, 0) -> (2, 0)",
        "element norm/running_mean",
        "zero statistic norm/running_mean",
        *("dtype norm/running_mean as float16", "element norm/count"),
        "dtype norm/count as int32",
        *("element tied", "dtype tied as float16"),
        *("element steps/0", "dtype steps/0 as float16"),
        *("element steps/1", "dtype steps/1 as float16"),
        *("static act tanh -> abs", "static bias None -> 1"),
        *("untie again with equal values", "untie again with one element changed"),
        *("reorder (root) of a dict", "reorder conv of a dict", "reorder norm of a dict"),
        "reorder steps of a list",
    ]
    assert "drop conv/pad a static value" in found
    assert "drop steps/1 an array" in found
    assert "rename norm a container" in found
    assert not any(text.startswith("rename steps/") for text in found)


def test_a_mutation_of_a_value_changes_that_leaf_alone():
    for mutation in of_state.mutations(state()):
        if mutation.kind in ("element", "static", "dtype", "flip axis", "zero statistic"):
            expected = {"tied", "again"} if mutation.where == "tied" else {mutation.where}
            assert changed(mutation) == expected, mutation


def test_one_element_moves_by_an_eighth_of_itself():
    (mutation,) = of_kind("element", "conv/weight")
    before = state().arrays()["conv", "weight"]
    after = mutation.apply(state()).arrays()["conv", "weight"]
    where = np.argwhere(before != after)
    assert [tuple(index) for index in where] == [mutation.index]
    assert after[mutation.index] == before[mutation.index] * F(1.125)


@pytest.mark.parametrize(
    "value",
    [
        *(np.float32(0), np.float32(3.4e38), np.float16(65504), np.int8(127), np.uint8(255)),
        *(np.bool_(True), np.complex64(1 + 2j), np.float64(5e-324), np.datetime64(3, "s")),
        *(ml_dtypes.bfloat16(1), ml_dtypes.float8_e4m3fn(448), ml_dtypes.int4(7)),
    ],
    ids=lambda value: f"{np.asarray(value).dtype}-{value}",
)
def test_an_element_of_any_dtype_becomes_another_one(value):
    array = np.array([value, value])
    moved = with_other_element(array, (1,))
    assert moved.dtype == array.dtype
    assert same_bits(moved[:1], array[:1])
    assert not same_bits(moved, array)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, -0.0, 1e-5, float("nan"), 2j, "same", b"x", (), (1, 2), [0], ["a"]),
        *(np.float32(1e-5), np.bool_(False), Name("dtype", "float32"), Name("type", "a:B")),
        *(Name("function", "builtins:abs"), Name("enum", "inspect:_ParameterKind.VAR_KEYWORD")),
    ],
    ids=repr,
)
def test_a_static_becomes_another_one(value):
    other = other_static(value)
    assert not same_static(value, other)
    if value is not None:
        assert type(other) is type(value)


def test_another_enum_member_is_one_of_the_enum():
    other = other_static(Name("enum", "inspect:_ParameterKind.VAR_KEYWORD"))
    assert other == Name("enum", "inspect:_ParameterKind.POSITIONAL_ONLY")


def test_a_float_that_a_half_cannot_hold_is_doubled():
    assert other_dtype(np.array([1e20], F)) == np.float64
    assert other_dtype(np.array([1.0], F)) == np.float16


def test_a_renamed_key_stays_in_its_place():
    (mutation,) = of_kind("rename", "conv/weight")
    keys = list(mutation.apply(state()).plain()["conv"])
    assert keys == ["weight_other", "pad"]


def test_a_dropped_element_moves_up_what_follows():
    (mutation,) = of_kind("drop", "steps/0")
    assert [step[0] for step in mutation.apply(state()).plain()["steps"]] == [0]


def test_an_untied_array_is_equal_but_separate():
    equal, differing = of_kind("untie")
    assert equal.apply(state()).ties() == differing.apply(state()).ties() == ()
    assert changed(equal) == set()
    assert changed(differing) == {"again"}


def test_what_would_change_nothing_is_no_mutation():
    square = Tree.of({"w": np.ones((2, 2), F), "running_var": np.zeros(2, F)})
    kinds = {m.kind for m in of_state.mutations(square)}
    assert "swap axes" not in kinds
    assert "zero statistic" not in kinds


def faults():
    golden = state()
    loaded = golden.map_arrays(lambda _, array: array.copy())
    fresh = golden.map_arrays(lambda _, array: np.zeros_like(array))
    return loaded, fresh, list(of_loader.faults(golden, loaded, fresh))


def test_a_loader_may_ignore_any_array_skip_any_layer_and_swap_what_is_alike():
    _, _, found = faults()
    said = [f"{fault.kind} {fault.where} {fault.detail}".rstrip() for fault in found]
    assert said == [
        *(f"ignore field {path}" for path in ("conv/weight", "norm/running_mean", "norm/count")),
        *(f"ignore field {path}" for path in ("tied", "steps/0", "steps/1")),
        "swap arrays norm/running_mean with steps/0",
        "swap arrays steps/0 with steps/1",
        *("skip layer (root)", "skip layer norm", "skip layer steps"),
    ]


def test_a_skipped_layer_is_as_a_fresh_one():
    loaded, fresh, found = faults()
    (skip,) = (fault for fault in found if fault.kind == "skip layer" and fault.where == "norm")
    left = skip.apply(loaded, fresh).plain()
    assert left["norm"]["running_mean"].tolist() == [0, 0]
    assert left["norm"]["count"] == 0
    assert left["conv"]["weight"].max() == 35


def test_an_array_that_a_newer_layer_adds_is_not_loaded_and_so_cannot_be_ignored():
    golden = Tree.of({"w": np.ones(2, F)})
    loaded = Tree.of({"w": np.ones(2, F), "mask": np.full(3, 7, F)})
    assert [f.where for f in of_loader.faults(golden, loaded, loaded)] == ["w"]
