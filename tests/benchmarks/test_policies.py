"""What other policies would make of incidents, counted from findings."""

from __future__ import annotations

import json

from benchmarks.incidents.policies import main, tally


def finding(stage="fields", kind="added", fate="handled", verdict="note"):
    return {"stage": stage, "kind": kind, "fate": fate, "verdict": verdict}


def case(name, expected, *findings, outcome="caught"):
    tests = [{"result": {"findings": list(findings)}}, {"result": None}]
    return {"case": name, "expected": expected, "outcome": outcome, "tests": tests}


CASES = [
    case("a", "break", finding("load", "raised", "broken", "fail")),
    case("b", "break", finding("forward", "output", "broken", "fail"), finding()),
    case("c", "break", finding(kind="removed", fate="lost", verdict="ack")),
    case("d", "compatible", finding()),
    case("e", "compatible", finding("forward", "shifted", "shifted", "note")),
    case("f", "break", outcome="could not run"),
]


def test_each_policy_is_counted_over_what_ran():
    found = {policy: (c["caught"], c["alarms"]) for policy, c in tally(CASES).items()}
    assert found == {
        "the defaults": (3, 0),
        "any drift fails, handled or not": (3, 1),
        "what is added fails": (3, 1),
        "what is lost or ignored passes": (2, 0),
        "outputs that are shifted fail": (3, 1),
        "only a load that raises fails": (1, 0),
        "only a load that raises, or wrong outputs, fail": (2, 0),
    }


def test_a_table_is_printed_from_files(tmp_path, capsys):
    file = tmp_path / "found.json"
    file.write_text(json.dumps({"cases": CASES}))
    main([str(file)])
    assert "| the defaults | 3 of 3 | 0 of 2 |" in capsys.readouterr().out
