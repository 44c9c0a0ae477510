# ruff: noqa: E501, ISC004  patterns of whole lines; fnmatch takes them as they are
"""Each kind of break in a library's fourth release is caught by the stage that should, in words.

Three releases are recorded, whose fields change in ways that the library's loader handles:
1.0.0 has ``bias`` and no ``gain``, 1.1.0 has both, 1.2.0 calls ``bias`` ``shift``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from layerlib import LayerLibrary

RECIPE = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3, 9)])
def test_block():
    return mylayers.Block()
"""

#: The fourth release, unbroken. Its loader knows every state since 1.0.0.
GOOD = """
import numpy as np

class Block:
    def __init__(self):
        rng = np.random.default_rng(7)
        self.query = rng.normal(size=(4, 3)).astype("float32")
        self.key = rng.normal(size=(4, 3)).astype("float32")
        self.shift = np.zeros(4, "float32")
        self.gain = np.ones(4, "float32")
        self.stride = 2
        self.pad = (1, 0)

    def __call__(self, x):
        left, right = self.pad
        x = np.pad(x, ((0, 0), (left, right)))[:, :: self.stride]
        y = np.tanh(self.query @ x) * (self.key @ x)
        return self.gain[:, None] * y + self.shift[:, None]

    def state_dict(self):
        return dict(vars(self))

    def load_state_dict(self, state):
        state = dict(state)
        state.setdefault("gain", np.ones(4, "float32"))
        if "bias" in state:
            state["shift"] = state.pop("bias")
        if set(state) != set(vars(self)):
            raise KeyError(f"unexpected {sorted(set(state) ^ set(vars(self)))}")
        for name, value in state.items():
            setattr(self, name, value)
"""

WITH_BIAS = GOOD.replace("shift", "bias").replace(
    '        if "bias" in state:\n            state["bias"] = state.pop("bias")\n', ""
)
WITHOUT_GAIN = (
    WITH_BIAS.replace('        self.gain = np.ones(4, "float32")\n', "")
    .replace('        state.setdefault("gain", np.ones(4, "float32"))\n', "")
    .replace("self.gain[:, None] * y", "y")
)

RELEASES = {"1.0.0": WITHOUT_GAIN, "1.1.0": WITH_BIAS, "1.2.0": GOOD}

#: What the three releases recorded, file by file, once a test needed it.
_recorded: dict[str, bytes] = {}


@pytest.fixture
def released(library: LayerLibrary) -> LayerLibrary:
    """The library with three releases recorded."""
    library.recipes(RECIPE)
    if not _recorded:
        for version, source in RELEASES.items():
            library.install(version, source)
            library.record()
        _recorded.update(library.bytes())
    for name, content in _recorded.items():
        path = library.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return library


def changed(*replacements: tuple[str, str]) -> str:
    """The fourth release with something changed."""
    source = GOOD
    for old, new in replacements:
        assert source.count(old) == 1, f"{source.count(old)} times: {old}"
        source = source.replace(old, new)
    return source


def run(library: LayerLibrary, source: str) -> pytest.RunResult:
    library.install("1.3.0", source)
    return library.run("-k", "block")


def test_a_good_release_passes_and_the_drift_that_it_handles_is_a_note(released):
    result = run(released, GOOD)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["mylayers 1.3.0: *3 passed, 2 with drift, *"])


NEW_FIELD = "        self.pad = (1, 0)\n"
STORE = "            setattr(self, name, value)\n"

