"""Evaluators for tests of multi-fidelity: learning curves that are written down, and batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators import Evaluator, failed


def network(units: int) -> Candidate:
    return Candidate(Architecture((Layer.of("linear", units=units),)))


def units(candidate: Candidate) -> int:
    return int(candidate.architecture.layers[0]["units"])


class Written(Evaluator):
    """Reads learning curves by the network's width, and remembers what it was asked for.

    Args:
        curves: Width to the accuracy after each epoch; it fails where that is negative.
        by_curve: Whether evaluations hold the curve, or only the last point, as tables do.
        slots: How many evaluations run at once; with more than one, whoever uses it ends them.
    """

    fingerprint = "written"

    def __init__(
        self, curves: Mapping[int, Sequence[float]], by_curve: bool = True, slots: int = 1
    ) -> None:
        self.curves = curves
        self.by_curve = by_curve
        self.calls: list[tuple[Budget, list[int]]] = []
        self.running: list[tuple[Future[Evaluation], Candidate, Budget]] = []
        self._slots = slots

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def asked(self) -> list[tuple[int, list[int]]]:
        """Epochs and widths of each call."""
        return [(budget.epochs, widths) for budget, widths in self.calls]

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        self.calls.append((budget, [units(x) for x in candidates]))
        return [self._one(units(x), budget.epochs) for x in candidates]

    def submit(self, candidate: Candidate, budget: Budget) -> Future[Evaluation]:
        if self.slots == 1:
            return super().submit(candidate, budget)
        future: Future[Evaluation] = Future()
        self.running.append((future, candidate, budget))
        return future

    def finish(self, index: int) -> None:
        """End one of the evaluations that run."""
        future, candidate, budget = self.running.pop(index)
        future.set_result(self.evaluate([candidate], budget)[0])

    def _one(self, width: int, epochs: int) -> Evaluation:
        points = tuple({"accuracy": x} for x in self.curves[width][:epochs])
        if any(point["accuracy"] < 0 for point in points):
            return failed(Outcome.DIVERGED, "written so")
        curve = points if self.by_curve else ()
        return Evaluation(Outcome.OK, {**points[-1], "params": width}, curve, epochs, float(epochs))


def trained_recipes(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Return a list that gets the recipe of every epoch that is trained from now on."""
    from nas_env.tasks._loop import Loop

    recipes: list[Recipe] = []
    original = Loop._epoch
    monkeypatch.setattr(Loop, "_epoch", lambda *x: recipes.append(x[0].recipe) or original(*x))
    return recipes


def three(inherited: bool) -> tuple[Recipe, list[Candidate]]:
    """Return three networks and the recipe that only they have; a parent's weights if inherited."""
    recipe, parent = Recipe(batch_size=50), network(3) if inherited else None
    return recipe, [replace(network(x), recipe=recipe, parent=parent) for x in (4, 5, 6)]
