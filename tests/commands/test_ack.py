"""``ckptcompat ack``: what fails now becomes entries of the ledger, whose reasons people write."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layerlib import DENSE, DENSE_DROPPING, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE, RECIPES, outcomes
from packaging.specifiers import SpecifierSet

from pytest_ckptcompat.commands import entries
from pytest_ckptcompat.policy import Fate, Finding, Verdict
from pytest_ckptcompat.report.result import Result

TWO = (
    RECIPES
    + """
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_wide():
    return mylayers.Dense(3, 4)
"""
)


@pytest.fixture
def breaking(library):
    """The strict loader of the current 1.1.0 takes no golden of ``dense`` and ``wide``."""
    library.released("0.9.0", "1.0.0", recipes=TWO)
    library.install("1.1.0", DENSE_WITH_SCALE)
    return library


@pytest.fixture
def dropping(library):
    """The loader of the current 1.1.0 drops ``slope``, with which outputs are right."""
    library.released("1.0.0")
    library.install("1.1.0", DENSE_DROPPING)
    return library


def ledger(library):
    return tomllib.loads((library.golden / "ledger.toml").read_text(encoding="utf-8"))


def give_reasons(library):
    path = library.golden / "ledger.toml"
    path.write_text(path.read_text().replace('reason = ""', 'reason = "2.0 says so"'))


def test_a_break_becomes_one_waiver_for_all_versions(breaking, ckptcompat):
    said = ckptcompat("ack", "dense", "--waive")
    assert said.code == 0, said
    assert ledger(breaking) == {
        "waive": [
            {
                "recipe": "dense",
                "path": "scale",
                "kind": "added",
                "versions": "<=1.0.0",
                "reason": "",
            }
        ]
    }
    assert "Write the reasons" in said.out


def test_without_names_every_recipe_is_meant(breaking, ckptcompat):
    ckptcompat("ack", "--waive")
    assert [entry["recipe"] for entry in ledger(breaking)["waive"]] == ["dense", "wide"]


def test_machines_get_what_was_added_and_what_is_left(breaking, ckptcompat):
    told = json.loads(ckptcompat("ack", "dense", "--waive", "--json").out)
    ((file, (entry,)),) = told["added"].items()
    assert file == str(breaking.golden / "ledger.toml")
    assert (entry["section"], entry["recipe"], entry["path"]) == ("waive", "dense", "scale")
    assert told["not_in_the_ledger"] == []


def test_a_pattern_names_recipes(breaking, ckptcompat):
    ckptcompat("ack", "w*", "--waive")
    assert [entry["recipe"] for entry in ledger(breaking)["waive"]] == ["wide"]


def test_the_next_run_fails_until_a_reason_is_written(breaking, ckptcompat):
    ckptcompat("ack", "--waive")
    result = breaking.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no. 1 of *ledger.toml has no reason: write reason = *"])


def test_with_reasons_the_next_run_passes(breaking, ckptcompat):
    ckptcompat("ack", "--waive")
    give_reasons(breaking)
    result = breaking.run("-rA")
    assert result.ret == 0, result.stdout.str()
    assert set(outcomes(result).values()) == {"xfail", "passed"}


def test_only_the_versions_that_break_are_waived(library, ckptcompat):
    library.released("0.8.0", "0.9.0")
    library.install("1.0.0", DENSE_WITH_SCALE)
    library.record()
    ckptcompat("ack", "--waive")
    assert ledger(library)["waive"][0]["versions"] == "<=0.9.0"
    give_reasons(library)
    assert library.run().ret == 0


def test_outputs_that_changed_are_waived_by_their_kind(library, ckptcompat):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_OTHER_OUTPUTS)
    ckptcompat("ack", "--waive")
    assert [entry["kind"] for entry in ledger(library)["waive"]] == ["output"]
    give_reasons(library)
    assert library.run().ret == 0


def test_a_loader_that_raises_without_drift_is_waived(library, ckptcompat):
    library.released("1.0.0")
    library.install("1.1.0", DENSE.replace("if list(state) !=", "if True or list(state) !="))
    ckptcompat("ack", "--waive")
    assert [entry["kind"] for entry in ledger(library)["waive"]] == ["raised"]
    give_reasons(library)
    assert library.run().ret == 0


def test_a_loss_is_acknowledged(dropping, ckptcompat):
    said = ckptcompat("ack")
    assert said.code == 0, said
    (entry,) = ledger(dropping)["acknowledge"]
    assert (entry["path"], entry["kind"], entry["versions"]) == ("slope", "removed", "<=1.0.0")
    give_reasons(dropping)
    assert dropping.run().ret == 0


def test_a_break_is_not_acknowledged_but_named(breaking, ckptcompat):
    said = ckptcompat("ack", "dense")
    assert said.code == 1
    assert not (breaking.golden / "ledger.toml").exists()
    assert "dense breaks (ckptcompat ack dense --waive): 0.9.0-state, 1.0.0-state" in said.out


def test_nothing_is_written_twice(breaking, ckptcompat):
    ckptcompat("ack", "--waive")
    before = (breaking.golden / "ledger.toml").read_bytes()
    said = ckptcompat("ack", "--waive")
    assert said.code == 0
    assert "nothing fails that the ledger does not know of" in said.out
    assert "a reason is still to be written" in said.out
    assert (breaking.golden / "ledger.toml").read_bytes() == before


def test_a_second_recipe_can_be_added_before_reasons_are_written(breaking, ckptcompat):
    ckptcompat("ack", "dense", "--waive")
    ckptcompat("ack", "wide", "--waive")
    assert [entry["recipe"] for entry in ledger(breaking)["waive"]] == ["dense", "wide"]


def test_where_nothing_fails_no_ledger_comes(library, ckptcompat):
    library.released("1.0.0")
    said = ckptcompat("ack", "--waive")
    assert said.code == 0
    assert "nothing fails" in said.out
    assert not (library.golden / "ledger.toml").exists()


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_what_stands_in_the_ledger_stays_as_it_is(breaking, ckptcompat, newline):
    text = (
        "# why we keep this\n[[waive]] # one\nrecipe='wide'   # odd layout\nreason = \"π\"\n\n"
        '[[retire]]\nrecipe="old"\nreason="gone"\n# trailing\n[[waive]]\nrecipe="x"\nreason="y"'
    ).replace("\n", newline)
    path = breaking.golden / "ledger.toml"
    path.write_bytes(text.encode())
    ckptcompat("ack", "--waive")
    after = path.read_bytes().decode()
    assert after.startswith(text + newline)
    assert after.count("\n") == after.count(newline)
    assert [e["recipe"] for e in ledger(breaking)["waive"]] == ["wide", "x", "dense"]


def test_a_ledger_of_inline_tables_is_refused_in_a_sentence(breaking, ckptcompat):
    text = 'waive = [{recipe = "wide", reason = "x"}]\n'
    breaking.ledger(text)
    said = ckptcompat("ack", "--waive")
    assert said.code == 2
    assert "write each entry under [[waive]]" in said.err
    assert (breaking.golden / "ledger.toml").read_text() == text


def test_a_ledger_that_is_not_valid_is_told(breaking, ckptcompat):
    breaking.ledger("[[waive]\n")
    said = ckptcompat("ack", "--waive")
    assert said.code == 2
    assert f"{breaking.golden / 'ledger.toml'} is not valid TOML" in said.err


def test_a_mistyped_recipe_is_suggested(breaking, ckptcompat):
    said = ckptcompat("ack", "dence", "--waive")
    assert said.code == 2
    assert "no recipe is named 'dence'; did you mean 'dense'?" in said.err


def test_a_recipe_that_raises_is_not_passed_over(library, ckptcompat):
    library.released("1.0.0")
    library.recipe("raise RuntimeError('no')")
    said = ckptcompat("ack", "--waive")
    assert said.code == 1
    assert "test_recipes.py::test_dense[1.0.0-state] fails before" in said.out


def test_a_golden_that_cannot_be_read_is_not_waived(library, ckptcompat):
    library.released("1.0.0")
    (library.golden / "1.0.0" / "dense.h5").write_bytes(b"x")
    said = ckptcompat("ack", "--waive")
    assert said.code == 1
    assert "dense fails for a reason that no entry settles: 1.0.0-state" in said.out
    assert not (library.golden / "ledger.toml").exists()


def test_a_test_that_is_marked_xfail_is_no_failure(library, ckptcompat):
    library.released("1.0.0")
    library.recipes(RECIPES.replace("@pytest.mark.ckpt", "@pytest.mark.xfail\n@pytest.mark.ckpt"))
    library.install("1.1.0", DENSE_WITH_SCALE)
    assert ckptcompat("ack", "--waive").code == 0
    assert not (library.golden / "ledger.toml").exists()


def test_a_file_that_cannot_be_collected_is_told(breaking, ckptcompat):
    breaking.recipes("import nowhere", file="test_other.py")
    said = ckptcompat("ack", "--waive")
    assert said.code == 2
    assert "test_other.py: ModuleNotFoundError: No module named 'nowhere'" in said.err


def test_the_failure_names_the_command(breaking):
    result = breaking.run("-k", "dense")
    result.stdout.fnmatch_lines(
        ["  If the break is meant, record it with a reason: ckptcompat ack dense --waive"]
    )


def test_the_failure_of_a_loss_names_the_command(dropping):
    dropping.run().stdout.fnmatch_lines(
        ["  If the loss is meant, record it with a reason: ckptcompat ack dense"]
    )


# Entries


def result(version, route="state", *, fails, path="scale", recipe="dense"):
    finding = Finding("fields", "added", path, Fate.BROKEN, Verdict.FAIL, "")
    findings = (finding,) if fails else ()
    return Result("lib", recipe, "9", "failed", version, route, findings)


VERSIONS = st.sampled_from(
    ["0.9", "1.0rc1", "1.0", "1.0+cpu", "1.0.post1", "1.1.dev2", "1.1", "1.10", "2.0", "1!0.1"]
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(VERSIONS, st.booleans(), min_size=1))
def test_specifiers_select_what_fails_and_nothing_else(fails):
    some = {version for version, fail in fails.items() if fail}
    sets = [SpecifierSet(text) for text in entries.specifiers(some, set(fails))]
    for version, fail in fails.items():
        assert sum(one.contains(version, prereleases=True) for one in sets) == int(fail)


@pytest.mark.parametrize(
    ("some", "wanted"),
    [
        ({"0.9", "1.0"}, ["<=1.0"]),
        ({"0.9", "1.0", "1.1", "1.2"}, ["<=1.2"]),
        ({"1.0"}, ["==1.0"]),
        ({"1.0", "1.1"}, [">=1.0,<=1.1"]),
        ({"0.9", "1.1"}, ["<=0.9", "==1.1"]),
        (set(), []),
    ],
    ids=["the first", "all", "one", "a span", "two apart", "none"],
)
def test_neighbouring_versions_share_a_specifier(some, wanted):
    assert entries.specifiers(some, {"0.9", "1.0", "1.1", "1.2"}) == wanted


def test_a_route_is_named_where_another_route_passes():
    results = [
        result("1.0", "h5", fails=True),
        result("1.0", "state", fails=False),
        result("1.1", "h5", fails=True),
    ]
    (entry,) = entries.entries(results, "waive")
    assert (entry.route, entry.versions) == ("h5", "<=1.1")


def test_no_route_is_named_where_every_route_fails():
    results = [result("1.0", "h5", fails=True), result("1.0", "state", fails=True)]
    (entry,) = entries.entries(results, "waive")
    assert (entry.route, entry.versions) == ("", "<=1.0")


def test_each_path_has_an_entry():
    results = [result("1.0", fails=True), result("1.0", "h5", fails=True, path="other")]
    assert {entry.path for entry in entries.entries(results, "waive")} == {"scale", "other"}


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_comes_through_toml(name):
    entry = entries.NewEntry("waive", "r", "", "added", name)
    (read,) = tomllib.loads(entry.toml())["waive"]
    assert read == {"recipe": "r", "kind": "added", "versions": name, "reason": ""}


def test_a_name_with_a_patterns_characters_means_itself():
    (entry,) = entries.entries([result("1.0", fails=True, recipe="dense[a*]")], "waive")
    assert 'recipe = "dense[[]a[*]]"' in entry.toml()