#: What changes, and the lines of the failure of 1.2.0's golden that tell it, in their order.
BREAKS = {
    "a field is added and the loader raises": (
        [(NEW_FIELD, NEW_FIELD + "        self.outpad = 0\n")],
        [
            "mylayers 1.2.0 -> 1.3.0 | block | route state | BREAK",
            "  load     failed: KeyError: *outpad*",
            "  fields   + outpad   added; a fresh layer has 0; in no golden up to 1.2.0",
            "  state    not reached",
            "  Whoever saved block with mylayers 1.2.0 or before cannot load it any more.",
            '*.added("outpad", 0)*',
        ],
    ),
    "a field is removed and the loader raises": (
        [(NEW_FIELD, ""), ("left, right = self.pad", "left, right = 1, 0")],
        ["  load     failed: KeyError: *pad*", "  fields   - pad   removed; the golden has (1, 0)"],
    ),
    "a field is renamed and the loader raises": (
        [
            ("self.key = rng", "self.keys = rng"),
            ("(self.key @ x)", "(self.keys @ x)"),
        ],
        ["  load     failed: KeyError: *", "  fields   ~ key   renamed to keys[?]"],
    ),
    "an array is retyped and the loader casts": (
        [
            (
                STORE,
                "            own = np.asarray(getattr(self, name)).dtype\n"
                '            setattr(self, name, value if name in ("stride", "pad") else '
                "value.astype(own))\n",
            ),
            (
                'self.key = rng.normal(size=(4, 3)).astype("float32")',
                'self.key = rng.normal(size=(4, 3)).astype("float16")',
            ),
        ],
        [
            "*~ key   retyped narrower: an array float32[[]4, 3] -> an array float16[[]4, 3] (lost: *",
            "  forward *elements differ*",
        ],
    ),
    "an array is reshaped to another size and ignored": (
        [
            ('self.gain = np.ones(4, "float32")', 'self.gain = np.ones(1, "float32")'),
            (
                STORE,
                "            if np.shape(value) == np.shape(getattr(self, name)):\n    " + STORE,
            ),
        ],
        [
            "*~ gain   reshaped other size: an array float32[[]4] -> an array float32[[]1] (ignored: *",
            "  state    ok",
            "  forward *elements differ*",
        ],
    ),
    "an array is reshaped to the same size and read in the wrong order": (
        [
            ("self.key = rng.normal(size=(4, 3))", "self.key = rng.normal(size=(3, 4))"),
            ("(self.key @ x)", "(self.key.T @ x)"),
            (
                STORE,
                '            if name == "key":\n                value = value.reshape(3, 4)\n'
                + STORE,
            ),
        ],
        ["*note: key reshaped same size", "  state    ok", "  forward *elements differ*"],
    ),
    "a tuple becomes a longer list and the loader keeps its own": (
        [
            ("self.pad = (1, 0)", "self.pad = [1, 0, 2]"),
            ("left, right = self.pad", "left, right = self.pad[:2]"),
            (STORE, '            if name != "pad":\n    ' + STORE),
        ],
        [
            "mylayers * | NEEDS ACKNOWLEDGEMENT",
            "*~ pad   type changed: (1, 0) -> [[]1, 0, 2] (ignored: the layer keeps its own) [[]ack[]]",
            "  state    ok",
            "  forward  ok",
        ],
    ),
    "fields are reordered and the loader goes by position": (
        [
            ('        self.query = rng.normal(size=(4, 3)).astype("float32")\n', ""),
            (
                "        self.shift = ",
                '        self.query = rng.normal(size=(4, 3)).astype("float32")\n        self.shift = ',
            ),
            (
                "for name, value in state.items():",
                "for name, value in zip(vars(self), state.values()):",
            ),
        ],
        [
            "*note: (root) reordered",
            "*not the golden's bits after loading: 2 of 4 arrays (query, key); query has what the "
            "golden*",
            "  forward *elements differ*",
        ],
    ),
    "the default of a static field changes and the loader keeps its own": (
        [
            ("self.stride = 2", "self.stride = 1"),
            (STORE, '            if name != "stride":\n    ' + STORE),
        ],
        [
            "*~ stride   value changed: 2 -> 1 (ignored: the layer keeps its own)",
            "  state    ok",
            "  forward *the shape is (4, 10), the golden has (4, 5)",
        ],
    ),
    "the loader loads nothing": (
        [(STORE, "            pass\n")],
        [
            "  fields   ok",
            "*not loaded: 4 of 4 arrays (query, key, shift, gain) left as a fresh *",
            "  forward *elements differ*",
        ],
    ),
    "the loader skips one array without a word": (
        [(STORE, '            if name != "gain":\n    ' + STORE)],
        [
            "  fields   ok",
            "*gain: not loaded: 1 of 4 arrays (gain) left as a fresh layer has it",
            "  forward *elements differ*",
        ],
    ),
    "the loader swaps two arrays of one shape": (
        [(STORE, '            name = {"query": "key", "key": "query"}.get(name, name)\n' + STORE)],
        [
            "  fields   ok",
            "*query: not the golden's bits after loading: 2 of 4 arrays (query, key); query has what*",
            "  forward *elements differ*",
        ],
    ),
    "the loader gives an array another dtype": (
        [
            (
                STORE,
                '            value = value.astype("float64") if name == "key" else value\n' + STORE,
            )
        ],
        [
            "*key: not the golden's bits after loading: 1 of 4 arrays (key); key is float64[[]4, 3] *",
            "  forward *the dtype is float64, the golden has float32",
        ],
    ),
    "a static field is overwritten by the loader": (
        [
            (
                "        for name, value in state.items():",
                '        state["stride"] = 3\n        for name, value in state.items():',
            )
        ],
        ["*~ stride   was 2 on both sides; the loader made it 3", "  state    ok", "  forward *"],
    ),
    "an array at random is new and the loader leaves it": (
        [
            (NEW_FIELD, NEW_FIELD + "        self.mask = np.random.default_rng().normal(size=4)\n"),
            (
                '        if "bias" in state:',
                '        state.setdefault("mask", self.mask)\n        if "bias" in state:',
            ),
        ],
        [
            "*note: mask added",
            "*mask: the golden lacks it and two fresh layers differ in it: the checkpoint does not *",
            "  forward  ok",
        ],
    ),
    "the padding is off by one side": (
        [("(left, right)))", "(right, left)))")],
        [
            "  fields   ok",
            "  state    ok",
            "  forward *elements differ; worst at [[]*error budgets*",
        ],
    ),
    "the forward pass changes by much": (
        [("self.gain[:, None] * y", "self.gain[:, None] * y * y")],
        [
            "  state    ok",
            "  forward *16 of 20 elements differ; *",
            "  Whoever saved block with mylayers 1.2.0 can load it, but it computes something *",
        ],
    ),
    "NaN appears": (
        [("* (self.key @ x)", "* (self.key @ x)\n        y[1, 2] = np.nan")],
        ["  forward *NaN does not match at 1 of 20 elements, the first at [[]1, 2[]]"],
    ),
    "the output has another dtype": (
        [("+ self.shift[:, None]", '+ self.shift[:, None].astype("float64")')],
        ["  forward *the dtype is float64, the golden has float32"],
    ),
    "the output has another shape": (
        [("+ self.shift[:, None]", "+ self.shift[:, None, None]")],
        ["  forward *the shape is (4, 4, 5), the golden has (4, 5)"],
    ),
    "the output has another structure": (
        [
            (
                "return self.gain[:, None] * y + self.shift[:, None]",
                "return self.gain[:, None] * y, self.shift",
            )
        ],
        ["  forward *restructured: expected an array float32[[]4, 5], got a tuple of (0, 1)"],
    ),
    "the forward pass raises": (
        [("left, right = self.pad", "left, right = self.padding")],
        [
            "  state    ok",
            "  forward *raised AttributeError: 'Block' object has no attribute "
            "'padding' (*__init__.py:*)",
            "  Whoever saved block with mylayers 1.2.0 can load it, but not run it any more.",
        ],
    ),
    "a static field is lost but the outputs are right": (
        [
            (NEW_FIELD, ""),
            ("left, right = self.pad", "left, right = 1, 0"),
            ("        if set(state)", '        state.pop("pad", None)\n        if set(state)'),
        ],
        [
            "mylayers * | NEEDS ACKNOWLEDGEMENT",
            "*- pad   removed; the golden has (1, 0) (lost: nothing of it is in the loaded layer) "
            "[[]ack[]]",
            "  forward  ok",
            "  If the loss is meant, record it with a reason: ckptcompat ack block",
        ],
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_break_is_caught_by_its_stage_in_words(released, what):
    replacements, lines = BREAKS[what]
    result = run(released, changed(*replacements))
    assert result.parseoutcomes()["failed"] >= 1, what
    text = result.stdout.str().partition("test_block[1.2.0-state] ___")[2]
    unwrapped = text.replace("\n" + 13 * " ", " ").splitlines()
    pytest.LineMatcher(unwrapped).fnmatch_lines(lines)


def test_a_field_that_the_loader_never_set_is_blamed_when_the_forward_pass_raises(library):
    library.recipes(RECIPE)
    plain = "\n".join(GOOD.partition("    def state_dict")[0].splitlines()) + "\n"
    library.install("1.0.0", plain)
    library.record()
    library.install(
        "1.1.0",
        plain.replace(NEW_FIELD, NEW_FIELD + "        self.scale = 2.0\n").replace(
            "+ self.shift[:, None]", "+ self.shift[:, None] * self.scale"
        ),
    )
    result = library.run("-k", "block")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "  load     ok",
            "  fields   + scale   added; a fresh layer has 2.0 (the loaded layer lacks it); in no *",
            "  state    ok",
            "  forward  raised AttributeError: 'Block' object has no attribute 'scale'*",
            '*return state.added("scale", 2.0)',
        ]
    )


