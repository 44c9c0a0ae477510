"""Libraries of several styles: each is recorded, passes as it is, and breaks as it should."""

from __future__ import annotations

import pytest

RECIPE = """
import mylayers
import pytest

@pytest.mark.ckptcompat(inputs=[(3,)])
def test_net():
    return mylayers.Net()
"""

HEAD = """
import enum
import dataclasses
import types
from collections import OrderedDict, namedtuple

import numpy as np

def drawn(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")
"""

STYLES = {
    "a dataclass": """
@dataclasses.dataclass
class Net:
    w: np.ndarray = dataclasses.field(default_factory=lambda: drawn(2, 3))
    b: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, "float32"))
    scale: float = 2.0

    def __call__(self, x):
        return self.scale * (self.w @ x + self.b)
""",
    "a frozen dataclass with slots": """
@dataclasses.dataclass(frozen=True, slots=True)
class Net:
    w: np.ndarray = dataclasses.field(default_factory=lambda: drawn(2, 3))
    scale: float = 2.0

    def __call__(self, x):
        return self.scale * (self.w @ x)
""",
    "private slots of a base class": """
class Base:
    __slots__ = ("__w",)

    def __init__(self):
        self.__w = drawn(2, 3)

    def apply(self, x):
        return self.__w @ x

class Net(Base):
    __slots__ = "scale"

    def __init__(self):
        super().__init__()
        self.scale = 2.0

    def __call__(self, x):
        return self.scale * self.apply(x)
""",
    "state and load from the configuration": """
class Net:
    def __init__(self):
        self.w, self.scale = drawn(2, 3), 2.0
        self.lock = types.SimpleNamespace(me=self)

    def __call__(self, x):
        return self.scale * (self.w @ x)

def save(net):
    return {"w": net.w, "scale": net.scale}

def restore(net, state):
    (net.w, net.scale) = state["w"], state["scale"]
""",
    "layers in lists, dicts and named tuples": """
Pair = namedtuple("Pair", "left right")

class Dense:
    def __init__(self, n, m, act):
        self.w, self.act = drawn(n, m), act

    def __call__(self, x):
        return self.act(self.w @ x)

class Net:
    def __init__(self):
        self.layers = [Dense(4, 3, np.tanh), Dense(2, 4, np.abs)]
        self.heads = OrderedDict(a=Dense(2, 2, np.tanh), b={"w": drawn(2, 2)})
        self.pads = Pair(1, 2)
        self.arrays = Pair(drawn(2), drawn(2))
        self.scale = 2.0

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        self.heads.move_to_end("b")
        x = self.heads["a"](x) + self.heads["b"]["w"] @ x + self.pads.left * self.arrays.right
        return {"y": self.scale * x, "norm": float(x.sum()), "none": None}
""",
    "enumerations, functions, big integers and empty values": """
class Mode(enum.Enum):
    SUM = 1
    MEAN = 2

def double(x):
    return 2 * x

class Net:
    def __init__(self):
        self.w, self.empty, self.one = drawn(2, 3), np.zeros((0, 4)), np.array(1.5)
        self.mode, self.act, self.big, self.nothing = Mode.MEAN, double, 2**80, None
        self.infinite, self.text, self.scale = float("inf"), "grüße/\\0", np.float32(2)
        self.nan = np.array([np.nan, 1.0])
        self.odd = {"": drawn(1), "a/b": drawn(2), "größe": (), "%": [], 3: drawn(3)}

    def __call__(self, x):
        assert self.mode is Mode.MEAN
        assert self.big == 2**80
        return self.scale * self.act(self.w @ x) * self.one
""",
    "one layer in two places": """
class Dense:
    def __init__(self):
        self.w, self.scale = drawn(3, 3), 2.0

class Net:
    def __init__(self):
        self.first = self.second = Dense()

    def __call__(self, x):
        assert self.first is self.second
        return self.second.w @ np.tanh(self.first.w @ x) * self.first.scale
""",
    "a setting that the whole module shares": """
class Settings:
    scale = 1.0
    def __init__(self):
        self.scale, self.bias = 2.0, np.ones(2, "float32")

SHARED = Settings()

class Net:
    def __init__(self):
        self.w, self.settings = drawn(2, 3), SHARED

    def __call__(self, x):
        assert SHARED.bias[0] == 1
        return self.settings.scale * (self.w @ x) + self.settings.bias
""",
}


@pytest.fixture
def styled(library, request):
    """A library of the style, its 1.0.0 recorded."""
    if request.param.startswith("state and load"):
        library.configure(
            'library = "mylayers"\nstate = "mylayers:save"\nload = "mylayers:restore"'
        )
    library.recipes(RECIPE)
    library.install("1.0.0", HEAD + STYLES[request.param])
    library.record()
    library.style = request.param
    return library


@pytest.mark.parametrize("styled", STYLES, indirect=True)
def test_an_unchanged_release_passes(styled):
    styled.install("1.0.1", HEAD + STYLES[styled.style])
    result = styled.run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["mylayers 1.0.1: 1 passed, largest share of an error budget 0%"])


@pytest.mark.parametrize("styled", STYLES, indirect=True)
def test_another_forward_pass_is_seen(styled):
    source = HEAD + STYLES[styled.style]
    styled.install("1.0.1", source.replace("@ x", "@ (x + 1)"))
    result = styled.run("-k", "net")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  load     ok", "  state    ok", "  forward  *elements differ*"])


@pytest.mark.parametrize("styled", ["a dataclass", "one layer in two places"], indirect=True)
def test_a_changed_default_of_a_saved_static_is_handled_where_all_fields_are_restored(styled):
    source = HEAD + STYLES[styled.style]
    changed = source.replace("scale: float = 2.0", "scale: float = 3.0").replace(
        "drawn(3, 3), 2.0", "drawn(3, 3), 3.0"
    )
    assert changed != source
    styled.install("1.0.1", changed)
    result = styled.run("-k", "net")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["mylayers 1.0.1: 1 passed, 1 with drift*"])
