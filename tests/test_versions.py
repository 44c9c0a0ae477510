from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from pytest_ckptcompat import versions
from pytest_ckptcompat.config import Library


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Write an installed distribution and the packages that it lists."""

    def install(name, version, packages=()):
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text("".join(f"{p}/__init__.py,,\n" for p in packages))
        (info / "top_level.txt").write_text("\n".join(packages))
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(str(tmp_path))
    return install


@pytest.fixture
def module(monkeypatch):
    def make(name, **attributes):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**attributes))

    return make


def test_the_distribution_of_the_librarys_name_counts(site):
    site("some-layers", "1.2")
    assert versions.current(Library("some-layers")) == Version("1.2")


def test_the_distribution_may_have_another_name_than_the_import(site):
    site("some-layers", "1.3", ["othername"])
    library = Library("othername")
    assert versions.distribution_name(library) == "some-layers"
    assert versions.current(library) == Version("1.3")


def test_a_configured_distribution_counts(site):
    site("some-layers", "1.4")
    assert versions.current(Library("x", distribution="some-layers")) == Version("1.4")


def test_a_configured_distribution_that_is_missing_is_not_replaced_by_another(site, module):
    site("x", "1.4")
    module("x", __version__="1.5")
    assert versions.current(Library("x", distribution="missing-layers")) == Version("1.5")


def test_without_a_distribution_the_modules_own_version_counts(module):
    module("somelayers", __version__="3.1")
    assert versions.current(Library("somelayers")) == Version("3.1")


@pytest.mark.parametrize("value", ["2.5", Version("2.5"), lambda: "2.5"])
def test_a_configured_version_is_an_attribute_or_a_function(module, value):
    module("somelayers", about=SimpleNamespace(version=value))
    library = Library("somelayers", version="somelayers:about.version")
    assert versions.current(library) == Version("2.5")


@pytest.mark.parametrize(
    ("library", "said"),
    [
        (Library("missinglayers"), "nor a module 'missinglayers'"),
        (Library("unversioned"), "no installed distribution and no unversioned.__version__"),
        (Library("odd"), "gives the version 'master', which PEP 440 does not know"),
        (Library("odd", version="odd:version"), "version = 'odd:version' cannot be found"),
        (Library("odd", version="missinglayers:v"), "version = 'missinglayers:v' cannot be found"),
    ],
)
def test_a_version_that_cannot_be_told_is_an_error(module, library, said):
    module("unversioned")
    module("odd", __version__="master")
    with pytest.raises(versions.VersionError, match=said):
        versions.current(library)


@pytest.mark.parametrize(
    "version",
    [
        "0",
        "0.0",
        "0.0.0",
        "0.0.0.dev0",
        "0.0.0.post1.dev0+abc",
        "0+unknown",
        "0+untagged.3.gabc",
        "1.0+unknown",
        "0.1.dev1+gabc1234",
        "0.1.0.dev345+g1a2b3c4.d20260101",
    ],
)
def test_a_builds_fallback_is_not_believed(version):
    assert versions.is_fallback(Version(version))


@pytest.mark.parametrize(
    "version", ["0.0.1", "0.1", "0.1.0", "0.1.dev1", "0.1rc1", "0.2.dev1+gabc", "1.0", "1.0+cu121"]
)
def test_a_real_version_is_believed(version):
    assert not versions.is_fallback(Version(version))


@pytest.mark.parametrize(
    ("version", "unreleased"),
    [("1.0", False), ("1.0rc1", False), ("1.0.post1", False), ("1.0.dev1", True), ("1+x", True)],
)
def test_what_is_no_release(version, unreleased):
    assert versions.is_unreleased(Version(version)) == unreleased


@given(st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc[0-9])?", fullmatch=True))
def test_a_bare_version_selects_itself_alone(text):
    spec = versions.specifier(text)
    assert spec.contains(text)
    assert not spec.contains(f"{text}.post1")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1,<2", ["1.0", "1.9rc1"], ["0.9", "2.0"]),
        ("==1.*", ["1.0", "1.7"], ["2.0"]),
        ("!=1.0", ["1.1"], ["1.0"]),
        ("", ["0.1", "7", "1.0rc1"], []),
    ],
)
def test_a_specifier_selects_by_pep_440_with_prereleases(text, inside, outside):
    spec = versions.specifier(text)
    assert [v for v in (*inside, *outside) if spec.contains(v)] == inside


@pytest.mark.parametrize("text", ["newest", "1.0 - 2.0", ">=x", "1.*"])
def test_a_bad_specifier_is_refused(text):
    with pytest.raises(versions.VersionError, match="is not a version specifier: write"):
        versions.specifier(text)
