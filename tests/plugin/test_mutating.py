"""``pytest --ckpt-mutate``: each golden's test fails for what no check would notice."""

from __future__ import annotations

import pytest
from layerlib import DENSE, outcomes

#: Takes what it knows, in any order, and says nothing of the rest.
CARELESS = DENSE.replace(
    "        if list(state) != list(vars(self)):\n"
    '            raise KeyError(f"expected the fields {list(vars(self))}, got {list(state)}")\n'
    "        vars(self).update(state)",
    "        vars(self).update({name: state[name] for name in vars(self)})",
)
EXPLAINED = """
[[equivalent]]
mutation = "reorder"
reason = "the loader looks every field up by its name"

[[finding]]
mutation = "duplicate"
reason = "the loader does not look at what it does not know"
"""


def test_a_golden_that_protects_passes_and_the_score_is_shown(library):
    library.released("1.0.0")
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["mylayers 1.0.0: * of * mutations noticed (100.0%); 1 golden"])


def test_without_the_option_nothing_is_changed(library):
    library.released("1.0.0", source=CARELESS)
    result = library.run()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*mutations*")


def test_survivors_fail_the_test_and_say_what_they_mean(library):
    library.released("1.0.0", source=CARELESS)
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "mylayers 1.0.0, dense, route state: 3 mutations that no check notices",
            "- `weight` of dense (1.0.0), duplicate, an array: no check notices: no output moves*",
            "Mend the recipe (*, or explain it in */golden/mylayers/mutation.toml",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_mutation_that_hangs_the_loader_is_noticed_after_the_time_of_an_item(library):
    """Each mutation has the time that an item has; one whose loader goes on is stopped too."""
    patient = DENSE.replace(
        "        if list(state)",
        "        while state.get('slope', 1.5) != 1.5:\n            pass\n        if list(state)",
    )
    library.released("1.0.0", source=patient)
    result = library.run("--ckpt-mutate", "--ckpt-timeout=0.5")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["mylayers 1.0.0: * of * mutations noticed (100.0%); 1 golden"])


def test_explained_survivors_pass(library):
    library.released("1.0.0", source=CARELESS)
    (library.golden / "mutation.toml").write_text(EXPLAINED)
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*1 equivalent left out, 2 survivors declared as findings*"])


def test_an_explanation_that_explains_nothing_fails_the_run(library):
    library.released("1.0.0")
    (library.golden / "mutation.toml").write_text(EXPLAINED)
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*[[[]equivalent]] no. 1 (mutation 'reorder') of mutation.toml explains nothing*"]
    )


def test_an_explanation_that_cannot_be_read_is_told(library):
    library.released("1.0.0")
    (library.golden / "mutation.toml").write_text("[[equivalent]]\nmutation = 'reorder'")
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*mutation.toml has no reason*"])


def test_a_golden_that_fails_as_it_is_is_not_judged(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE.replace("return self.slope *", "return 2 * self.slope *"))
    result = library.run("--ckpt-mutate")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["  not judged, 1 goldens of dense: it fails as it is"])


def test_distributed_the_score_is_the_same(library):
    library.released("1.0.0", "1.1.0", source=CARELESS)
    (library.golden / "mutation.toml").write_text(EXPLAINED)
    alone = library.run("--ckpt-mutate", "-rA")
    shared = library.run_apart("--ckpt-mutate", "-rA", "-p", "xdist", "-n2")
    assert outcomes(alone) == outcomes(shared)
    lines = [line for line in alone.outlines if "mutations noticed" in line]
    assert [line for line in shared.outlines if "mutations noticed" in line] == lines != []
