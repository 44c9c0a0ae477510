"""Routes beside an adapter's own: named in the configuration or in the mark."""

import pytest
from layerlib import DENSE, LayerLibrary, outcomes

#: The library's own file format, and a loader that knows an old name of a field.
FILES = (
    DENSE
    + """

def save(layer, path):
    np.savez(path, **{k: v for k, v in layer.state_dict().items() if k != "slope"})

def restore(layer, path):
    with np.load(path) as file:
        layer.load_state_dict({**file, "slope": layer.slope})

def load_any(layer, state):
    state = dict(state)
    state.setdefault("slope", 1.5)
    layer.load_state_dict(state)
"""
)
NPZ = """
library = "mylayers"
[tool.ckptcompat.routes.npz]
save = "mylayers:save"
restore = "mylayers:restore"
suffix = ".npz"
"""


@pytest.fixture
def library(pytester, monkeypatch):
    return LayerLibrary(pytester, monkeypatch)


def test_a_native_file_is_recorded_beside_the_golden_and_restored(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["state", "npz"]')
    library.record()
    entry = library.manifest()["goldens"]["dense"]
    assert entry["routes"] == ["state", "npz"]
    assert (library.golden / "1.0.0" / entry["artifacts"]["npz"]["file"]).suffix == ".npz"
    found = outcomes(library.run("-rA"))
    assert found["test_dense[1.0.0-state]"] == "passed"
    assert found["test_dense[1.0.0-npz]"] == "passed"


def test_the_verdict_depends_on_the_route(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["state", "npz"]')
    library.record()
    broken = FILES.replace('{**file, "slope": layer.slope}', "{**file}")
    library.install("1.1.0", broken)
    found = outcomes(library.run("-rA"))
    assert found["test_dense[1.0.0-state]"] == "passed"
    assert found["test_dense[1.0.0-npz]"] == "failed"


def test_a_changed_native_file_is_told_before_it_is_read(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["npz"]')
    library.record()
    path = library.golden / "1.0.0" / "dense.npz"
    path.write_bytes(path.read_bytes()[:-1])
    result = library.run("-k", "test_dense")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*dense.npz is not the file that was recorded*"])


def test_a_route_that_does_not_restore_is_refused_and_the_golden_kept(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES.replace('{**file, "slope": layer.slope}', "{**file}"))
    library.recipe(mark='inputs=[(3, 5)], routes=["state", "npz"]')
    library.record()
    manifest = library.manifest()
    assert manifest["goldens"]["dense"]["routes"] == ["state"]
    assert "KeyError" in manifest["refused"]["dense (npz)"]


def test_a_static_value_that_a_file_does_not_carry_is_left_to_the_outputs(library):
    library.configure(NPZ)
    tells = FILES.replace("        vars(self).update(more)", "        self.origin = ''\n").replace(
        "    with np.load(path)", "    layer.origin = 'file'\n    with np.load(path)"
    )
    tells = tells.replace('"slope": layer.slope}', '"slope": layer.slope, "origin": "file"}')
    tells = tells.replace('if k != "slope"', 'if k not in ("slope", "origin")')
    library.install("1.0.0", tells)
    library.recipe(mark='inputs=[(3, 5)], routes=["state", "npz"]')
    library.record()
    assert library.manifest()["goldens"]["dense"]["routes"] == ["state", "npz"]
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-npz]"] == "passed"


def test_a_file_is_not_refused_for_what_it_does_not_carry(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["npz"]')
    library.record()
    broken = FILES.replace('{**file, "slope": layer.slope}', "{**file}").replace(
        "        vars(self).update(more)", "        self.origin = ''\n"
    )
    library.install("1.1.0", broken)
    result = library.run("-k", "test_dense")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*load *failed: KeyError*", "*fields *ok", "*note: origin added*"])


def test_a_mark_names_a_loader_as_a_route(library):
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes={"any": mylayers.load_any}')
    library.record()
    library.install("1.1.0", FILES)
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-any]"] == "passed"


def test_the_configuration_names_a_loader_as_a_route(library):
    library.configure('library = "mylayers"\nroutes = { any = "mylayers:load_any" }')
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["any"]')
    library.record()
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-any]"] == "passed"


@pytest.mark.parametrize(
    "table",
    ['{ save = "mylayers:save" }', "{ }", '{ load = "mylayers:load_any", suffix = ".npz" }'],
)
def test_half_a_route_is_refused(library, table):
    library.configure(f'library = "mylayers"\nroutes.half = {table}')
    library.install("1.0.0", FILES)
    library.recipe()
    result = library.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*needs load*or save, restore and suffix*"])


def test_a_library_that_writes_another_kind_of_file_is_told(library):
    library.configure(NPZ + '\n[tool.ckptcompat.verdicts]\n"artifact changed" = "ack"')
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["npz"]')
    library.record()
    other = FILES.replace("    np.savez(path, **", '    path.write_bytes(b"{"), dict(**')
    library.install("1.1.0", other)
    result = library.run("-rA")
    assert outcomes(result)["test_dense[1.0.0-npz]"] == "failed"
    result.stdout.fnmatch_lines(
        ["*~ (root)   artifact changed: a zip file -> JSON*ack*", "  forward  ok"]
    )
    library.configure(NPZ)
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-npz]"] == "passed"


def test_a_library_that_can_only_read_its_files_is_checked_all_the_same(library):
    library.configure(NPZ)
    library.install("1.0.0", FILES)
    library.recipe(mark='inputs=[(3, 5)], routes=["npz"]')
    library.record()
    library.install("1.1.0", FILES.replace("    np.savez(path", "    raise OSError(path"))
    assert outcomes(library.run("-rA"))["test_dense[1.0.0-npz]"] == "passed"
