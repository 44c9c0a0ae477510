"""The items that a recipe becomes, and that they are pytest's own."""

from __future__ import annotations

from layerlib import DENSE, DENSE_WITH_SCALE, outcomes

INTEGRITY = "ckptcompat_integrity_mylayers"

TWO_ROUTES = (
    DENSE
    + """
from pytest_ckptcompat.adapters.plain import PlainAdapter

class Adapter(PlainAdapter):
    routes = ("state", "second")
"""
)

PARAMETRIZED = """
import mylayers
import pytest

@pytest.mark.parametrize("n", [2, 3], ids=["k2", "k3"])
@pytest.mark.ckptcompat(inputs=[(3, 5)])
def test_dense(n):
    return mylayers.Dense(3, n)
"""


def test_a_recipe_has_an_item_for_each_golden(library):
    library.released("0.9.0", "1.0.0")
    assert outcomes(library.run("-rA")) == {
        "test_dense[0.9.0-state]": "passed",
        "test_dense[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_goldens_are_in_the_order_of_versions(library):
    library.released("1.9.0", "1.10.0", "1.2.0")
    library.install("2.0.0")
    result = library.run("--collect-only", "-q")
    found = [line.partition("[")[2] for line in result.stdout.lines if "[" in line]
    assert found == ["1.2.0-state]", "1.9.0-state]", "1.10.0-state]"]


def test_a_recipe_has_an_item_for_each_route(library):
    library.configure('library = "mylayers"\nadapter = "mylayers:Adapter"')
    library.install("1.0.0", TWO_ROUTES)
    library.recipe(mark='inputs=[(3, 5)], routes=["state", "second"]')
    library.record()
    assert outcomes(library.run("-rA")) == {
        "test_dense[1.0.0-state]": "passed",
        "test_dense[1.0.0-second]": "passed",
        INTEGRITY: "passed",
    }


def test_the_ids_of_the_users_parameters_come_first(library):
    library.released("1.0.0", recipes=PARAMETRIZED)
    assert outcomes(library.run("-rA")) == {
        "test_dense[k2-1.0.0-state]": "passed",
        "test_dense[k3-1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_parametrized_recipes_have_a_golden_for_each_case(library):
    library.released("1.0.0", recipes=PARAMETRIZED)
    assert sorted(library.manifest()["goldens"]) == ["dense-k2", "dense-k3"]


def test_a_case_that_was_added_later_has_no_item_for_earlier_versions(library):
    library.released("1.0.0", recipes=PARAMETRIZED)
    library.recipes(PARAMETRIZED.replace("[2, 3], ids=[", '[4, 2, 3], ids=["k4", '))
    assert outcomes(library.run("-rA")) == {
        "test_dense[k4-new]": "passed",
        "test_dense[k2-1.0.0-state]": "passed",
        "test_dense[k3-1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_two_parametrize_marks_multiply(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        @pytest.mark.parametrize("n_out", [2, 4])
        @pytest.mark.parametrize("n_in", [3, 5])
        @pytest.mark.ckptcompat(inputs=lambda rng: [rng.normal(size=(3, 7)).astype("f4")])
        def test_dense(n_in, n_out):
            return mylayers.Dense(3, n_in * n_out)
        """,
    )
    assert sorted(library.manifest()["goldens"]) == [
        "dense-3-2",
        "dense-3-4",
        "dense-5-2",
        "dense-5-4",
    ]


def test_a_recipe_whose_name_begins_with_anothers_gets_its_own_goldens(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)], name="dense-k2")
        def test_one():
            return mylayers.Dense()

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            return mylayers.Dense(3, 4)
        """,
    )
    assert outcomes(library.run("-rA")) == {
        "test_one[1.0.0-state]": "passed",
        "test_dense[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_a_method_is_a_recipe_by_its_class_and_name(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        class TestDense:
            class TestSmall:
                n_out = 4

                @pytest.mark.ckptcompat(inputs=[(3, 5)])
                def test_plain(self):
                    return mylayers.Dense(3, self.n_out)
        """,
    )
    assert list(library.manifest()["goldens"]) == ["TestDense.TestSmall.plain"]
    assert outcomes(library.run("-rA")) == {
        "TestDense::TestSmall::test_plain[1.0.0-state]": "passed",
        f"TestDense::TestSmall::{INTEGRITY}": "passed",
    }


def test_a_mark_on_a_class_makes_recipes_of_its_methods(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        class TestDense:
            def test_two(self):
                return mylayers.Dense(3, 2)

            def test_four(self):
                return mylayers.Dense(3, 4)
        """,
    )
    assert sorted(library.manifest()["goldens"]) == ["TestDense.four", "TestDense.two"]


def test_a_mark_on_the_module_makes_recipes_of_its_functions(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        pytestmark = pytest.mark.ckptcompat(inputs=[(3, 5)])

        def test_dense():
            return mylayers.Dense()
        """,
    )
    assert list(library.manifest()["goldens"]) == ["dense"]


def test_the_closest_mark_wins_argument_by_argument(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        pytestmark = pytest.mark.ckptcompat(inputs=[(8, 5)], call="run")

        class Run(mylayers.Dense):
            def run(self, x):
                return self(x)

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            return Run()
        """,
    )
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "passed"


def test_a_fixture_builds_the_layer(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        @pytest.fixture
        def layer(tmp_path):
            return mylayers.Dense(3, 4)

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense(layer):
            return layer
        """,
    )
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "passed"


def test_a_parametrized_fixture_gives_a_golden_for_each_case(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        @pytest.fixture(params=[2, 4], ids=["small", "large"])
        def n_out(request):
            return request.param

        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense(n_out):
            return mylayers.Dense(3, n_out)
        """,
    )
    assert outcomes(library.run("-rA")) == {
        "test_dense[small-1.0.0-state]": "passed",
        "test_dense[large-1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_usefixtures_and_autouse_fixtures_run(library):
    library.released(
        "1.0.0",
        recipes="""
        import mylayers
        import pytest

        seen = []

        @pytest.fixture
        def asked():
            seen.append("asked")

        @pytest.fixture(autouse=True)
        def always():
            seen.append("always")

        @pytest.mark.usefixtures("asked")
        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            assert set(seen) == {"asked", "always"}
            return mylayers.Dense()
        """,
    )
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "passed"


def test_a_skipped_recipe_is_skipped(library):
    library.released("1.0.0")
    library.recipes(
        """
        import pytest

        @pytest.mark.skip(reason="not here")
        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            raise AssertionError
        """
    )
    library.run().assert_outcomes(skipped=1, passed=1)


def test_a_recipe_may_skip_itself(library):
    library.released("1.0.0")
    library.recipe("pytest.skip('no GPU')")
    library.run().assert_outcomes(skipped=1, passed=1)


def test_an_xfail_mark_counts_for_a_recipe(library):
    library.released("1.0.0")
    library.install("1.1.0", DENSE_WITH_SCALE)
    library.recipes(
        """
        import mylayers
        import pytest

        @pytest.mark.xfail(strict=True, reason="known")
        @pytest.mark.ckptcompat(inputs=[(3, 5)])
        def test_dense():
            return mylayers.Dense()
        """
    )
    library.run().assert_outcomes(xfailed=1, passed=1)


def test_a_skip_of_one_case_leaves_the_others(library):
    library.released("1.0.0", recipes=PARAMETRIZED)
    library.recipes(
        PARAMETRIZED.replace(
            '[2, 3], ids=["k2", "k3"]',
            '[pytest.param(2, id="k2", marks=pytest.mark.skip), pytest.param(3, id="k3")]',
        )
    )
    assert outcomes(library.run("-rA"))["test_dense[k3-1.0.0-state]"] == "passed"
    library.run().assert_outcomes(passed=2, skipped=1)


def test_the_name_argument_names_the_golden(library):
    library.recipe(mark='inputs=[(3, 5)], name="tall"')
    library.released("1.0.0", recipes=None)
    assert list(library.manifest()["goldens"]) == ["tall"]


def test_a_name_leaves_the_test_free_to_be_renamed_and_moved(library):
    mark = '@pytest.mark.ckptcompat(inputs=[(3, 5)], name="tall")'
    source = (
        f"import mylayers\nimport pytest\n\n{mark}\ndef test_one():\n    return mylayers.Dense()"
    )
    library.released("1.0.0", recipes=source)
    (library.root / "test_recipes.py").unlink()
    library.recipes(source.replace("test_one", "test_other"), "sub/test_moved.py")
    assert outcomes(library.run("-rA")) == {
        "test_other[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_a_recipe_has_no_item_below_its_since(library):
    library.recipe(mark='inputs=[(3, 5)], since="2.0"')
    library.recipes(file="test_other.py").write_text(
        "import mylayers, pytest\n\n@pytest.mark.ckptcompat(inputs=[(3, 5)])\n"
        "def test_old():\n    return mylayers.Dense()\n"
    )
    library.install("1.0.0")
    library.record("test_other.py")
    assert outcomes(library.run("-rA")) == {
        "test_old[1.0.0-state]": "passed",
        INTEGRITY: "passed",
    }


def test_a_recipe_is_not_recorded_from_a_version_below_its_since(library):
    library.recipe(mark='inputs=[(3, 5)], since="2.0"')
    library.install("1.0.0")
    library.run("--ckpt-record")
    assert not library.golden.exists()


def test_recipes_of_another_library_name_it(library):
    library.install("1.0.0")
    library.configure("""
        [tool.ckptcompat.libraries.mylayers]
        paths = ["one"]
        [tool.ckptcompat.libraries.numpy]
        """)
    source = """
        import mylayers, pytest

        @pytest.mark.ckptcompat(inputs=[(3, 5)]{more})
        def test_{name}():
            return mylayers.Dense()
        """
    library.recipes(source.format(more="", name="of_the_folder"), "one/test_a.py")
    library.recipes(source.format(more=', library="numpy"', name="named"), "one/test_b.py")
    library.record()
    assert list(library.manifest()["goldens"]) == ["of_the_folder"]
    (release,) = (library.root / "golden" / "numpy").iterdir()
    assert (release / "named.h5").is_file()


def test_each_library_has_one_integrity_item(library):
    test_recipes_of_another_library_name_it(library)
    found = outcomes(library.run("-rA"))
    assert [name for name in found if "integrity" in name] == [
        "ckptcompat_integrity_mylayers",
        "ckptcompat_integrity_numpy",
    ]


def test_keyword_inputs_and_statics_reach_the_layer(library):
    library.recipe(
        "return mylayers.Dense()",
        'inputs={"x": (3, 5), "scale": 2}, call=lambda layer, x, scale: scale * layer(x)',
    )
    library.released("1.0.0", recipes=None)
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-state]"] == "passed"
