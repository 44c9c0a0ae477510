"""An exception in its own words."""

from pytest_ckptcompat.layers import words


def test_an_exceptions_words_stand_on_one_line():
    assert words(ValueError("two\n  lines")) == "ValueError: two lines"


def test_what_makes_text_bold_on_a_terminal_is_left_out():
    assert words(TypeError("\x1b[1mcannot\x1b[0m be loaded")) == "TypeError: cannot be loaded"
