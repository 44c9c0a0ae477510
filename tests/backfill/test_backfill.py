"""Old releases recorded in environments of their own."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import time

import pytest

from pytest_ckptcompat import golden
from pytest_ckptcompat.recording import kit
from pytest_ckptcompat.store import Store

ONE = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()
"""

#: An adapter whose state has the weight alone, under a name of its own.
OURS = """
class Adapter:
    routes = ("state",)

    def carries_statics(self, route):
        return False

    def suffix(self, route):
        return None

    def seed(self, seed):
        pass

    def prepare(self, layer):
        return layer

    def state(self, layer):
        return {"ours": layer.weight}

    def load(self, layer, state, route):
        layer.weight = state["ours"]
        return layer

    def forward(self, layer, args, kwargs, call):
        return layer(*args, **kwargs)
"""


def test_releases_are_recorded_and_what_one_lacks_is_listed_with_its_reason(project):
    code, said = project.backfill("1.0,1.1")
    assert code == 0, said
    assert project.goldens() == {
        "1.0": ["dense", "wide-four", "wide-two"],
        "1.1": ["dense", "late", "scaled", "wide-four", "wide-two"],
    }
    assert "  scaled: AttributeError: module 'mylayers' has no attribute 'Scaled'" in said
    release = Store(project.root / "golden", "mylayers").release("1.0")
    assert list(release.refused) == ["scaled"]
    assert release.provenance["requires"] == ["mylayers==1.0", "pytest>=7", "numpy"]
    assert "mylayers==1.0" in release.provenance["packages"]
    assert release.entries["dense"].module == "tests/test_recipes.py"
    assert not Store(project.root / "golden", "mylayers").problems()


def test_machines_get_what_became_of_each_release(project):
    project.recipes(ONE)
    code, said = project.backfill("1.0", "--json")
    assert code == 0, said
    (outcome,), _ = json.JSONDecoder().raw_decode(said)
    assert (outcome["version"], outcome["recorded"], outcome["problem"]) == ("1.0", ["dense"], None)


def test_a_second_run_records_nothing_again(project):
    project.recipes(ONE)
    project.backfill("1.0")
    before = {path: path.read_bytes() for path in project.root.rglob("*.*") if path.is_file()}
    code, said = project.backfill("1.0")
    assert code == 0
    assert "1.0: 0 recorded, 1 there before" in said
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_recipe_is_appended_to_a_release(project):
    project.recipes(ONE)
    project.backfill("1.0")
    more = "\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\ndef test_second():\n"
    project.recipes(ONE + more + "    return mylayers.Dense()\n")
    assert project.backfill("1.0")[0] == 0
    assert project.goldens() == {"1.0": ["dense", "second"]}