def test_a_new_field_with_a_default_of_its_class_passes_though_old_objects_lack_it(library):
    library.recipes(RECIPE)
    plain = GOOD.partition("    def state_dict")[0]
    library.install("1.0.0", plain)
    library.record()
    library.install(
        "1.1.0",
        plain.replace("class Block:", "class Block:\n    scale = 1.0\n")
        .replace(NEW_FIELD, NEW_FIELD + "        self.scale = 1.0\n")
        .replace("+ self.shift[:, None]", "+ self.shift[:, None] * self.scale"),
    )
    library.run("-k", "block").assert_outcomes(passed=1)


HAIR = [("np.tanh(self.query @ x)", "np.tanh(np.float32(1 + 4e-5) * (self.query @ x))")]


def test_a_formula_that_changed_by_a_hair_is_shifted_and_does_not_fail(released):
    result = run(released, changed(*HAIR))
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["mylayers 1.3.0: 3 shifted*", "  shifted: block*: * elements differ; *error budgets off*"]
    )


def test_a_hair_fails_where_the_configuration_says_so(released):
    released.configure('library = "mylayers"\nverdicts.shifted = "fail"')
    result = run(released, changed(*HAIR))
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["  forward  * elements differ; *"])


def test_a_seed_that_the_layer_fixes_itself_is_no_break(released):
    source = changed(
        (NEW_FIELD, NEW_FIELD + "        self.mask = np.random.default_rng(1).normal(size=4)\n"),
        (
            '        if "bias" in state:',
            '        state.setdefault("mask", self.mask)\n        if "bias" in state:',
        ),
    )
    run(released, source).assert_outcomes(passed=3)


