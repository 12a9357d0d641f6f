"""Objectives: finite bounds, failures, and the formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Evaluation, Outcome
from nas_env.objectives import (
    OBJECTIVES,
    AccuracyUnderCost,
    BlockQNN,
    Constrained,
    MnasNet,
    NegativeLoss,
    Objective,
    WeightedSum,
)

FRACTIONS = ("accuracy", "balanced_accuracy", "f1", "roc_auc")
ERRORS = ("loss", "mse", "mae")
QUALITIES = {*FRACTIONS, *ERRORS, "r2"}  # what a better network has more, or less, of


def evaluation(accuracy: float = 0.5, loss: float = 1.0, params: int = 1000) -> Evaluation:
    """Return an evaluation with the metrics of every kind of task."""
    metrics = {name: accuracy for name in FRACTIONS} | {name: loss for name in ERRORS}
    metrics |= {"r2": 1.0 - loss, "params": params, "macs": 10 * params, "density": 1.5}
    return Evaluation(Outcome.OK, metrics)


def evaluation_for(objective: Objective, *quality: float) -> Evaluation:
    """Return an evaluation that also has the metrics that only this objective needs."""
    whole = evaluation(*quality)
    own = {name: 1.0 for name in objective.needs if name not in whole.metrics}
    return Evaluation(Outcome.OK, {**whole.metrics, **own})


@given(
    accuracy=st.floats(0, 1),
    loss=st.floats(0, 1e6),
    params=st.integers(1, 10**12),
)
def test_scores_stay_within_finite_bounds(
    objective_name: str, accuracy: float, loss: float, params: int
) -> None:
    objective = OBJECTIVES.get(objective_name)()
    low, high = objective.bounds
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low <= objective.failure <= high
    whole = evaluation(accuracy, loss, params).metrics
    found = Evaluation(Outcome.OK, {**evaluation_for(objective).metrics, **whole})
    assert low <= objective.score(found) <= high


def test_objectives_name_the_metrics_they_need(objective_name: str) -> None:
    objective = OBJECTIVES.get(objective_name)()
    whole = evaluation_for(objective).metrics
    enough = {name: whole[name] for name in objective.needs}
    try:
        value = objective.value(Evaluation(Outcome.OK, enough))
    except IncompatibleError:  # it takes one of several metrics, and says so
        assert not objective.needs
    else:
        assert value == objective.value(Evaluation(Outcome.OK, whole))
    for name in objective.needs:
        metrics = {key: value for key, value in whole.items() if key != name}
        with pytest.raises((KeyError, IncompatibleError), match=name):
            objective.value(Evaluation(Outcome.OK, metrics))


def test_a_score_without_a_metric_that_is_needed_is_refused(objective_name: str) -> None:
    objective = OBJECTIVES.get(objective_name)()
    whole = evaluation_for(objective).metrics
    for name in objective.needs:
        metrics = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(IncompatibleError, match=rf"needs {name}, but the evaluation has "):
            objective.score(Evaluation(Outcome.OK, metrics))
        assert objective.score(Evaluation(Outcome.CRASHED, metrics)) == objective.failure


def test_every_failure_has_the_failure_score(objective_name: str) -> None:
    objective = OBJECTIVES.get(objective_name)()
    for outcome in Outcome:
        if outcome not in (Outcome.OK, Outcome.PENDING):
            assert objective.score(Evaluation(outcome)) == objective.failure
    assert objective.failure == objective.bounds[0]


def test_a_pending_evaluation_has_no_score_yet(objective_name: str) -> None:
    assert math.isnan(OBJECTIVES.get(objective_name)().score(Evaluation(Outcome.PENDING)))


def test_a_better_network_never_scores_less(objective_name: str) -> None:
    objective = OBJECTIVES.get(objective_name)()
    better = [evaluation_for(objective, x, 1 - x) for x in (0.1, 0.5, 0.9)]
    scores = [objective.score(x) for x in better]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1] or not QUALITIES.intersection(objective.needs)


def test_descriptions_tell_settings_apart(objective_name: str) -> None:
    objective = OBJECTIVES.get(objective_name)
    assert objective().describe() == objective().describe()
    others = [OBJECTIVES.get(name)().describe() for name in OBJECTIVES if name != objective_name]
    assert objective().describe() not in others


def test_accuracy_is_the_accuracy() -> None:
    assert OBJECTIVES.get("accuracy")().score(evaluation(0.875)) == 0.875


def test_negative_loss_turns_the_sign_and_cuts_off() -> None:
    objective = NegativeLoss()
    assert objective.score(evaluation(loss=1.25)) == -1.25
    assert objective.score(evaluation(loss=1e9)) == objective.failure == -10.0
    assert NegativeLoss(worst=3.0).bounds == (-3.0, 0.0)


@pytest.mark.parametrize(
    ("params", "factor"), [(1, 1.0), (10_000, 1.0), (20_000, 0.5**0.07), (100_000, 0.1**0.07)]
)
def test_accuracy_under_cost(params: int, factor: float) -> None:
    found = AccuracyUnderCost().score(evaluation(0.8, params=params))
    assert found == pytest.approx(0.8 * factor)


def test_ten_times_the_target_costs_what_the_page_says() -> None:
    found = AccuracyUnderCost(target_params=500).score(evaluation(1.0, params=5000))
    assert found == pytest.approx(0.85, abs=0.002)
    hard = AccuracyUnderCost(target_params=500, exponent=1.0)
    assert hard.score(evaluation(1.0, params=5000)) == pytest.approx(0.1)


def test_cubed_accuracy_spreads_good_networks() -> None:
    objective = OBJECTIVES.get("cubed-accuracy")()
    assert objective.score(evaluation(0.95)) == pytest.approx(0.857375)
    gained = objective.score(evaluation(0.95)) - objective.score(evaluation(0.9))
    assert gained == pytest.approx(0.13, abs=0.002), "as the page says"


@pytest.mark.parametrize(
    ("name", "cost", "factor"),
    [
        ("mnasnet-soft", 10_000, 1.0),
        ("mnasnet-soft", 20_000, 0.5**0.07),
        ("mnasnet-soft", 5_000, 2**0.07),
        ("mnasnet-hard", 5_000, 1.0),
        ("mnasnet-hard", 10_000, 1.0),
        ("mnasnet-hard", 20_000, 0.5),
    ],
)
def test_mnasnet_is_soft_on_both_sides_or_hard_on_one(name: str, cost: int, factor: float) -> None:
    found = OBJECTIVES.get(name)().score(evaluation(0.8, params=cost))
    assert found == pytest.approx(0.8 * factor)


def test_mnasnet_takes_any_metric_and_a_cost_of_nothing() -> None:
    objective = MnasNet(80.0, "latency_ms", -0.07, -0.07)
    assert objective.needs == ("accuracy", "latency_ms")
    for latency, score in ((160.0, 0.95), (80.0, 1.0), (0.0, 2.0)):
        metrics = {"accuracy": 1.0, "latency_ms": latency}
        assert objective.score(Evaluation(Outcome.OK, metrics)) == pytest.approx(score, abs=0.003)


def test_block_qnn_takes_logarithms_off() -> None:
    objective = BlockQNN(mu=0.02, rho=0.1)
    metrics = {"accuracy": 0.9, "macs": 1e6, "density": 10**0.5}
    assert objective.score(Evaluation(Outcome.OK, metrics)) == pytest.approx(0.9 - 0.12 - 0.05)
    empty = {"accuracy": 0.9, "macs": 0, "density": 0.0}
    assert objective.score(Evaluation(Outcome.OK, empty)) == pytest.approx(0.9)


def test_a_weighted_sum_is_one_and_is_cut_off() -> None:
    objective = WeightedSum({"accuracy": 1.0, "loss": -0.5}, least=0.0, greatest=0.6)
    assert objective.score(evaluation(0.9, loss=1.0)) == pytest.approx(0.4)
    assert objective.score(evaluation(0.9, loss=3.0)) == 0.0
    assert objective.score(evaluation(0.9, loss=0.1)) == 0.6
    assert OBJECTIVES.get("weighted-sum")().score(evaluation(0.9, params=10_000)) == 0.89


def test_over_a_limit_every_network_is_worse_than_under_it() -> None:
    objective = Constrained({"params": 1000, "macs": 10_000}, "accuracy")
    assert objective.bounds == (-1.0, 1.0)
    assert objective.score(evaluation(0.3, params=1000)) == 0.3
    assert objective.score(evaluation(0.0, params=1000)) == 0.0
    assert objective.score(evaluation(1.0, params=2000)) == pytest.approx(-0.5)
    assert objective.score(evaluation(1.0, params=4000)) == pytest.approx(-0.75)
    inner = Constrained({"params": 1000}, NegativeLoss(worst=5.0))
    assert inner.bounds == (-6.0, 0.0)
    assert inner.score(evaluation(loss=1.0, params=2000)) == pytest.approx(-5.5)
    assert inner.needs == ("loss", "params")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MnasNet(0.0, "params", 0.0, 0.0), "target must be > 0"),
        (lambda: MnasNet(1.0, "params", 0.1, 0.0), "below must be <= 0"),
        (lambda: BlockQNN(rho=-1.0), "rho must be >= 0"),
        (lambda: WeightedSum({}), "must hold finite numbers"),
        (lambda: WeightedSum({"loss": math.nan}), "must hold finite numbers"),
        (lambda: WeightedSum(least=1.0), "least < greatest"),
        (lambda: Constrained({}), "must hold numbers > 0"),
        (lambda: Constrained({"params": 0}), "must hold numbers > 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("negative-loss", {"worst": 0.0}),
        ("accuracy-under-cost", {"target_params": 0}),
        ("accuracy-under-cost", {"exponent": -0.07}),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettingError, match=f"{next(iter(settings))} must be > 0"):
        OBJECTIVES.get(name)(**settings)
