"""An item that hangs fails with the place where it hung, and the run goes on."""

import sys

import pytest
from layerlib import DENSE, outcomes

#: What the loader of the newest release does; the others load.
HANGING = {
    "python": "while True: pass",
    "sleep": "import time; time.sleep(600)",
    "lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "swallowing": "try:\n                while True: pass\n            except: pass",
}

RECIPES = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 5)], timeout=300)
def test_quick():
    return mylayers.Dense(slow=False)

@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense():
    return mylayers.Dense()
"""


def hanging(statement, method="def load_state_dict(self, state):"):
    """A library one of whose methods hangs, unless the layer is built otherwise."""
    flags = DENSE.replace("seed=0, **more):", "seed=0, slow=True):\n        self.slow = slow", 1)
    flags = flags.replace("        vars(self).update(more)\n", "")
    return flags.replace(method, f"{method}\n        if self.slow:\n            {statement}")


@pytest.fixture
def released(library):
    """1.0.0 recorded; an item may take 3 seconds (to import NumPy on a busy machine, too)."""
    flags = hanging("pass")
    library.configure('library = "mylayers"\ntimeout = 3')
    return library.released("1.0.0", source=flags, recipes=RECIPES)


@pytest.mark.parametrize("how", HANGING)
@pytest.mark.skipif(sys.platform == "win32", reason="nothing there interrupts what waits")
def test_a_loader_that_hangs_fails_with_its_place_and_the_run_goes_on(released, how):
    released.install("2.0.0", hanging(HANGING[how]))
    result = released.run_apart("-rA")
    assert outcomes(result) == {
        "test_quick[1.0.0-state]": "passed",
        "test_dense[1.0.0-state]": "failed",
        "ckptcompat_integrity_mylayers": "passed",
    }
    said = result.stdout.str()
    assert "did not end within 3 seconds" in said
    assert "ckptcompat, where it hung" in said
    assert "in load_state_dict" in said


def test_the_stage_that_hung_is_told_with_the_drift_beside_it(released):
    released.install("2.0.0", hanging(HANGING["python"]).replace("= 1.5", "= (1.5,)"))
    result = released.run_apart("-k", "dense")
    result.stdout.fnmatch_lines(
        [
            "mylayers 1.0.0 -> 2.0.0 | dense | route state | BREAK",
            "*load     failed: it did not end within 3 seconds; it hung in load_state_dict*",
            "*fields   * slope *",
            "*forward  not reached",
        ]
    )


def test_a_forward_pass_that_hangs_is_told_of_as_such(released):
    released.install("2.0.0", hanging(HANGING["sleep"], "def __call__(self, x):"))
    result = released.run_apart("-k", "dense")
    result.stdout.fnmatch_lines(["*load     ok", "*forward  it did not end within 3 seconds*"])


def test_a_recipe_that_hangs_is_told_of(released):
    released.recipe("import time\ntime.sleep(600)")
    result = released.run_apart("-k", "dense and state")
    result.stdout.fnmatch_lines(["dense: it did not end within 3 seconds; it hung in test_dense*"])
    assert result.ret == 1


def test_under_xdist_the_same_is_said(released):
    released.install("2.0.0", hanging(HANGING["sleep"]))
    result = released.run_apart("-rA", "-p", "xdist", "-n2")
    found = outcomes(result)
    assert found["test_dense[1.0.0-state]"] == "failed"
    assert found["test_quick[1.0.0-state]"] == "passed"
    assert "in load_state_dict" in result.stdout.str()


#: C code that keeps the interpreter lock and never comes back: no Python code can run any more.
IN_C = "import ctypes; ctypes.PyDLL(None).pause()"


@pytest.mark.skipif(sys.platform == "win32", reason="C code is had from elsewhere there")
def test_c_code_that_never_comes_back_ends_the_process_with_a_sentence_and_the_stack(released):
    released.install("2.0.0", hanging(IN_C.replace("pause()", "usleep(60_000_000)")))
    result = released.run_apart("-k", "dense")
    assert result.ret == 1
    said = result.stderr.str()
    assert "test_dense[1.0.0-state] did not end within 3 seconds and cannot be interrupted" in said
    assert "in load_state_dict" in said


@pytest.mark.skipif(sys.platform == "win32", reason="C code is had from elsewhere there")
def test_under_xdist_another_worker_goes_on_after_c_code_that_never_comes_back(released):
    released.install("2.0.0", hanging(IN_C.replace("pause()", "usleep(60_000_000)")))
    result = released.run_apart("-rA", "-p", "xdist", "-n1")
    assert outcomes(result)["test_quick[1.0.0-state]"] == "passed"
    said = result.stdout.str()
    assert "crashed while running 'test_recipes.py::test_dense[1.0.0-state]'" in said


@pytest.mark.parametrize(
    ("table", "mark", "ini", "options"),
    [
        ("timeout = 1", "", "", []),
        ("", ", timeout=1", "", []),
        ("timeout = 600", ", timeout=1", "", []),
        ("", "", 'ckpt-timeout = "1"', []),
        ("timeout = 1", "", 'ckpt-timeout = "600"', []),
        ("timeout = 600", ", timeout=600", "", ["--ckpt-timeout=1"]),
    ],
)
def test_the_closest_limit_counts(library, table, mark, ini, options):
    library.recipe(mark=f"inputs=[(3, 5)]{mark}")
    library.released("1.0.0", source=hanging("pass"), recipes=None)
    library.configure(f'library = "mylayers"\n{table}', ini)
    library.install("2.0.0", hanging(HANGING["python"]))
    result = library.run_apart(*options, "-k", "dense")
    assert result.ret == 1
    assert "did not end within 1 seconds" in result.stdout.str()


def test_nothing_is_ended_where_the_limit_is_0(library):
    library.released("1.0.0", source=hanging("pass"))
    library.configure('library = "mylayers"\ntimeout = 0.2')
    library.install("2.0.0", hanging("import time; time.sleep(1)"))
    assert library.run_apart().ret == 1
    assert library.run_apart("--ckpt-timeout=0").ret == 0


def test_an_item_that_ends_in_time_leaves_no_thread_and_no_signal(library):
    library.released("1.0.0")
    library.recipes(
        """
        import signal, threading, time

        def test_after():
            deadline = time.monotonic() + 20
            while "ckptcompat-timeout" in [t.name for t in threading.enumerate()]:
                assert time.monotonic() < deadline
            if hasattr(signal, "SIGVTALRM"):
                assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
        """,
        "test_zz_after.py",
    )
    assert library.run_apart("--ckpt-timeout=60").ret == 0


@pytest.mark.parametrize(
    ("table", "ini", "expected"),
    [
        ("timeout = -1", "", "timeout in [tool.ckptcompat]"),
        ('timeout = "long"', "", "timeout in [tool.ckptcompat]"),
        ("", 'ckpt-timeout = "long"', "ckpt-timeout is 'long': write a number of seconds"),
    ],
)
def test_a_limit_that_is_none_is_told_in_a_sentence(library, table, ini, expected):
    library.recipes()
    library.install()
    library.configure(f'library = "mylayers"\n{table}', ini)
    result = library.run("-p", "no:cacheprovider")
    assert result.ret != 0
    assert expected in result.stdout.str() + result.stderr.str()
