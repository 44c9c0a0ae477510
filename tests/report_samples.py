"""Reports for tests, with everything in them that a report can have."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np

from pytest_ckptcompat.numeric import pack
from pytest_ckptcompat.pictures import grid
from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.report.causes import causes
from pytest_ckptcompat.report.history import Field, History, Span
from pytest_ckptcompat.report.report import FORMAT, LibraryReport, ReleaseFacts, Report
from pytest_ckptcompat.report.result import Advice, Detail, Result, Seen

#: What would act in HTML, in Markdown, in a script, in a template.
HOSTILE = (
    '</script><script>window.hacked=1</script>"><img src=x onerror="window.hacked=2">'
    "'-{{7*7}}|`*_<b>\u202e&amp;\x00\n## @all"
)

BROKEN = (
    Finding("load", "raised", "", Fate.BROKEN, Verdict.FAIL, "KeyError: 'outpad'"),
    Finding("fields", "added", "outpad", Fate.BROKEN, Verdict.FAIL, "added; a fresh layer has 0"),
)
WRONG = (Finding("forward", "output", "y", Fate.BROKEN, Verdict.FAIL, "3 of 12 elements differ"),)
SHIFTED = (Finding("forward", "shifted", "y", Fate.SHIFTED, Verdict.NOTE, "2 of 12 differ"),)
HANDLED = (Finding("fields", "added", "pad", Fate.HANDLED, Verdict.NOTE, "added"),)


def picture(shape=(3, 4), worst=(1, 2)):
    expected = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    got = expected.copy()
    got[worst] += 1
    budget = pack(np.full(shape, 0.01))
    made = grid("y", "3 of 12 elements differ", expected, got, budget, worst)
    assert made is not None
    return made


def details(kind, version):
    drift = Seen("added", "outpad", "", "nothing", "(0, 0)", "broken", "fail")
    advice = Advice("give old states the default", ("@step", "def add(s):", "    return s"), 1, 2)
    return {
        "broken": Detail(
            ("load", "fields"),
            (drift, replace(drift, kind="renamed", path="w", new_path="weight")),
            3,
            advice,
            "Whoever saved it cannot load it any more.",
            f"golden/lib/{version}/net.h5",
            {"python": "3.11.7", "cpu": ["AVX2", "FMA3"], "blas": None},
        ),
        "wrong": Detail(("load", "fields", "state", "forward"), grids=(picture(),)),
    }[kind]


def result(recipe, version, status="passed", findings=(), detail=None, **more):
    place = {"file": "tests/test_recipes.py", "line": 7}
    about = ("lib", recipe, "2.0", status, version, "state" if version else "", findings)
    return Result(*about, detail=detail, **{**place, **more})


def sample(recipes=3, versions=("1.0", "1.1", "1.2", "2.0")):
    """A report with every status."""
    said = "lib 1.0 -> 2.0 | conv | BREAK\n\n  load  failed"
    results = [
        *(
            result("conv", v, "failed", BROKEN, details("broken", v), text=said)
            for v in versions[:2]
        ),
        result("conv", versions[-1]),
        result("dense", versions[0], "failed", WRONG, details("wrong", versions[0])),
        result("dense", versions[1], "shifted", SHIFTED, details("wrong", versions[1])),
        result("dense", versions[2], "passed", HANDLED),
        result("gru", versions[0], "waived", BROKEN, details("broken", versions[0])),
        result("gru", versions[1], "acknowledged", BROKEN, details("broken", versions[1])),
        result("gru", versions[2], "skipped", text="no GPU"),
        result("lstm", "", "new", notes=("the route h5 is refused: no",)),
        result("mha", versions[-1], "left out"),
        result("rnn", versions[0], "failed", text="OSError: no weights"),
    ]
    for number in range(recipes):
        results += [result(f"plain{number}", version) for version in versions]
    history = History(
        "conv",
        tuple(versions),
        (
            Field("weight", (Span(versions[0], versions[-1], "float32 [3, 4]"),)),
            Field("pad", (Span(versions[0], versions[1], "1"), Span(versions[2], "2.0", "(1, 1)"))),
            Field("outpad", (Span(versions[-1], versions[-1], "(0, 0)"),)),
        ),
    )
    releases = tuple(
        ReleaseFacts(v, v == "2.0", {"python": "3.11", "threads": 2}, {"mha": "no such layer"})
        for v in versions
    )
    library = LibraryReport(
        "lib", "2.0", True, releases, tuple(results), causes(results), (history,)
    )
    time = "2026-01-01T00:00:00+00:00"
    problems = ("golden/lib: 1 problem\n- conv.h5 was changed",)
    environment = {"python": "3.11.7", "numpy": "2.4.6"}
    return Report(FORMAT, "pytest-ckptcompat 0.1.0", time, 1, environment, (library,), problems)


#: What is no free text: to change it would make another report.
CLOSED = ("status", "stage", "fate", "verdict", "unit", "version", "versions", "first", "last")


def hostile(value, name=""):
    """The same report with every free text in it hostile, and still as different as before."""
    if type(value) is str and value and name not in CLOSED:
        return f"{value}{HOSTILE}"
    if is_dataclass(value):
        changed = {f.name: hostile(getattr(value, f.name), f.name) for f in fields(value)}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(hostile(one, name) for one in value)
    if isinstance(value, dict):
        return {hostile(key): hostile(one) for key, one in value.items()}
    return value
