"""What ``benchmarks.numbers`` measures at length, on a few layers: no false alarm, no miss."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.numbers import __main__ as numbers
from benchmarks.numbers import cases, defects
from benchmarks.numbers.comparisons import WAYS
from pytest_ckptcompat.numeric import compare

SMALL = ("GELU", "LayerNorm", "BatchNorm", "Conv")
FLUX = ("conv2d", "convtranspose2d", "convtranspose2d_same", "dense", "gru", "mha", "lenet")


@pytest.fixture(scope="module")
def recorded():
    return cases.recorded(SMALL)


@pytest.fixture(scope="module")
def flux():
    return cases.of_flux(["0.16.4"])


@pytest.mark.parametrize("environment", ["Prescott, no CPU features", "2 threads"])
def test_other_kernels_features_and_threads_raise_no_false_alarm(
    recorded, flux, environment, tmp_path
):
    cases.save(recorded, tmp_path)
    more = numbers.ENVIRONMENTS[environment]
    clean = {key: value for key, value in os.environ.items() if key not in numbers._PRESET}
    command = ["-m", "benchmarks.numbers.outputs", tmp_path, tmp_path / "outputs.npz", "0.16.4"]
    subprocess.run([sys.executable, *command], check=True, env={**clean, **more}, cwd=cases.ROOT)
    with np.load(tmp_path / "outputs.npz") as outputs:
        results = {
            case.name: compare(case.expected, outputs[case.name], case.budget)
            for case in (*recorded, *flux)
        }
    assert len(results) == len(SMALL) + len(flux) > 20
    assert {name for name, result in results.items() if result.zone != "within"} == set()


@pytest.mark.parametrize("name", FLUX)
def test_one_weight_of_a_golden_of_flux_off_by_a_thousandth_is_seen_in_the_outputs(flux, name):
    (case,) = (case for case in flux if case.golden.recipe == name)
    found = list(defects.all_of(case))
    assert {kind for kind, *_ in found} >= {defects.MOST, "all weights through float16"}
    silent = [
        (kind, where)
        for kind, where, got in found
        if kind != defects.MEDIAN and WAYS["error budget"](case.expected, got, case.budget)
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("GELU", "GELU by tanh for erf"),
        ("LayerNorm", "epsilon beside the deviation, not squared"),
        ("BatchNorm", "epsilon squared"),
        ("Conv", "padding on the other side"),
    ],
)
def test_a_layer_with_one_thing_wrong_is_seen_in_the_outputs(recorded, name, kind):
    (case,) = (case for case in recorded if case.name == name)
    assert WAYS["error budget"](case.expected, case.outputs(), case.budget)
    assert not WAYS["error budget"](
        case.expected, case.outputs(build=case.wrong[kind]), case.budget
    )


def test_a_comparison_that_knows_only_a_relative_tolerance_cries_wolf():
    want = np.array([1e-6, 1.0], np.float32)  # the first element came from cancellation
    got = np.array([1.2e-6, 1.0], np.float32)
    budget = np.array([1e-7, 1e-7])
    assert WAYS["error budget"](want, got, budget)
    assert not WAYS["rtol 1e-4"](want, got, budget)


def test_the_tables_have_a_row_for_everything_that_was_measured():
    counts = numbers.Counter(dict.fromkeys(WAYS, 2))
    alarms = {"2 threads": ("Haswell", counts), "SkylakeX": ("not to be run", numbers.Counter())}
    rows = list(numbers._alarm_table(alarms, {"2 threads": 0.25}, 9))
    assert rows[-2].startswith("| 2 threads | Haswell | 2 |")
    assert rows[-2].endswith("| 0.25 |")
    assert rows[-1].endswith("|  |")
    assert list(numbers._missed_table({"a defect": (7, counts)}))[-1].startswith("| a defect | 7 |")
