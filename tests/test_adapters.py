"""The adapter of plain libraries, and how adapters are found."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

from pytest_ckptcompat.adapters import AdapterError, find, resolve
from pytest_ckptcompat.adapters.plain import PlainAdapter
from pytest_ckptcompat.config import Library


class Pair(NamedTuple):
    left: Any
    right: Any


def layer(**fields):
    return _Layer().filled(fields)


class _Layer:
    def filled(self, fields):
        vars(self).update(fields)
        return self


def restored(target, state):
    return PlainAdapter().load(target, state, "state")


def test_the_fields_of_objects_within_are_taken_too():
    net = layer(inner=[layer(w=np.ones(1))], pair=Pair(1, layer(n=2)))
    state = PlainAdapter().state(net)
    assert state == {"inner": [{"w": np.ones(1)}], "pair": (1, {"n": 2})}


def test_a_ufunc_is_a_value_and_no_object():
    assert PlainAdapter().state(layer(act=np.tanh)) == {"act": np.tanh}


def test_private_slots_are_fields():
    class Slotted:
        __slots__ = ("__w",)

        def __init__(self):
            self.__w = 1

    assert PlainAdapter().state(Slotted()) == {"_Slotted__w": 1}


def test_a_layer_gets_exactly_the_saved_fields():
    net = restored(layer(a=1, b=2), {"b": 3, "c": 4})
    assert vars(net) == {"b": 3, "c": 4}


def test_what_layers_share_is_not_written_to():
    shared = layer(scale=1)
    net = restored(layer(settings=shared), {"settings": {"scale": 2}})
    assert net.settings.scale == 2
    assert shared.scale == 1


def test_one_object_in_two_places_stays_one():
    inner = layer(n=1)
    net = restored(layer(a=inner, b=inner), {"a": {"n": 2}, "b": {"n": 2}})
    assert net.a is net.b


def test_containers_keep_their_classes():
    net = restored(
        layer(pair=Pair(1, 2), order=OrderedDict(a=1)), {"pair": (3, 4), "order": {"b": 2}}
    )
    assert net.pair == Pair(3, 4)
    assert net.pair.left == 3
    assert net.order == OrderedDict(b=2)
    assert isinstance(net.order, OrderedDict)


def test_a_report_of_a_loader_is_not_taken_for_the_layer():
    class Reporting(_Layer):
        def load_state_dict(self, state):
            vars(self).update(state)
            return ["missing"]

    net = Reporting()
    assert restored(net, {"a": 1}) is net


def test_outputs_that_are_objects_are_taken_apart():
    assert PlainAdapter().forward(lambda: layer(y=1, z=None), (), {}, None) == {"y": 1, "z": None}


def test_an_object_that_contains_itself_is_refused():
    net = layer()
    net.me = net
    with pytest.raises(ValueError, match="contains itself; give state= and load="):
        PlainAdapter().state(net)


def test_an_unknown_adapter_is_refused_with_the_known_ones():
    with pytest.raises(AdapterError, match=r"unknown adapter 'nump'; known: .*numpy"):
        resolve(Library("mylayers", adapter="nump"))


def test_a_callable_that_is_not_there_is_refused_with_its_key():
    with pytest.raises(AdapterError, match="state of mylayers is 'math:no', which cannot be found"):
        resolve(Library("mylayers", state="math:no"))
    with pytest.raises(AdapterError, match="x is 'math:pi', which is not callable"):
        find("math:pi", "x")


def test_the_configured_callables_are_used():
    adapter = resolve(Library("mylayers", state="builtins:vars"))
    assert adapter.state(layer(a=1)) == {"a": 1}
