"""Which version runs, and which goldens it is answerable for."""

from __future__ import annotations

import pytest
from layerlib import DENSE, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"


def test_newer_goldens_are_left_out_and_counted(library):
    library.released("1.0.0", "1.1.0")
    library.install("1.0.0")
    result = library.run("-rA")
    assert outcomes(result) == {"test_dense[1.0.0-state]": "passed", INTEGRITY: "passed"}
    result.stdout.fnmatch_lines(["mylayers 1.0.0: 1 passed, 1 newer golden* left out*"])


def test_several_newer_goldens_are_counted_by_recipe(library):
    library.released("1.0.0", "1.1.0", "1.2.0")
    library.install("1.0.0")
    library.run().stdout.fnmatch_lines(["mylayers 1.0.0: 1 passed, 2 newer goldens left out*"])


def test_a_run_in_which_every_golden_is_newer_fails(library):
    library.released("1.0.0", "1.1.0")
    library.install("0.9.0")
    result = library.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*every golden of mylayers is newer than the current version 0.9.0*1.0.0, 1.1.0*"]
    )


def test_a_development_version_is_answerable_for_its_predecessors(library):
    library.released("1.0.0")
    library.install("1.1.0.dev3+g1234567")
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "passed"


def test_a_development_version_of_a_release_is_older_than_it(library):
    library.released("1.0.0", "1.1.0")
    library.install("1.1.0.dev3")
    assert "test_dense[1.1.0-state]" not in outcomes(library.run("-rA"))


@pytest.mark.parametrize("version", ["0.0.0", "0", "0+unknown", "0.1.dev1+gabc1234"])
def test_a_fallback_version_fails_with_a_sentence(library, version):
    library.released("1.0.0")
    library.install(version)
    result = library.run()
    assert result.ret == 1
    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines([f"*'{version}', which looks like the fallback of a build*"])


def test_a_version_that_is_none_fails_with_a_sentence(library):
    library.released("1.0.0")
    library.install("latest", distribution=False)
    result = library.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*mylayers.__version__ gives the version 'latest', which PEP 440*"]
    )


def test_a_library_that_is_not_installed_fails_with_a_sentence(library):
    library.released("1.0.0")
    library.configure('library = "other"')
    result = library.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*neither an installed distribution nor a module 'other'*"])


def test_a_configured_version_counts_before_the_distributions(library):
    library.released("1.0.0", "1.1.0")
    library.configure('library = "mylayers"\nversion = "mylayers:release"')
    library.install("1.1.0", 'release = "1.0.0"\n' + DENSE)
    library.run().stdout.fnmatch_lines(["mylayers 1.0.0: 1 passed, 1 newer golden* left out*"])


def test_the_modules_own_version_counts_where_nothing_is_installed(library):
    library.released("1.0.0")
    library.install("1.4.0", distribution=False)
    library.run().stdout.fnmatch_lines(["mylayers 1.4.0: 1 passed*"])
