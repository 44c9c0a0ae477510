from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from pytest_ckptcompat.config import Config, ConfigError, Library, override, read


@pytest.fixture
def project(tmp_path):
    def write(text):
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_a_project_without_pyproject_has_no_library(tmp_path):
    config = read(tmp_path)
    assert config == Config(tmp_path, tmp_path / "golden")
    assert config.known() == ()


def test_a_pyproject_without_the_table_has_no_library(project):
    assert read(project('[project]\nname = "x"\n')).known() == ()


def test_the_default_library_takes_what_stands_beside_it(project):
    root = project(
        '[tool.ckptcompat]\nlibrary = "my-layers"\ngolden = "data"\nk = 4\nfail-on-new = true\n'
        'load = "my_layers.io:load"\nverdicts = {shifted = "fail"}\n'
    )
    config = read(root)
    library = config.library(None)
    assert config.golden == root / "data"
    assert (library.name, library.module, library.load) == (
        "my-layers",
        "my_layers",
        "my_layers.io:load",
    )
    assert (library.k, library.fail_on_new, library.verdicts) == (4, True, {"shifted": "fail"})


def test_a_library_of_its_own_table_inherits_what_is_shared(project):
    config = read(
        project(
            "[tool.ckptcompat]\nk = 4\n[tool.ckptcompat.libraries.one]\n"
            '[tool.ckptcompat.libraries.two]\nk = 2\nimport = "second"\n'
        )
    )
    assert [(lib.name, lib.k, lib.module) for lib in config.known()] == [
        ("one", 4, "one"),
        ("two", 2, "second"),
    ]


def test_a_recipes_folder_tells_its_library():
    one, two = Library("one", paths=("tests",)), Library("two", paths=("tests/two", "x.py"))
    config = Config(*2 * [PurePosixPath()], Library("rest"), {"one": one, "two": two})
    found = {
        path: config.library(None, PurePosixPath(path)).name
        for path in ("tests/a.py", "tests/two/a.py", "tests/twofold.py", "x.py", "y.py")
    }
    assert found == {
        "tests/a.py": "one",
        "tests/two/a.py": "two",
        "tests/twofold.py": "one",
        "x.py": "two",
        "y.py": "rest",
    }


def test_a_name_counts_before_the_folder():
    one = Library("one", paths=("tests",))
    config = Config(*2 * [PurePosixPath()], Library("rest", k=2), {"one": one})
    assert config.library("rest", PurePosixPath("tests/a.py")).k == 2
    assert config.library("unconfigured", PurePosixPath("tests/a.py")) == Library("unconfigured")


def test_no_library_at_all_is_an_error():
    with pytest.raises(ConfigError, match=r"no library is named for tests/a\.py: write library = "):
        Config(*2 * [PurePosixPath("/x")]).library(None, PurePosixPath("tests/a.py"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool", "pyproject.toml is not valid TOML"),
        ("[tool]\nckptcompat = 3", "is not a table"),
        ("[tool.ckptcompat]\nlibary = 'x'", "unknown key 'libary' in .* did you mean 'library'"),
        ("[tool.ckptcompat]\nlibrary = 3", "library in .* is 3: expected str"),
        ("[tool.ckptcompat]\nlibrary = '..'", "library '..' in .* cannot be the name of a folder"),
        ("[tool.ckptcompat]\nlibrary = ''", "library '' in .* cannot be the name of a folder"),
        ("[tool.ckptcompat]\nlibrary = 'x'\nk = true", "k in .* is True: expected int or float"),
        ("[tool.ckptcompat]\nlibrary = 'x'\npaths = 'a'", "paths in .* is 'a': expected list"),
        ("[tool.ckptcompat]\nlibrary = 'x'\npaths = [1]", "paths in .* is 1: expected str"),
        ("[tool.ckptcompat]\nlibrary = 'x'\nstate = 'a b'", 'write it as "package.module:name"'),
        ("[tool.ckptcompat.libraries]\nx = 3", "is 3: expected dict"),
        ("[tool.ckptcompat.libraries.x]\nverdicts = {added = 'ok'}", "one of note, ack, fail"),
        (
            "[tool.ckptcompat]\nlibrary = 'x'\nverdicts = {adde = 'ack'}",
            "unknown kind 'adde' in the verdicts of .*; did you mean 'added'",
        ),
        (
            "[tool.ckptcompat]\nlibrary = 'x'\nverdicts.'*/seed' = {lots = 'note'}",
            "unknown kind 'lots' in the verdicts of '\\*/seed' in .*; did you mean 'lost'",
        ),
        (
            "[tool.ckptcompat]\nlibrary = 'x'\nverdicts.'*/seed' = {lost = 'ok'}",
            "'lost' of the verdicts of '\\*/seed' in .* is 'ok': it is one of note, ack, fail",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(project, text, said):
    with pytest.raises(ConfigError, match=said):
        read(project(text))


def test_a_mark_overrides_its_library():
    library = Library("x", k=8, load="x:load")
    assert override(library, {"k": 2, "name": "y"}, "the mark") == Library("x", k=2, load="x:load")


def test_a_mark_without_overrides_leaves_the_library_as_it_is():
    library = Library("x")
    assert override(library, {"inputs": [(2, 3)], "load": None}, "the mark") is library


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"k": "2"}, "k of the mark is '2': expected int or float"),
        ({"adapter": 3}, "adapter of the mark is 3: expected str"),
        ({"load": "x.load"}, "load of the mark is 'x.load': write it as"),
    ],
)
def test_an_override_of_the_wrong_kind_is_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        override(Library("x"), arguments, "the mark")


def test_verdicts_are_given_by_kind_and_by_path_and_kind(project):
    root = project(
        """
        [tool.ckptcompat]
        library = "x"

        [tool.ckptcompat.verdicts]
        lost = "fail"
        "retyped wider" = "ack"

        [tool.ckptcompat.verdicts."*/seed"]
        lost = "note"
        "*" = "ack"
        """
    )
    assert read(root).library(None).verdicts == {
        "lost": "fail",
        "retyped wider": "ack",
        "*/seed": {"lost": "note", "*": "ack"},
    }


def test_a_library_adds_its_verdicts_to_those_of_all(project):
    root = project(
        "[tool.ckptcompat]\nverdicts = {lost = 'fail', added = 'ack'}\n"
        "[tool.ckptcompat.libraries.x]\nverdicts = {lost = 'note'}"
    )
    assert read(root).library("x").verdicts == {"lost": "note", "added": "ack"}
