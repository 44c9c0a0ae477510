"""A recipe never passes unchecked."""

from __future__ import annotations

import pytest
from layerlib import DENSE, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"


def test_a_unittest_method_fails(library):
    library.released("1.0.0")
    library.recipes(
        """
        import mylayers
        import pytest
        import unittest

        class TestDense(unittest.TestCase):
            @pytest.mark.ckptcompat(inputs=[(3, 5)])
            def test_dense(self):
                self.layer = mylayers.Dense()
        """
    )
    result = library.run("-rA")
    assert outcomes(result) == {"TestDense::test_dense": "failed"}
    result.stdout.fnmatch_lines(["test_dense is marked ckptcompat, but nothing was checked: *"])


def test_a_unittest_method_that_returns_a_layer_fails(library):
    library.released("1.0.0")
    library.recipes(
        """
        import mylayers
        import pytest
        import unittest

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        class TestDense(unittest.TestCase):
            def test_dense(self):
                return mylayers.Dense()
        """
    )
    assert set(outcomes(library.run("-rA")).values()) == {"failed"}


def test_an_async_function_fails(library):
    library.released("1.0.0")
    library.recipes(
        """
        import mylayers
        import pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        async def test_dense():
            return mylayers.Dense()
        """
    )
    result = library.run("-rA")
    assert outcomes(result)["test_dense[1.0.0-state]"] == "failed"
    result.stdout.fnmatch_lines(["dense is an async function, whose layer cannot be waited for*"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("mylayers.Dense()", "dense returned nothing: a recipe returns the layer*"),
        ("return (x for x in [mylayers.Dense()])", "dense returned generator: a recipe returns*"),
    ],
    ids=["nothing", "generator"],
)
@pytest.mark.parametrize("golden", [True, False], ids=["with a golden", "new"])
def test_a_function_that_returns_no_layer_fails(library, body, said, golden):
    library.install("1.0.0")
    if golden:
        library.released("1.0.0")
    library.recipe(body)
    result = library.run("-rA")
    assert result.ret == 1
    found = outcomes(result)
    assert "passed" not in {found[name] for name in found if name != INTEGRITY}
    result.stdout.fnmatch_lines([said])


def test_a_function_that_yields_is_not_run(library):
    library.released("1.0.0")
    library.recipe("yield mylayers.Dense()")
    result = library.run()
    assert result.parseoutcomes() == {"errors": 1}


def test_a_recipe_that_another_plugin_calls_fails(library):
    library.released("1.0.0")
    library.pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            pyfuncitem.obj()
            return True
        """
    )
    result = library.run("-rA")
    assert outcomes(result)["test_dense[1.0.0-state]"] == "failed"
    result.stdout.fnmatch_lines(["test_dense?1.0.0-state? is marked ckptcompat, but nothing was*"])


def test_a_recipe_whose_item_another_plugin_runs_fails(library):
    library.released("1.0.0")
    library.pytester.makeconftest(
        """
        import pytest

        class Item(pytest.Function):
            def runtest(self):
                pass

        def pytest_pycollect_makeitem(collector, name, obj):
            if name == "test_dense":
                return Item.from_parent(collector, name=name, callobj=obj)
        """
    )
    assert outcomes(library.run("-rA")) == {"test_dense": "failed"}


def test_a_marked_item_that_is_no_function_fails(library):
    library.released("1.0.0")
    library.pytester.makeconftest(
        """
        import pytest

        class Item(pytest.Item):
            def runtest(self):
                pass

        def pytest_pycollect_makeitem(collector, name, obj):
            if name == "test_dense":
                item = Item.from_parent(collector, name=name)
                item.add_marker(pytest.mark.ckptcompat(inputs=[(3, 5)]))
                return item
        """
    )
    assert outcomes(library.run("-rA")) == {"test_dense": "failed"}


def test_without_the_plugin_pytest_refuses_what_requires_it(library):
    library.released("1.0.0")
    library.configure(pytest_options='required_plugins = ["pytest-ckptcompat"]')
    result = library.pytester.runpytest_subprocess("-p", "no:ckptcompat")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*Missing required plugins: pytest-ckptcompat"])


def test_with_the_plugin_pytest_runs_what_requires_it(library):
    library.released("1.0.0")
    library.configure(pytest_options='required_plugins = ["pytest-ckptcompat"]')
    library.run().assert_outcomes(passed=2)


def test_the_mark_is_known_under_strict_markers(library):
    library.released("1.0.0")
    library.run("--strict-markers").assert_outcomes(passed=2)


# No golden yet


def test_a_recipe_without_a_golden_is_tried_and_counted_as_new(library):
    library.released("1.0.0")
    library.recipe("return mylayers.Dense(3, 7)", 'inputs=[(3, 5)], name="tall"')
    library.recipes(file="test_other.py")
    (library.root / "test_recipes.py").rename(library.root / "test_new.py")
    library.recipes()
    (library.root / "test_other.py").unlink()
    result = library.run("-rA")
    assert outcomes(result) == {
        "test_dense[new]": "passed",
        "test_dense[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }
    result.stdout.fnmatch_lines(["mylayers 1.0.0: 1 passed, 1 new*"])


def test_trying_a_new_recipe_writes_nothing(library):
    library.released("1.0.0")
    before = library.bytes()
    library.recipe(mark='inputs=[(3, 5)], name="other"')
    library.run()
    assert library.bytes() == before


def test_a_new_recipe_that_could_not_be_recorded_fails(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE.replace("vars(self).update(state)", "pass"))
    library.recipe(mark='inputs=[(3, 5)], name="other"')
    result = library.run("-rA")
    assert outcomes(result)["test_dense[new]"] == "failed"
    result.stdout.fnmatch_lines(["other does not load back by the route 'state' in the version*"])


def test_fail_on_new_fails_a_recipe_without_a_golden(library):
    library.released("1.0.0")
    library.configure('library = "mylayers"\nfail-on-new = true')
    library.recipe(mark='inputs=[(3, 5)], name="other"')
    result = library.run("-rA")
    assert outcomes(result)["test_dense[new]"] == "failed"
    result.stdout.fnmatch_lines(["other has no golden of any release, and fail-on-new is set:*"])


def test_a_recipe_whose_goldens_are_all_newer_is_not_new(library):
    library.released("1.0.0")
    library.install("1.1.0")
    library.recipe(mark='inputs=[(3, 5)], name="other"')
    library.record()
    library.install("1.0.0")
    library.recipes(file="test_dense.py")
    found = outcomes(library.run("-rA"))
    assert "test_dense[new]" not in found


@pytest.mark.parametrize("make", ["absent", "empty", "library", "release"])
def test_a_store_without_a_golden_fails(library, make):
    library.install()
    library.recipes()
    made = {"empty": "golden", "library": "golden/mylayers", "release": "golden/mylayers/1.0.0"}
    if make in made:
        (library.root / made[make]).mkdir(parents=True)
    result = library.run("-rA")
    assert result.ret == 1
    assert outcomes(result) == {"test_dense[new]": "passed", INTEGRITY: "failed"}
    result.stdout.fnmatch_lines(
        ["*mylayers holds no golden of mylayers yet: record the installed release with *"]
    )
