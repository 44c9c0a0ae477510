"""What is said of an exception."""

from pytest_ckptcompat.layers import words


def test_an_exception_is_told_on_one_line_in_its_own_words():
    assert words(ValueError("one\n\ttwo")) == "ValueError: one two"
    assert words(KeyError()) == "KeyError"


def test_the_styles_of_a_terminal_are_left_out():
    error = RuntimeError("options, \x1b[1mdo those only\x1b[0m if you \x1b[38;5;1mtrust it\x1b[m")
    assert words(error) == "RuntimeError: options, do those only if you trust it"