def test_neither_the_checkout_nor_its_settings_get_in(project, monkeypatch):
    """A flat layout, a package of tests, a conftest and options that would each break it."""
    package = project.root / "mylayers" / "__init__.py"
    package.parent.mkdir()
    package.write_text('__version__ = "2.0"\nraise RuntimeError("the checkout")\n')
    project.recipes(ONE)
    (project.root / "tests" / "__init__.py").touch()
    (project.root / "conftest.py").write_text('raise RuntimeError("the conftest")\n')
    (project.root / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\nminversion = 99\n")
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    code, said = project.backfill("1.0")
    assert code == 0, said
    assert project.goldens() == {"1.0": ["dense"]}
    release = Store(project.root / "golden", "mylayers").release("1.0")
    kept = golden.read(release.folder / "dense.h5", sha256=release.entries["dense"].sha256)
    assert [path[0] for path in kept.state.leaves()] == ["weight", "bias", "slope"]


def test_a_checkout_that_shadows_the_release_is_not_recorded_as_it(project):
    """Even where a recipe puts the checkout on the path itself."""
    package = project.root / "mylayers" / "__init__.py"
    package.parent.mkdir()
    package.write_text('__version__ = "1.0"\n')
    project.recipes(f"import sys\nsys.path.insert(0, {str(project.root)!r})\n" + ONE)
    code, said = project.backfill("1.0")
    assert code == 1
    assert f"mylayers is imported from {package}, which is not a file of the installed" in said
    assert project.goldens() == {}


def test_a_version_that_does_not_exist_is_told_with_those_that_do(project):
    code, said = project.backfill("9.9")
    assert code == 1
    assert "mylayers==9.9" in said
    if shutil.which("uv") is None:  # which does not say
        assert "1.0" in said.partition("9.9")[2]


def test_requirements_that_are_not_to_be_had_are_named(project):
    code, said = project.backfill("1.4")
    assert code == 1
    assert "nowhere" in said


def test_an_index_that_cannot_be_reached_is_told_of(project, monkeypatch):
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_FIND_LINKS", "UV_OFFLINE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    project.recipes(ONE)
    code, said = project.backfill("1.05")
    assert code == 1
    assert "the package index cannot be reached" in said


def test_a_library_that_says_it_is_another_version_is_not_recorded(project):
    project.configure(library='version = "mylayers:__version__"')
    code, said = project.backfill("1.2")
    assert code == 1
    assert "mylayers says that it is 1.3, but 1.2 was asked for" in said
    assert project.goldens() == {}


def test_a_recipe_that_kills_the_process_leaves_the_others_alone(project):
    project.recipes(
        ONE
        + """
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_fatal():
    import os
    os._exit(3)

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_last():
    return mylayers.Dense()
"""
    )
    code, said = project.backfill("1.0")
    assert code == 0
    assert "  fatal: the process died while it was recorded (exit code 3)" in said
    assert project.goldens() == {"1.0": ["dense", "last"]}


def test_a_recipe_that_hangs_is_ended_after_its_time(project):
    project.configure("timeout = 5")
    body = "    import time\n    time.sleep(120)\n    return mylayers.Dense()\n"
    mark = "\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\ndef test_slow():\n"
    project.recipes(ONE + mark + body)
    code, said = project.backfill("1.0")
    assert code == 0
    assert "  slow: it took more than 5 seconds" in said
    assert project.goldens() == {"1.0": ["dense"]}


def test_a_test_file_that_a_release_cannot_import_is_listed(project):
    project.recipes("from mylayers import Scaled\n" + ONE)
    code, said = project.backfill("1.0")
    assert code == 1
    assert "  tests/test_recipes.py: ImportError: cannot import name 'Scaled'" in said


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_backfill_that_was_killed_goes_on_where_it_was(project):
    """The first recipe is done and logged; the second waits until the process is killed."""
    log, gate = project.root / "log.txt", project.root / "gate"
    logged = f"    with open({str(log)!r}, 'a') as file:\n        file.write('dense ')\n"
    project.recipes(
        ONE.replace("    return", logged + "    return")
        + f"""
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_waiting():
    import os, time
    with open({str(log)!r}, 'a') as file:
        file.write('waiting ')
    while not os.path.exists({str(gate)!r}):
        time.sleep(0.05)
    return mylayers.Dense()
"""
    )
    process = project.start("1.0")
    deadline = time.monotonic() + 60
    while "waiting" not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert project.goldens() == {}
    gate.touch()
    before = log.read_text().count("dense")
    code, said = project.backfill("1.0")
    assert code == 0, said
    assert project.goldens() == {"1.0": ["dense", "waiting"]}
    assert log.read_text().count("dense") == before


def test_pins_count_for_the_versions_that_they_name(project):
    from pytest_ckptcompat import config
    from pytest_ckptcompat.recording.backfill import Backfill

    project.configure(
        'pins = [{versions = "<1.1", requires = ["numpy<2"], python = "3.9"}, '
        '{requires = ["pytest<8"]}]'
    )
    settings = config.read(project.root)
    filling = Backfill(settings, settings.default, {}, "3.12")
    always = ["pytest>=7", "numpy"]
    assert filling.needs("1.0") == (["mylayers==1.0", *always, "numpy<2", "pytest<8"], "3.9")
    assert filling.needs("1.1") == (["mylayers==1.1", *always, "pytest<8"], "3.12")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("1.0", "--recipes", "nowhere.py"), "--recipes nowhere.py does not exist"),
        (("1.0", "--jobs", "0"), "--jobs 0 records nothing"),
        (("not a spec",), "is not a version specifier"),
        ((">=7",), "no release of mylayers is >=7; the last listed are: 1.0, 1.1, 1.2, 1.4"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(project, arguments, expected):
    code, said = project.backfill(*arguments)
    assert code == 2
    assert expected in said


def test_an_unknown_python_is_told_of(project):
    code, said = project.backfill("1.0", "--python", "2.1")
    assert code == 1
    assert "no Python 2.1 was found" in said


def test_an_unknown_key_of_the_configuration_is_refused(project):
    project.configure('pins = [{version = "<1.1"}]')
    code, said = project.backfill("1.0")
    assert code == 2
    assert "did you mean 'versions'?" in said


@pytest.mark.parametrize("file", kit._files(), ids=lambda file: file.stem)
def test_what_goes_into_old_environments_is_written_in_python_3_8(file):
    ast.parse(file.read_text(), feature_version=(3, 8))


def test_an_adapter_whose_framework_is_not_installed_there_is_told_of(project):
    project.configure(library='adapter = "ours:Adapter"')
    (project.root / "ours.py").write_text(
        "class Adapter:\n    def __init__(self):\n        import framework_of_nobody\n"
    )
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 1
    assert "needs framework_of_nobody, which is not installed here: pip install" in said
    assert project.goldens() == {}


def test_an_adapter_of_the_project_goes_into_the_environment(project):
    """Its file is copied; nothing else of the project is there."""
    project.configure(library='adapter = "adapters.ours:Adapter"')
    file = project.root / "adapters" / "ours.py"
    file.parent.mkdir()
    file.write_text(OURS)
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 0, said
    release = Store(project.root / "golden", "mylayers").release("1.0")
    assert release.provenance["adapter"] == "adapters.ours:Adapter"
    kept = golden.read(release.folder / "dense.h5", sha256=release.entries["dense"].sha256)
    assert [path[0] for path in kept.state.leaves()] == ["ours"]


def test_an_adapter_that_does_not_exist_is_told_of_with_those_that_do(project):
    project.configure(library='adapter = "numpi"')
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 1
    assert "unknown adapter 'numpi'; known: " in said
    assert "numpy" in said


def test_requirements_that_do_not_go_together_are_named(project):
    project.configure('pins = [{requires = ["mylayers==1.1"]}]')
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 1
    assert "mylayers==1.0" in said
    assert "mylayers==1.1" in said
    assert "do not go together" in said


def test_an_installer_that_is_none_is_refused(project):
    project.configure('installer = "conda"')
    code, said = project.backfill("1.0")
    assert code == 2
    assert "installer of backfill in [tool.ckptcompat]" in said
    assert "it is 'uv' or 'pip'" in said


def test_pins_of_versions_that_are_none_are_refused(project):
    project.configure('pins = [{versions = "early", requires = ["numpy<2"]}]')
    project.recipes(ONE)
    code, said = project.backfill("1.0")
    assert code == 2
    assert "early" in said
