"""``ckptcompat missing`` and ``fail-on-missing``: released versions without goldens."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layerlib import RECIPES, outcomes
from packaging.version import Version

from pytest_ckptcompat.recording import releases

INTEGRITY = "ckptcompat_integrity_mylayers"
LONG_AGO = "2020-01-02T00:00:00+00:00"
TWO = (
    RECIPES
    + """
@pytest.mark.ckptcompat(inputs=[(3, 5)], since="1.1")
def test_wide():
    return mylayers.Dense(3, 4)
"""
)


@pytest.fixture
def tag(git, monkeypatch):
    """Tag the current commit, long ago unless told otherwise."""

    def tag(*names, date=LONG_AGO):
        monkeypatch.setenv("GIT_COMMITTER_DATE", date)
        for name in names:
            git("tag", "-a", name, "-m", name)

    return tag


@pytest.fixture
def released(library, git):
    """The golden ``dense`` of 1.0.0, committed; 1.2.0 is installed."""
    library.released("1.0.0")
    library.install("1.2.0")
    git.commit()
    return library


def today(days=0):
    return (dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=days)).isoformat(timespec="seconds")


def missing(said):
    """The missing recipes by version, of a run with ``--json``."""
    told = json.loads(said.out)["mylayers"]["missing"]
    return {gap["version"]: gap["recipes"] for gap in told}


# Git tags


def test_nothing_is_missing_where_each_tag_has_goldens(released, tag, ckptcompat):
    tag("v1.0.0")
    said = ckptcompat("missing")
    assert said.code == 0, said
    assert "nothing is missing" in said.out


def test_a_tag_without_goldens_is_missing(released, tag, ckptcompat):
    tag("v1.0.0", "v1.1.0")
    said = ckptcompat("missing")
    assert said.code == 1
    assert "  1.1.0 has no golden of all recipes\n" in said.out
    assert "pip install mylayers==1.1.0, then pytest --ckpt-record" in said.out


@pytest.mark.parametrize("name", ["v1.1.0", "1.1.0", "v1.1"])
def test_tags_are_versions_with_or_without_v(released, tag, ckptcompat, name):
    tag("v1.0.0", name)
    assert list(missing(ckptcompat("missing", "--json"))) == [str(Version(name))]


def test_other_tags_are_no_releases(released, tag, ckptcompat):
    tag("v1.0.0", "nightly", "docs-1.1.0", "v-next", "version1.1.0")
    assert ckptcompat("missing").code == 0


def test_the_form_of_tags_can_be_configured(released, tag, ckptcompat):
    released.configure('library = "mylayers"\ntags = "mylayers-{version}"')
    tag("mylayers-1.0.0", "mylayers-1.1.0", "v1.0.5", "other-1.0.7")
    assert missing(ckptcompat("missing", "--json")) == {"1.1.0": ["dense"]}


def test_a_recipe_is_asked_for_from_its_since(library, git, tag, ckptcompat):
    library.released("1.0.0", recipes=TWO)
    library.install(
        "1.2.0",
    )
    git.commit()
    tag("v0.9.0", "v1.0.0", "v1.1.0", "v1.2.0")
    assert missing(ckptcompat("missing", "--json")) == {
        "0.9.0": ["dense"],
        "1.1.0": ["dense", "wide"],
        "1.2.0": ["dense", "wide"],
    }


def test_a_library_can_begin_with_a_version(released, tag, ckptcompat):
    released.configure('library = "mylayers"\nsince = "1.0"')
    tag("v0.9.0", "v1.0.0")
    assert ckptcompat("missing").code == 0


def test_prereleases_are_not_asked_for(released, tag, ckptcompat):
    tag("v1.0.0", "v1.1.0rc1", "v1.1.0a2", "v1.1.0.dev3")
    assert ckptcompat("missing").code == 0


def test_versions_newer_than_the_current_one_are_left_out_and_named(released, tag, ckptcompat):
    tag("v1.0.0", "v2.0.0")
    said = ckptcompat("missing")
    assert said.code == 0
    assert "newer than 1.2.0, and left out: 2.0.0" in said.out


def test_what_a_recording_refused_is_not_missing(released, tag, ckptcompat):
    manifest = released.golden / "1.0.0" / "manifest.json"
    data = json.loads(manifest.read_text())
    data["refused"]["wide"] = "no such layer"
    manifest.write_text(json.dumps(data))
    released.recipes(TWO.replace(', since="1.1"', ""))
    tag("v1.0.0")
    said = ckptcompat("missing")
    assert said.code == 0
    assert "1.0.0 could not record wide: no such layer" in said.out


def test_a_golden_of_no_release_fails(released, tag, ckptcompat):
    tag("v0.9.0", "v1.1.0")
    said = ckptcompat("missing")
    assert said.code == 1
    assert "1.0.0 has goldens, but was never released" in said.out


def test_a_golden_that_awaits_its_release_is_no_problem(released, tag, ckptcompat):
    released.record()
    released.configure('library = "mylayers"\nsince = "1.0"')
    tag("v1.0.0")
    assert ckptcompat("missing").code == 0


def test_a_new_release_has_a_grace_period(released, tag, ckptcompat):
    tag("v1.0.0")
    tag("v1.1.0", date=today(days=3))
    said = ckptcompat("missing")
    assert said.code == 0
    assert "1.1.0 has no golden of all recipes (within the grace of 14 days)" in said.out


def test_the_grace_period_ends(released, tag, ckptcompat):
    tag("v1.0.0")
    tag("v1.1.0", date=today(days=15))
    assert ckptcompat("missing").code == 1


def test_the_grace_period_can_be_configured(released, tag, ckptcompat):
    released.configure('library = "mylayers"\ngrace = "2 days"')
    tag("v1.0.0")
    tag("v1.1.0", date=today(days=3))
    assert ckptcompat("missing").code == 1


@pytest.mark.parametrize(
    "line",
    [
        'grace = "soon"',
        'releases = "pypi"',
        'tags = "v1"',
        'since = "first"',
        "fail-on-missing = 1",
    ],
)
def test_a_bad_configuration_is_told(released, ckptcompat, line):
    released.configure(f'library = "mylayers"\n{line}')
    said = ckptcompat("missing")
    assert said.code == 2
    assert line.split(" ")[0] in said.err


def test_tags_that_were_not_fetched_are_told(released, ckptcompat):
    said = ckptcompat("missing")
    assert said.code == 2
    assert "no tag such as v1.2.3. Fetch the tags (git fetch --tags" in said.err


def test_a_shallow_clone_that_lacks_tags_is_told(
    released, git, tag, ckptcompat, monkeypatch, tmp_path
):
    tag("v1.0.0")
    git("commit", "-q", "--allow-empty", "-m", "second")
    tag("v1.1.0")
    clone = tmp_path / "clone"
    url = released.root.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, str(clone)], check=True)
    monkeypatch.chdir(clone)
    said = ckptcompat("missing")
    assert said.code == 2
    assert "a shallow clone, has no tag of 1.0.0" in said.err


def test_a_project_outside_of_git_is_told(library, ckptcompat, monkeypatch):
    library.released("1.0.0")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(library.root.parent))
    said = ckptcompat("missing")
    assert said.code == 2
    assert 'in no git repository. With releases = "index"' in said.err


def test_recipes_that_cannot_be_collected_are_told(released, tag, ckptcompat):
    tag("v1.0.0")
    released.recipes("import nowhere")
    said = ckptcompat("missing")
    assert said.code == 2
    assert "pytest cannot collect test_recipes.py" in said.err


# The integrity item


def test_by_default_the_tests_do_not_ask_for_tags(released):
    assert outcomes(released.run("-rA"))[INTEGRITY] == "passed"


@pytest.mark.parametrize(("days", "outcome"), [(3, "passed"), (15, "failed")])
def test_with_fail_on_missing_the_integrity_item_fails_after_the_grace(
    released, tag, days, outcome
):
    released.configure('library = "mylayers"\nfail-on-missing = true')
    tag("v1.0.0")
    tag("v1.1.0", date=today(days=days))
    result = released.run("-rA")
    assert outcomes(result)[INTEGRITY] == outcome
    if outcome == "failed":
        result.stdout.fnmatch_lines(
            ["- mylayers 1.1.0 was released, but has no golden of dense: *"]
        )


def test_with_fail_on_missing_tags_that_were_not_fetched_fail(released):
    released.configure('library = "mylayers"\nfail-on-missing = true')
    result = released.run("-rA")
    assert outcomes(result)[INTEGRITY] == "failed"
    result.stdout.fnmatch_lines(["*Fetch the tags*(fail-on-missing is set)"])


# The package index


class Index:
    """A package index on this machine. ``files`` are those of the distribution mylayers."""

    def __init__(self, monkeypatch):
        self.files = []
        self.asked = 0
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked += 1
                there = self.path == "/simple/mylayers/" and index.files is not None
                body = {"meta": {"api-version": "1.1"}, "name": "mylayers", "files": index.files}
                self.send_response(200 if there else 404)
                self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", self.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def upload(self, version, days=100, **more):
        name = f"mylayers-{version}.tar.gz"
        time = {} if days is None else {"upload-time": today(days).replace("+00:00", "Z")}
        self.files.append({"filename": name, "url": name, "hashes": {}, **time, **more})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def index(library, monkeypatch):
    """The golden ``dense`` of 1.0.0; 1.2.0 is installed; the index has 1.0.0 and 1.1.0."""
    library.configure('library = "mylayers"\nreleases = "index"\nfail-on-missing = true')
    library.released("1.0.0")
    library.install("1.2.0")
    found = Index(monkeypatch)
    found.upload("1.0.0")
    found.upload("1.1.0")
    yield found
    found.stop()


@pytest.fixture
def times_of_uploads():
    command = [sys.executable, "-m", "pip", "index", "versions", "--help"]
    said = subprocess.run(command, capture_output=True, check=False, text=True).stdout
    if "--uploaded-prior-to" not in said:
        pytest.skip("this pip is too old to tell when a release was uploaded")


@pytest.mark.usefixtures("times_of_uploads")
def test_the_index_is_asked_through_pips_configuration(index, ckptcompat):
    index.upload("1.1.5", yanked="broken")
    index.upload("1.2.0rc1")
    index.upload("1.2.0", days=3)
    said = ckptcompat("missing")
    assert said.code == 1
    assert "4 released versions by the package index" in said.out
    assert "  1.1.0 has no golden of all recipes\n" in said.out
    assert "  1.2.0 has no golden of all recipes (within the grace of 14 days)\n" in said.out
    assert "1.1.5" not in said.out
    assert "rc1" not in said.out


def test_an_index_that_tells_no_time_gives_no_grace(index, ckptcompat):
    index.files.clear()
    index.upload("1.1.0", days=None)
    said = ckptcompat("missing")
    assert said.code == 1
    assert "does not tell when mylayers was uploaded: nothing has grace" in said.out


@pytest.mark.usefixtures("times_of_uploads")
def test_a_golden_of_a_version_that_was_yanked_is_told_and_no_problem(index, ckptcompat):
    index.files.clear()
    index.upload("1.0.0", yanked="broken")
    index.upload("1.1.0", days=3)
    said = ckptcompat("missing")
    assert said.code == 0
    assert "1.0.0 has goldens, but was never released, or was yanked" in said.out


def test_offline_an_answer_that_was_kept_serves(index, ckptcompat, library):
    ckptcompat("missing")
    index.stop()
    said = ckptcompat("missing", "--json")
    assert said.code == 1
    assert missing(said) == {"1.1.0": ["dense"]}
    assert "this is the index's answer of" in json.loads(said.out)["mylayers"]["note"]
    assert (library.root / ".ckptcompat_cache" / ".gitignore").read_text() == "*\n"


def test_offline_without_an_answer_is_an_error(index, ckptcompat):
    index.stop()
    said = ckptcompat("missing")
    assert said.code == 2
    assert "which versions of mylayers were released is not known" in said.err
    assert "offline?" in said.err


def keep(library, **more):
    answer = {
        "asked": today(),
        "grace": 14 * 86400.0,
        "versions": ["1.0.0", "1.1.0"],
        "recent": [],
    }
    folder = library.root / ".ckptcompat_cache"
    folder.mkdir(exist_ok=True)
    (folder / "mylayers.json").write_text(json.dumps({**answer, **more}))


def test_the_tests_use_a_kept_answer_and_never_the_index(index, library):
    keep(library)
    result = library.run("-rA")
    assert outcomes(result)[INTEGRITY] == "failed"
    result.stdout.fnmatch_lines(["*mylayers 1.1.0 was released, but has no golden of dense*"])
    assert index.asked == 0


@pytest.mark.parametrize(
    "more",
    [{"asked": today(days=8)}, {"grace": 1.0}, {"versions": None}, {"asked": "now"}],
    ids=["old", "other grace", "no versions", "no date"],
)
def test_an_answer_that_is_no_good_does_not_serve(index, library, more):
    keep(library, **more)
    result = library.run("-rA")
    assert outcomes(result)[INTEGRITY] == "failed"
    result.stdout.fnmatch_lines(["*there is no answer of the package index from the last 7 days*"])


def test_where_pip_is_not_installed_uv_provides_it(
    index, ckptcompat, library, monkeypatch, tmp_path
):
    """With a uv that runs this environment's pip, as a real one would run its own."""
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    folder = tmp_path / "bin"
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(f'#!/bin/sh\nshift 4\nexec env -u PYTHONPATH "{sys.executable}" -m pip "$@"\n')
    uv.chmod(0o755)
    (tmp_path / "pip.py").write_text("raise SystemExit('No module named pip')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert missing(ckptcompat("missing", "--json")) == {"1.1.0": ["dense"]}


# Parsing


def test_the_listing_of_an_older_pip_is_read():
    text = "mylayers (1.10.0)\nAvailable versions: 1.10.0, 1.9.0\n  INSTALLED: 1.9.0\n"
    assert releases.parse_listing(text) == ["1.10.0", "1.9.0"]


def test_the_first_tag_of_a_version_counts():
    found = releases.parse_tags("v1.0\t200\n1.0.0\t100\n", releases.TAGS)
    assert found == {Version("1"): dt.datetime.fromtimestamp(100, tz=dt.UTC)}


@settings(deadline=None, max_examples=100)
@given(st.text(), st.sampled_from(["", "v", "lib-", "a+b("]))
def test_any_tag_is_a_version_or_none(tag, prefix):
    pattern = f"{prefix}{{version}}"
    for version in releases.parse_tags(f"{prefix}{tag}\t1", (pattern,)):
        assert version == Version(tag)
