"""How a failure's text keeps what an exception has to say, however much that dumps."""

from pytest_ckptcompat.report.failure import MAX_SAID, _both_ends


def test_a_short_text_stays():
    said = "TypeError: unknown {'groups': 1} among " + str([*range(40)])
    assert _both_ends(said) == said


def test_dumps_of_a_long_text_are_left_out_and_the_cause_stays():
    config = {str(number): {"class": "Zeros", "sizes": [1, 2, 3]} for number in range(40)}
    said = f"TypeError: cannot make Conv of {config}. Unrecognized arguments: {{'groups': 1}}"
    assert _both_ends(said) == (
        "TypeError: cannot make Conv of {...}. Unrecognized arguments: {'groups': 1}"
    )


def test_a_dump_that_never_ends_is_cut_in_the_middle():
    said = "TypeError: cannot make {" + "x, " * 400 + "since groups is unknown"
    cut = _both_ends(said)
    assert len(cut) < MAX_SAID + 10
    assert cut.startswith("TypeError: cannot make {x, ")
    assert cut.endswith("since groups is unknown")
    assert " [...] " in cut
