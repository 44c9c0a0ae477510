"""The incident benchmark's runner: what it finds of cases, and that it cannot be fooled."""

from __future__ import annotations

import json

import pytest

BREAK = {"new": "2.0", "verdict": "break", "cause": ["scale"]}


def test_a_break_is_caught_and_a_compatible_change_is_right(cases, tmp_path):
    cases.add("added", **BREAK)
    cases.add("same")
    code, said = cases.run("--json", str(tmp_path / "found.json"))
    assert code == 0, said
    assert "1 of 1 breaks caught, 0 of 1 false alarms" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["added", "break", "caught", "state:", "load,", "fields", "yes"] in rows
    assert ["same", "compatible", "right"] in rows
    found = json.loads((tmp_path / "found.json").read_text())
    added, same = found["cases"]
    assert added["caught_by"] == {"state": ["load", "fields"]}
    assert (added["right"], added["named_the_cause"], same["right"]) == (True, True, True)
    assert "expected the fields" in added["tests"][0]["text"]


def test_a_break_that_nothing_notices_is_missed(cases):
    cases.add("same", verdict="break", cause=["scale"])
    code, said = cases.run()
    assert code == 1
    assert "0 of 1 breaks caught, 0 of 0 false alarms" in said
    assert "same: missed" in said


def test_a_failure_of_a_compatible_change_is_a_false_alarm_and_is_shown(cases):
    cases.add("other_outputs", new="3.0")
    code, said = cases.run()
    assert code == 1
    assert "0 of 0 breaks caught, 1 of 1 false alarms" in said
    assert "other_outputs: false alarm" in said
    assert "mylayers 1.0 -> 3.0 | dense | route state | BREAK" in said


def test_a_message_that_does_not_name_the_cause_is_not_right(cases):
    cases.add("added", **{**BREAK, "cause": ["outpad"]})
    code, said = cases.run()
    assert code == 1
    assert "1 of 1 breaks caught (0 with the cause named)" in said
    assert "no failure's text has 'outpad'" in said


def test_the_recipe_s_own_name_does_not_name_the_cause(cases):
    recipes = """
        import mylayers, pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_outpad():
            return mylayers.Dense()
    """
    cases.add("added", **{**BREAK, "cause": ["outpad"], "recipes": recipes})
    assert cases.run()[0] == 1


def test_a_recipe_that_cannot_be_imported_in_the_new_release_catches_nothing(cases):
    recipes = """
        import mylayers, pytest
        from importlib.metadata import version
        assert version("mylayers") == "1.0"

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            return mylayers.Dense()
    """
    cases.add("added", **BREAK, recipes=recipes)
    code, said = cases.run()
    assert code == 1
    assert "added: could not run" in said
    assert "0 of 1 breaks caught, 0 of 0 false alarms; 1 could not run" in said


def test_a_recipe_that_the_old_release_cannot_record_is_told_of(cases):
    recipes = """
        import mylayers, pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            return mylayers.Missing()
    """
    cases.add("added", **BREAK, recipes=recipes)
    code, said = cases.run()
    assert code == 1
    said = " ".join(said.split())
    assert "dense: AttributeError: module 'mylayers' has no attribute 'Missing'" in said


def test_a_route_of_the_case_that_was_not_tried_is_told_of(cases):
    cases.add("added", **BREAK, routes=["module"])
    code, said = cases.run()
    assert code == 1
    said = " ".join(said.split())
    assert "no golden was checked by it: give the recipe's mark routes=[...]" in said


def test_a_library_s_own_loader_is_a_route_of_the_configuration(cases):
    """The loader stands in a file of the case, which goes into both environments."""
    recipes = """
        import mylayers, pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)], routes=["lenient"])
        def test_dense():
            return mylayers.Dense()
    """
    folder = cases.add("added", new="2.0", recipes=recipes, routes=["lenient"])
    (folder / "loaders.py").write_text(
        "def lenient(layer, state):\n    vars(layer).update(state)\n"
    )
    with (folder / "case.toml").open("a") as file:
        file.write('[config]\nroutes.lenient.load = "loaders:lenient"\n')
    code, said = cases.run()
    assert code == 0, said


def test_requirements_that_cannot_be_had_are_named(cases):
    cases.add("lost", new="9.9")
    code, said = cases.run()
    assert code == 1
    assert "lost: could not run" in said
    assert "mylayers 9.9: there is no mylayers==9.9" in said


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"adapter": None}, "lacks 'adapter': every case needs it"),
        ({"verdict": "broken"}, "it is 'break' or 'compatible'"),
        ({"verdict": "break"}, "a break needs cause"),
        ({"cause": ["scale"]}, "a compatible case has none"),
        ({"old_requirements": ["numpy"]}, "does not pin mylayers: write mylayers==VERSION"),
        ({"old_requirements": ["mylayers = 1"]}, "old_requirements"),
        ({"adapter": 3}, "adapter in"),
        ({"python": "3.8"}, "unknown key 'python'"),
        ({"routes": ["state", 1]}, "has 1: it is a list of texts"),
    ],
)
def test_a_broken_case_is_told_in_a_sentence(cases, keys, expected):
    folder = cases.add("one", **keys)
    code, said = cases.run()
    assert code == 2
    assert said.startswith("incidents: ")
    assert expected in said
    assert str(folder) in said
    assert said.count("\n") == 1


def test_a_case_whose_configuration_is_not_taken_is_told_of_before_any_runs(cases):
    folder = cases.add("one")
    with (folder / "case.toml").open("a") as file:
        file.write('[config]\nverdict = "note"\n')
    code, said = cases.run()
    assert code == 2
    assert "unknown key 'verdict'" in said
    assert str(folder / "case.toml") in said


def test_toml_that_is_none_is_told_of(cases):
    (cases.add("one") / "case.toml").write_text("title = \n")
    code, said = cases.run()
    assert code == 2
    assert "case.toml cannot be read" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("sane",), "there is no case 'sane' in"),
        (("sane",), "did you mean 'same'?"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(cases, arguments, expected):
    cases.add("same")
    code, said = cases.run(*arguments)
    assert code == 2
    assert expected in said


def test_a_number_of_jobs_that_runs_nothing_is_refused(cases):
    with pytest.raises(SystemExit, match="2"):
        cases.run("--jobs", "0")


def test_a_folder_without_cases_is_told_of(cases):
    assert cases.run() == (
        2,
        f"incidents: {cases.folder} has no case: a case is a folder with case.toml and recipes\n",
    )
    cases.folder.rmdir()
    assert cases.run()[1].startswith(f"incidents: there is no folder {cases.folder}")


def test_a_report_that_cannot_be_written_is_told_of(cases, tmp_path):
    cases.add("same")
    code, said = cases.run("--json", str(tmp_path))
    assert code == 2
    assert "cannot be written" in said
