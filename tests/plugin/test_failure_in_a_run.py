"""What a failing item looks like."""

from __future__ import annotations

import pytest
from layerlib import DENSE, DENSE_DROPPING, DENSE_OTHER_OUTPUTS, DENSE_WITH_SCALE, RECIPES

BREAKS = {
    "load": DENSE_WITH_SCALE,
    "outputs": DENSE_OTHER_OUTPUTS,
    "dropped": DENSE_DROPPING,
    "forward": DENSE.replace("return self.slope", "return self.missing"),
    "not loaded": DENSE.replace("vars(self).update(state)", "pass"),
    "random": DENSE_WITH_SCALE.replace("(0, 0)", "np.random.default_rng().normal(size=3)").replace(
        "if list(state) != list(vars(self)):", "if False:"
    ),
}


def failure(result):
    """The lines of the only failure, without its headline."""
    lines = result.stdout.lines
    start = next(i for i, line in enumerate(lines) if line.startswith("____")) + 1
    end = next(
        i for i, line in enumerate(lines) if line.startswith("---- ") or "- ckptcompat -" in line
    )
    return lines[start:end]


@pytest.fixture(params=BREAKS)
def failed(request, library):
    library.released("1.0.0")
    library.install("1.1.0", BREAKS[request.param])
    result = library.run("-k", "dense")
    result.assert_outcomes(failed=1, deselected=1)
    return failure(result)


def test_it_fits_a_screen(failed):
    assert len(failed) <= 25


def test_sixty_drifts_fit_a_screen(library):
    library.released("1.0.0")
    fields = "vars(self).update({f'field{n}': np.zeros(n + 1) for n in range(60)}, **more)"
    library.install("1.1.0", DENSE.replace("vars(self).update(more)", fields))
    lines = failure(library.run("-k", "dense"))
    assert len(lines) <= 28  # what is to be pasted leaves the stages no fewer than ten
    assert lines[-1].endswith("recipe at test_recipes.py:5")


def test_it_shows_nothing_of_the_plugins_inside(failed):
    assert not [line for line in failed if "pytest_ckptcompat" in line or "Traceback" in line]


def test_it_names_versions_recipe_and_route_first(failed):
    assert failed[0].startswith("mylayers 1.0.0 -> 1.1.0 | dense | route state | ")


def test_it_names_the_golden_and_the_place_of_the_recipe_last(failed):
    assert failed[-1] == "  golden/mylayers/1.0.0/dense.h5, recipe at test_recipes.py:5"


def test_it_tells_each_stage(failed):
    stages = [line.split()[0] for line in failed if line[:3].strip() or line[2:3].strip()]
    assert [s for s in stages if s in ("load", "fields", "state", "forward")] == [
        "load",
        "fields",
        "state",
        "forward",
    ]


def test_the_short_summary_names_what_broke(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    result = library.run("-rf")
    result.stdout.fnmatch_lines(["FAILED *test_dense?1.0.0-state? - Failed: mylayers 1.0.0*"])


def test_a_recipe_that_raises_shows_its_own_traceback_only(library):
    library.released("1.0.0")
    library.recipe('raise OSError("no weights")')
    result = library.run("-k", "dense and not integrity")
    result.assert_outcomes(failed=1, deselected=1)
    text = "\n".join(failure(result))
    assert 'raise OSError("no weights")' in text
    assert "test_recipes.py:7: OSError" in text
    assert "pytest_ckptcompat" not in text


@pytest.mark.parametrize("option", ["--tb=short", "--tb=long"])
def test_no_style_of_traceback_shows_the_plugin(library, option):
    library.released("1.0.0")
    library.recipe('raise OSError("no weights")')
    text = "\n".join(failure(library.run("-k", "dense and not integrity", option)))
    assert "no weights" in text
    assert "pytest_ckptcompat" not in text


def test_full_trace_shows_everything(library):
    library.released("1.0.0")
    library.recipe('raise OSError("no weights")')
    library.run("--full-trace").stdout.fnmatch_lines(["*pytest_ckptcompat*"])


@pytest.mark.parametrize("options", [[], ["--ckpt-record"]], ids=["new", "record"])
def test_a_recipe_without_a_golden_that_raises_shows_its_own_traceback_only(library, options):
    library.install()
    library.recipe('raise OSError("no weights")')
    result = library.run("-k", "dense and not integrity", *options)
    text = "\n".join(failure(result))
    assert "test_recipes.py:7: OSError" in text
    assert "pytest_ckptcompat" not in text


def test_a_layer_whose_state_cannot_be_read_shows_the_librarys_traceback_only(library):
    library.released("1.0.0")
    unreadable = DENSE.replace("return dict(vars(self))", "raise OSError('no state')")
    library.install("1.1.0", unreadable)
    text = "\n".join(failure(library.run("-k", "dense and not integrity")))
    assert "OSError: no state" in text
    assert "pytest_ckptcompat" not in text


def test_a_recipe_may_fail_by_itself(library):
    library.released("1.0.0")
    library.recipe('pytest.fail("not today")')
    library.run().stdout.fnmatch_lines(["*not today*"])


def test_an_assertion_in_a_recipe_is_explained(library):
    library.released("1.0.0")
    library.recipe("n = 2\nassert n == 3\nreturn mylayers.Dense()")
    library.run().stdout.fnmatch_lines(["E*assert 2 == 3"])


def test_two_causes_have_two_failures(library):
    library.released("1.0.0", recipes=RECIPES + RECIPES.replace("dense", "tall"))
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.run().assert_outcomes(failed=2, passed=1)
