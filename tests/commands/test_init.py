"""``ckptcompat init``: a project is set up, and nothing of it is lost."""

from __future__ import annotations

import tomllib

import pytest

PYPROJECT = """\
[project]
name = "my-layers"  # a comment
version = "1.0"
"""


@pytest.fixture
def project(pytester):
    """A project of that name with a package of two classes."""
    (pytester.path / "pyproject.toml").write_text(PYPROJECT)
    package = pytester.path / "src" / "my_layers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import torch\n\n"
        "class Wide(torch.nn.Module):\n    def __init__(self, size): ...\n\n"
        "class Small(torch.nn.Module):\n    def __init__(self, size=3): ...\n"
    )
    return pytester.path


def settings(project):
    return tomllib.loads((project / "pyproject.toml").read_text())["tool"]


def test_the_configuration_names_library_and_adapter_and_requires_the_plugin(project, ckptcompat):
    assert ckptcompat("init").code == 0
    assert settings(project) == {
        "pytest": {
            "ini_options": {
                "required_plugins": ["pytest-ckptcompat"],
                "addopts": ["--strict-markers"],
            }
        },
        "ckptcompat": {"library": "my-layers", "adapter": "torch"},
    }
    assert (project / "pyproject.toml").read_text().startswith(PYPROJECT)


def test_the_first_recipe_is_of_a_layer_that_needs_no_arguments(project, ckptcompat):
    ckptcompat("init")
    text = (project / "tests" / "test_checkpoints.py").read_text()
    assert "return my_layers.Small()" in text
    compile(text, "test_checkpoints.py", "exec")


def test_the_workflow_checks_on_a_push_and_records_on_a_release(project, ckptcompat):
    ckptcompat("init")
    text = (project / ".github" / "workflows" / "ckptcompat.yml").read_text()
    assert "ckptcompat check --base origin/${{ github.base_ref }}" in text
    assert 'pip install "my-layers==${TAG#v}" pytest-ckptcompat' in text
    assert "pytest tests/test_checkpoints.py --ckpt-record" in text


def test_a_second_run_changes_nothing(project, ckptcompat):
    ckptcompat("init")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    said = ckptcompat("init")
    assert said.code == 0
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    assert "is there already" in said.out


def test_what_a_person_wrote_stays_and_is_told_of(project, ckptcompat):
    mine = PYPROJECT + '\n[tool.pytest.ini_options]\naddopts = ["-q"]  # mine\ntestpaths = ["t"]\n'
    (project / "pyproject.toml").write_text(mine)
    said = ckptcompat("init")
    assert "add --strict-markers to addopts" in said.out
    options = settings(project)["pytest"]["ini_options"]
    assert options == {
        "required_plugins": ["pytest-ckptcompat"],
        "addopts": ["-q"],
        "testpaths": ["t"],
    }
    assert 'addopts = ["-q"]  # mine\n' in (project / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["pytest.ini", "setup.cfg"])
def test_where_pytest_is_configured_elsewhere_a_person_is_told(project, ckptcompat, name):
    head = "[tool:pytest]" if name == "setup.cfg" else "[pytest]"
    (project / name).write_text(f"{head}\n")
    said = ckptcompat("init")
    assert f"pytest is configured in {name}" in said.out
    assert "pytest" not in settings(project)


def test_a_dry_run_writes_nothing(project, ckptcompat):
    said = ckptcompat("init", "--dry-run")
    assert "would add to pyproject.toml" in said.out
    assert (project / "pyproject.toml").read_text() == PYPROJECT
    assert not (project / "tests").exists()


def test_a_broken_pyproject_is_told_of_and_stays(project, ckptcompat):
    (project / "pyproject.toml").write_text("[project\n")
    said = ckptcompat("init")
    assert said.code == 2
    assert "is not valid TOML" in said.err
    assert (project / "pyproject.toml").read_text() == "[project\n"


def test_a_table_that_cannot_be_added_to_is_told_of_and_stays(project, ckptcompat):
    mine = PYPROJECT + "\n[tool]\npytest.ini_options.minversion = '8'\n"
    (project / "pyproject.toml").write_text(mine)
    said = ckptcompat("init")
    assert said.code == 2
    assert "add " in said.err
    assert (project / "pyproject.toml").read_text() == mine


def test_a_set_up_project_runs(library, ckptcompat):
    """What it writes for a plain library is a run that says what is left to do."""
    (library.root / "pyproject.toml").write_text('[project]\nname = "mylayers"\n')
    library.install()
    assert ckptcompat("init").code == 0
    ran = library.pytester.runpytest_inprocess("-p", "ckptcompat", "-v")
    ran.stdout.fnmatch_lines(["*test_layer[[]new[]] FAILED*", "*let this recipe return a layer*"])
