"""fluxnp is worth something only if it behaves as Flux does, and the checks only if they see it.

``data/flux_verdicts.tsv`` has what the real ``Flux.loadmodel!`` of each release did with each
checkpoint of each release. Every row is repeated here with fluxnp in the place of Flux and the
goldens in the place of the files.
"""

import csv
import functools
import importlib.util
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

import fluxnp
import pytest

from pytest_ckptcompat import config, golden, recipe
from pytest_ckptcompat.adapters import resolve
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.policy import Verdict
from pytest_ckptcompat.store import Store

ROOT = Path(__file__).parents[1]
SETTINGS = config.read(ROOT)
STORE = Store(ROOT / "golden", "flux")


def _table():
    rows = defaultdict(list)
    with (ROOT / "tests/data/flux_verdicts.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            rows[row["saved_by"], row["loaded_by"]].append(row)
    return rows


TABLE = _table()


@pytest.fixture(scope="module")
def recipes():
    """The recipe functions of examples/fluxnp, with the arguments of their marks, by name."""
    path = ROOT / "examples/fluxnp/test_checkpoints.py"
    spec = importlib.util.spec_from_file_location("fluxnp_recipes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {}
    for name, function in vars(module).items():
        if name.startswith("test_"):
            marks = [m for m in function.pytestmark if m.name == "ckptcompat"]
            arguments = {k: v for m in marks for k, v in m.kwargs.items()}
            found[name.removeprefix("test_")] = (function, {**arguments, "library": "flux"})
    return found


def _field_sets(message):
    """The two sets of names (or the empty tuple) in a message of the loader."""
    found = re.findall(r"\([^()]*\)", message.partition(" but the structures")[0])
    return [frozenset(re.findall(r":([^,() ]+)", part)) for part in found]


@functools.cache
def _read(path):
    return golden.read(path, sha256=None)


def _outcome(row, function, arguments):
    """What load and forward come to, and the loader's words."""
    release = STORE.release(row["saved_by"])
    name = row["model"]
    described = recipe.describe(name, arguments, SETTINGS, PurePosixPath("oracle"), 1)
    stored = _read(STORE.path(release, release.entries[name]))
    outcome = check(stored, described, resolve(described.library), "state", function)
    failed = {f.stage: f.text for f in outcome.findings if f.verdict is Verdict.FAIL}
    if "load" in failed:
        return "LOAD_FAILS", failed["load"]
    return ("WRONG_OUTPUT", failed["forward"]) if "forward" in failed else ("OK", "")


@pytest.mark.parametrize(("saved_by", "loaded_by"), sorted(TABLE))
def test_fluxnp_and_the_checks_agree_with_flux(saved_by, loaded_by, recipes):
    differing = []
    with fluxnp.use_release(loaded_by):
        for row in TABLE[saved_by, loaded_by]:
            outcome, words = _outcome(row, *recipes[row["model"]])
            if outcome != row["outcome"] or _field_sets(words) != _field_sets(row["detail"]):
                differing.append((row["model"], row["outcome"], row["detail"], outcome, words))
    assert differing == []


def test_the_table_is_the_whole_one():
    assert sum(map(len, TABLE.values())) == 1399
    assert len(TABLE) == 64
