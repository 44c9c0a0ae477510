import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ckptcompat.names import MAX_LENGTH, file_name, is_plain, recipe_name

any_text = st.text(st.characters(), max_size=60)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@settings(deadline=None, max_examples=300)
@given(any_text)
def test_every_name_becomes_one_that_is_valid_on_every_system(recipe):
    name = file_name(recipe)
    assert re.fullmatch(r"[A-Za-z0-9_.%~-]{1,150}", name)
    assert not name.startswith(".")
    assert not name.endswith(".")
    assert not RESERVED.fullmatch(name)
    assert not RESERVED.fullmatch(name + ".h5")
    assert is_plain(name + ".h5")


@settings(deadline=None, max_examples=300)
@given(any_text)
def test_a_file_name_gives_the_recipe_back_unless_it_is_cut(recipe):
    name = file_name(recipe)
    assert recipe_name(name) == (None if "~" in name else recipe)


@settings(deadline=None, max_examples=300)
@given(any_text, any_text)
def test_two_recipes_never_share_a_file_name(one, other):
    assert (file_name(one) == file_name(other)) == (one == other)


def test_an_ordinary_name_stays_as_it_is():
    assert file_name("TestConv.transpose-k3_s2") == "TestConv.transpose-k3_s2"


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("", "%"),
        ("%", "%25"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("end.", "end%2E"),
        ("end ", "end%20"),
        ("nul", "%6Eul"),
        ("AUX.txt", "%41UX.txt"),
        ("com1", "%63om1"),
        ("console", "console"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("C:\\x", "C%3A%5Cx"),
    ],
)
def test_what_some_system_forbids_is_encoded(recipe, name):
    assert file_name(recipe) == name


def test_a_long_name_is_cut_and_told_from_its_like_by_a_hash():
    one, other = file_name("ö" * 500 + "a"), file_name("ö" * 500 + "b")
    assert one != other
    assert len(one) <= MAX_LENGTH
    assert re.fullmatch("(%C3%B6)+~[0-9a-f]{16}", one)


@pytest.mark.parametrize("file", ["conv%2f", "conv%zz", "%61", "nul", ".conv", "a b", "%FF"])
def test_a_file_name_that_no_recipe_has_gives_no_recipe(file):
    assert recipe_name(file) is None


@pytest.mark.parametrize("file", ["../x", "a/b", "a\\b", ".x", "", "x.", "nul.h5", "x" * 300])
def test_a_name_that_leaves_its_folder_or_is_not_portable_is_not_plain(file):
    assert not is_plain(file)