def test_an_acknowledged_loss_passes(released):
    replacements, _ = BREAKS["a static field is lost but the outputs are right"]
    released.ledger('[[acknowledge]]\nrecipe = "block"\npath = "pad"\nreason = "always (1, 0)"\n')
    run(released, changed(*replacements)).assert_outcomes(passed=3)


TIED = {
    "one array": "        self.key = self.query\n",
    "two arrays": "        self.key = self.query.copy()\n",
}
KEY = '        self.key = rng.normal(size=(4, 3)).astype("float32")\n'


def test_arrays_that_are_untied_pass_and_the_drift_is_a_note(library):
    library.recipes(RECIPE)
    library.install("1.0.0", changed((KEY, TIED["one array"])))
    library.record()
    library.install("1.1.0", changed((KEY, TIED["two arrays"])))
    result = library.run("-k", "block")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["mylayers 1.1.0: 1 passed, 1 with drift*"])


def test_arrays_that_are_tied_now_lose_one_of_the_two(library):
    library.recipes(RECIPE)
    library.install("1.0.0", changed((KEY, TIED["two arrays"])))
    library.record()
    tied = changed(
        (KEY, TIED["one array"]),
        (
            STORE,
            "            own = getattr(self, name)\n"
            "            if isinstance(own, np.ndarray):\n"
            "                own[...] = value\n"
            "            else:\n    " + STORE,
        ),
    )
    library.install("1.1.0", tied)
    result = library.run("-k", "block")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*note: key tied", "*query: not the golden's bits after loading: 1 of 4 arrays (query)*"]
    )
