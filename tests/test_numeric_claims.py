"""What budgets are good for, on a real computation: a tanh network of four layers in float32."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_ckptcompat.numeric import Budget, compare, draw, draw_exact, measure, nudge, pack

F = np.float32
WIDTH = 64
SEEDS = range(4)


def network(weights, x, dot=np.matmul):
    for weight in weights:
        x = np.tanh(dot(x, weight))
    return x


def permuted(x, weight):
    order = np.random.default_rng(1).permutation(len(weight))
    return x[:, order] @ weight[order]


def in_two_parts(x, weight):
    third = len(weight) // 3
    return x[:, :third] @ weight[:third] + x[:, third:] @ weight[third:]


def one_by_one(x, weight):
    total = np.zeros((len(x), weight.shape[1]), x.dtype)
    for i, row in enumerate(weight):
        total += x[:, i : i + 1] * row
    return total


class Case:
    """A network as recorded: its weights, input, output and budget."""

    def __init__(self, seed: int, width: int = WIDTH) -> None:
        rng = np.random.default_rng(seed)
        self.weights = [draw((width, width), rng) / np.sqrt(F(width)) for _ in range(4)]
        self.x = draw((8, width), rng)
        self.output = network(self.weights, self.x)
        runs = (
            network([nudge(w, rng) for w in self.weights], nudge(self.x, rng)) for _ in range(8)
        )
        self.budget: Budget = pack(measure(self.output, runs))

    def compare(self, output):
        return compare(self.output, output, self.budget)


@pytest.fixture(params=SEEDS)
def case(request) -> Case:
    return Case(request.param)


@pytest.mark.parametrize("dot", [permuted, in_two_parts, one_by_one])
def test_sums_in_another_order_stay_within_the_budget(case, dot):
    output = network(case.weights, case.x, dot)
    assert not np.array_equal(output, case.output)
    result = case.compare(output)
    assert result.zone == "within"
    assert result.used < 0.5


@pytest.mark.parametrize("layer", range(4))
def test_one_weight_off_by_a_thousandth_is_not_within_the_budget(case, layer):
    weights = [w.copy() for w in case.weights]
    weights[layer][3, 5] *= F(1.001)
    result = case.compare(network(weights, case.x))
    assert result.zone != "within"
    assert result.worst_in_budgets > 20


def test_weights_that_went_through_float16_are_beyond(case):
    halved = [w.astype(np.float16).astype(F) for w in case.weights]
    result = case.compare(network(halved, case.x))
    assert result.zone == "beyond"
    assert result.worst_in_budgets > 500


def test_a_relative_error_cannot_tell_a_wrong_weight_from_another_order():
    case = Case(4)
    weights = [*case.weights[:3], case.weights[3].copy()]
    weights[3][3, 5] *= F(1.001)
    wrong = case.compare(network(weights, case.x))
    order = case.compare(network(case.weights, case.x, one_by_one))
    assert wrong.max_rel < order.max_rel
    assert order.zone == "within" != wrong.zone


def test_exact_sums_are_the_same_bits_in_any_order():
    rng = np.random.default_rng(0)
    x, weight = draw_exact((8, 300), rng), draw_exact((300, 20), rng)
    for dot in (permuted, in_two_parts, one_by_one):
        assert compare(x @ weight, dot(x, weight), exact=True).zone == "within"


def test_exact_sums_show_one_term_that_is_missing():
    rng = np.random.default_rng(0)
    x, weight = draw_exact((8, 300), rng), draw_exact((300, 20), rng)
    result = compare(x @ weight, x[:, 1:] @ weight[1:], exact=True)
    assert (result.zone, result.differing) == ("beyond", result.size)


def test_a_discontinuous_output_may_jump_by_more_than_any_budget():
    rng = np.random.default_rng(0)
    tie = F([[1.5, 0.25, 1.2]])  # 1.5 rounds to 2, as its neighbour above; the one below to 1
    runs = {float(np.rint(nudge(tie, rng))[0, 0]) for _ in range(20)}
    assert runs == {1.0, 2.0}
    measured = pack(measure(np.rint(tie), [np.rint(tie)] * 8))
    assert compare(np.rint(tie), F([[1.0, 0.0, 1.0]]), measured).zone == "beyond"
