"""Installations from which nothing is recorded, and recordings that die."""

from __future__ import annotations

import json
import shutil

import pytest
from layerlib import DENSE


def assert_refused(result, library, line):
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (result.stderr if result.stderr.lines else result.stdout).fnmatch_lines([line])
    assert not library.golden.exists()


def test_under_xdist(library):
    pytest.importorskip("xdist")
    library.recipe()
    library.install()
    result = library.run_apart("-p", "xdist", "-n", "2", "--ckpt-record")
    assert_refused(result, library, "ERROR: --ckpt-record cannot run under xdist, since *-n0*")


@pytest.mark.parametrize("version", ["1.1.0.dev3", "1.1.0+local", "1.1.0.dev3+g12ab.d2024"])
def test_a_version_that_is_no_release(library, version):
    library.recipe()
    library.install(version)
    result = library.run("--ckpt-record")
    assert_refused(result, library, f"ERROR: mylayers {version} is not a release *install the *")


def test_an_editable_install(library):
    library.recipe()
    site = library.install()
    origin = {"url": "file:///somewhere", "dir_info": {"editable": True}}
    path = site / "mylayers-1.0.0.dist-info" / "direct_url.json"
    path.write_text(json.dumps(origin), encoding="utf-8")
    result = library.run("--ckpt-record")
    assert_refused(result, library, "ERROR: mylayers 1.0.0 is an editable install, *")


def test_an_install_from_a_local_folder_that_is_not_editable_is_recorded(library):
    library.recipe()
    site = library.install()
    path = site / "mylayers-1.0.0.dist-info" / "direct_url.json"
    path.write_text('{"url": "file:///somewhere", "dir_info": {}}', encoding="utf-8")
    library.record()


def test_a_checkout_that_shadows_the_installed_release(library, monkeypatch):
    library.recipe()
    library.install("1.0.0")
    checkout = library.root / "mylayers" / "__init__.py"
    checkout.parent.mkdir()
    checkout.write_text(f'__version__ = "2.0.0"\n{DENSE}', encoding="utf-8")
    monkeypatch.syspath_prepend(str(library.root))
    result = library.run("--ckpt-record")
    assert_refused(
        result,
        library,
        "ERROR: mylayers is imported from */mylayers/__init__.py, which is not a file of the "
        "installed mylayers 1.0.0: a checkout shadows it*",
    )


def test_a_library_that_says_another_version_than_its_distribution(library):
    library.configure('library = "mylayers"\nversion = "mylayers:__version__"')
    library.recipe()
    site = library.install("1.0.0")
    package = site / "mylayers" / "__init__.py"
    package.write_text(package.read_text().replace("1.0.0", "2.0.0"))
    result = library.run("--ckpt-record")
    assert_refused(
        result,
        library,
        "ERROR: mylayers says that it is 2.0.0, but the installed mylayers is 1.0.0*",
    )


def test_a_library_that_is_no_distribution(library):
    library.recipe()
    library.install(distribution=False)
    result = library.run("--ckpt-record")
    assert_refused(result, library, "ERROR: mylayers is not an installed distribution, *")


def test_a_configured_distribution_that_is_not_there(library):
    library.configure('library = "mylayers"\ndistribution = "no-such-layers"')
    library.recipe()
    library.install()
    result = library.run("--ckpt-record")
    assert_refused(
        result, library, "ERROR: the distribution no-such-layers of mylayers is not installed*"
    )


def test_what_is_no_release_is_recorded_when_allowed_and_the_manifest_says_so(library):
    library.recipe()
    library.install("1.1.0.dev3")
    library.record("--ckpt-allow-unreleased")
    about = library.manifest("1.1.0.dev3")["provenance"]
    assert "is not a release" in about["unreleased"]


def test_a_release_that_is_recorded_with_leave_is_still_a_release(library):
    library.recipe()
    library.install("1.0.0")
    library.record("--ckpt-allow-unreleased")
    assert library.manifest()["provenance"].get("unreleased") is None


DIES = """
import os
from pathlib import Path

replace, counted = Path.replace, []

def dying(self, target):
    counted.append(target)
    if len(counted) == {count}:
        os._exit(9)
    return replace(self, target)

Path.replace = dying
"""


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_killed_recording_leaves_what_was_and_the_next_one_succeeds(library, count):
    library.released("1.0.0")
    goldens = {name: data for name, data in library.bytes().items() if name.endswith(".h5")}
    manifest = library.manifest()
    library.recipes(
        (library.root / "test_recipes.py").read_text()
        + "\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\n"
        "def test_other():\n    return mylayers.Dense(seed=2)\n"
    )
    conftest = library.root / "conftest.py"
    conftest.write_text(DIES.format(count=count))
    assert library.run_apart("--ckpt-record").ret == 9
    for name, data in goldens.items():
        assert library.bytes()[name] == data
    assert library.manifest() == manifest or sorted(library.manifest()["goldens"]) == [
        "dense",
        "other",
    ]
    conftest.unlink()
    library.record()
    assert sorted(library.manifest()["goldens"]) == ["dense", "other"]
    library.run().assert_outcomes(passed=3)


def test_a_recording_killed_at_the_first_golden_of_all_leaves_none(library):
    library.recipe()
    library.install()
    conftest = library.root / "conftest.py"
    conftest.write_text(DIES.format(count=1))
    assert library.run_apart("--ckpt-record").ret == 9
    conftest.unlink()
    shutil.rmtree(library.root / "__pycache__", ignore_errors=True)
    assert not list(library.golden.rglob("manifest.json"))
    library.record()
    library.run().assert_outcomes(passed=2)
