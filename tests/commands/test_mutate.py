"""``ckptcompat mutate``: processes of its own, what they write, and how it ends."""

from __future__ import annotations

import json

import pytest
from layerlib import DENSE

from pytest_ckptcompat.lock import locked

TWO = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_wide():
    return mylayers.Dense(3, 4)
"""
#: The order of its fields does not matter.
BY_NAME = DENSE.replace("if list(state) != list(vars(self))", "if set(state) != set(vars(self))")


@pytest.fixture
def project(library):
    return library.released("1.0.0", "1.1.0", source=BY_NAME, recipes=TWO)


def test_every_golden_is_tried_by_processes_that_share_them(project, ckptcompat):
    said = ckptcompat("mutate", "--jobs", "2", "--json")
    (result,) = json.loads(said.out)
    assert said.code == 1
    assert (result["library"], result["current"], result["goldens"]) == ("mylayers", "1.1.0", 4)
    assert result["noticed"] == result["total"] - 4
    assert [(s["mutation"], s["recipe"], s["versions"]) for s in result["survivors"]] == [
        ("reorder", recipe, ["1.0.0", "1.1.0"]) for recipe in ("dense", "wide")
    ]
    assert "[4/4] goldens" in said.err
    assert not (project.root / ".ckptcompat_cache" / "mutations").exists()


def test_recipes_and_releases_can_be_chosen(project, ckptcompat):
    said = ckptcompat("mutate", "d*", "--version", ">1.0", "--jobs", "1")
    assert said.code == 1
    assert "; 1 golden\n" in said.out
    assert "`(root)` of dense (1.1.0), reorder, of a dict: no check notices" in said.out


def test_what_is_explained_ends_well_and_is_published(project, ckptcompat, tmp_path):
    text = '[[equivalent]]\nmutation = "reorder"\nreason = "by name"\n'
    (project.golden / "mutation.toml").write_text(text)
    file = tmp_path / "mutation.md"
    file.write_text("# Ours\n")
    for _ in range(2):
        assert ckptcompat("mutate", "dense", "--jobs", "1", "--markdown", file).code == 0
    lines = file.read_text().splitlines()
    assert lines[:3] == ["# Ours", "", "<!-- mutations of mylayers -->"]
    assert sum("mutations noticed (100.0%)" in line for line in lines) == 1
    assert lines[-1] == "<!-- end of mylayers -->"


def test_a_run_that_was_stopped_goes_on(project, ckptcompat):
    folder = project.root / ".ckptcompat_cache" / "mutations"
    first = json.loads(ckptcompat("mutate", "--jobs", "1", "--json").out)
    assert "no run that was stopped" in ckptcompat("mutate", "--resume").err

    def stopped():
        """As a process leaves it that was killed while it wrote about its second golden."""
        project.run("--ckpt-mutate", "-k", "dense and 1.0.0")
        folder.mkdir(parents=True, exist_ok=True)
        task = {"root": str(project.root), "recipes": [], "library": None, "versions": ""}
        (folder / "task.json").write_text(json.dumps({**task, "limit": 64}))
        kept = (project.root / "kept.json").read_text()
        (folder / "0.jsonl").write_text(f'{{"goldens": 4}}\n{{"tried": {kept}}}\n{{"tried": {{"li')

    (project.root / "conftest.py").write_text(KEEPER)
    stopped()
    assert "leave out --resume" in ckptcompat("mutate", "dense", "--resume").err
    said = ckptcompat("mutate", "--jobs", "1", "--json", "--resume")
    assert json.loads(said.out) == first, said.err
    assert "[1/4]" in said.err
    assert "[0/4]" not in said.err
    stopped()
    said = ckptcompat("mutate", "--jobs", "1", "--json")
    assert json.loads(said.out) == first, said.err
    assert "a run that was stopped is begun anew" in said.err
    assert "[0/4]" in said.err


def test_a_second_run_in_a_project_is_refused_while_the_first_is_at_work(project, ckptcompat):
    folder = project.root / ".ckptcompat_cache"
    folder.mkdir(exist_ok=True)
    with locked(folder):
        said = ckptcompat("mutate", "dense")
    assert said.code == 2
    assert f"another process is at work in {folder} (process " in said.err
    assert ckptcompat("mutate", "dense", "--jobs", "1").code == 1


#: Keeps what a process would write about its last golden.
KEEPER = """
import pathlib

def pytest_runtest_logreport(report):
    if hasattr(report, "ckptcompat_mutations"):
        pathlib.Path("kept.json").write_text(report.ckptcompat_mutations)
"""


def test_a_golden_that_was_recorded_anew_is_tried_again(project, ckptcompat):
    (project.root / "conftest.py").write_text(KEEPER)
    project.run("--ckpt-mutate", "-k", "dense and 1.0.0")
    kept = json.loads((project.root / "kept.json").read_text())
    folder = project.root / ".ckptcompat_cache" / "mutations"
    folder.mkdir(parents=True)
    task = {"root": str(project.root), "recipes": [], "library": None, "versions": "", "limit": 64}
    (folder / "task.json").write_text(json.dumps(task))
    other = {**kept, "golden": "0" * 64}
    (folder / "0.jsonl").write_text(json.dumps({"tried": other}) + "\n")
    (result,) = json.loads(ckptcompat("mutate", "--jobs", "1", "--json", "--resume").out)
    assert result["goldens"] == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--jobs", "0"], "--jobs 0 tries nothing"),
        (["--limit", "-1"], "--limit -1 tries nothing"),
        (["nonsense"], "no golden of nonsense was found; recipes with goldens: dense, wide"),
        (["--version", "newest"], "--ckpt-version: "),
        (["--library", "other"], "no library of that name is known here"),
    ],
)
def test_misuse_is_told_in_a_sentence(project, ckptcompat, arguments, said):
    result = ckptcompat("mutate", *arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_a_golden_that_fails_as_it_is_is_told(project, ckptcompat):
    project.install("1.2.0", BY_NAME.replace("return self.slope *", "return 2 * self.slope *"))
    said = ckptcompat("mutate", "--jobs", "1")
    assert said.code == 1
    assert "not judged, 4 goldens of dense, wide: it fails as it is" in said.out
