"""`tabular`: looks up evaluations in a benchmark table, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.evaluators.base import EVALUATORS, Evaluator, failed
from nas_env.objectives import Objective
from nas_env.objectives.reward import Reward
from nas_env.registry import unknown_name
from nas_env.tables import Table, TableTask
from nas_env.tables.base import Numbers
from nas_env.tasks import Task

MEAN, RANDOM = "mean", "random"
HASH_SEED = 2017  # of the weights that hash a walk
CACHE_SIZE = 200_000


class View(NamedTuple):
    """A table under one budget: one reward and report per row, and their optima.

    Attributes:
        reward: (rows,) rewards.
        report: (rows,) reports.
        best_reward: Highest reward among the allowed networks.
        best_report: Highest report among the allowed networks.
        run: (rows,) run used as reward, -1 for the mean.
    """

    reward: Numbers
    report: Numbers
    best_reward: float
    best_report: float
    run: NDArray[np.int64]


@EVALUATORS.register("tabular")
class Tabular(Evaluator):
    """Looks up complete walks in a table, without training.

    The budget's epochs are the fidelity. Its training seed draws the run if `run` is "random". The
    metrics "reward" and "report" of an evaluation are values of two columns. "regret_reward" and
    "regret_report" are their distances from the best value of the same column, among the networks
    that `max_params` allows.

    Args:
        task: The task of a table.
        device: Not used.
        precision: Not used.
        reward: Column used as reward. None: the table's default for the fidelity.
        report: Column used as report. None: the table's default.
        run: If networks were trained several times: a run from 1, "mean", or "random" (drawn for
            each network and training seed). The report is the mean of the other runs, so that it
            does not include the run used for selection. None: the table's default.
        hardware: Device of the table whose latency and energy are added as metrics, both prefixed
            with the device name and as "latency_ms" and "energy_mj" for objectives. "all" adds
            those of all devices, with prefixes only.
        max_params: Limit on parameters; larger networks are excluded from the optimum.
        fidelity: Epochs that are allowed although their reward is a column of a test split.

    Raises:
        IncompatibleError: The task is not a `TableTask`.
        UnknownNameError: No such column or device.
        InvalidSettingError: No such run.
    """

    free = True
    by_walk = True

    def __init__(
        self,
        task: Task,
        device: str = "auto",
        precision: str = "float32",
        reward: str | None = None,
        report: str | None = None,
        run: int | str | None = None,
        hardware: str | None = None,
        max_params: int | None = None,
        fidelity: int | None = None,
    ) -> None:
        if not isinstance(task, TableTask):
            raise IncompatibleError(
                f"Evaluator 'tabular' needs a table, but task {task.spec.name!r} has none. "
                "Use an environment of a table, such as NASBench201-v0."
            )
        self.task, self.table = task, task.table
        self.reward, self.report = reward, self.table.report if report is None else report
        names = [self.report, *(self.table.rewards.values() if reward is None else [reward])]
        runs = [shape[1] for name in names if len(shape := self.table.column(name).shape) == 2]
        self.run = self.table.run if run is None else _checked_run(run, max(runs, default=1))
        self.draws = self.run == RANDOM and bool(runs)
        self.hardware = _hardware(self.table, hardware)
        self.max_params = max_params
        self.default_fidelity = (
            self.table.fidelity if reward is None else self.table.epochs_of(reward)
        )
        self.fidelities = _fidelities(self.table, reward, fidelity)
        self.simulates = "simulated_seconds" in self.metric_names
        self.measures_latency = "latency_ms" in self.metric_names
        self._answers: dict[tuple[int, int, int], Evaluation] = {}
        self._view = lru_cache(maxsize=16)(self._make_view)
        settings = (reward, self.report, self.run, hardware, max_params)
        self.fingerprint = f"tabular-1/{self.table.name}/{'/'.join(map(str, settings))}"

    @cached_property
    def metric_names(self) -> frozenset[str]:
        """Names of the metrics that all networks have at all fidelities."""
        table, rows = self.table, ("reward", "report", "regret_reward", "regret_report")
        more = {**table.metrics, **self.hardware}
        names = {*rows, *(name for name, values in more.items() if not np.isnan(values).any())}
        for name, numbers in (("simulated_seconds", table.seconds), ("loss", table.losses)):
            names |= {name} if all(k in numbers for k in self.fidelities) else set()
        return frozenset(names | ({"accuracy"} if self._accurate else set()))

    @property
    def _accurate(self) -> bool:
        return self.table.accuracies and not (self.reward or "").startswith("-")

    def check(self, budget: Budget) -> None:
        """Raise if the budget's epochs are not in `fidelities`.

        Raises:
            InvalidSettingError: The table has no such fidelity, or only for a test split.
        """
        epochs, column = budget.epochs, self.table.rewards.get(budget.epochs, "")
        if epochs in self.fidelities:
            return
        name, supported = self.table.name, ", ".join(map(str, self.fidelities))
        if self.reward is None and column in self.table.test_columns:
            raise InvalidSettingError(
                f"Fidelity {epochs} of table {name!r} uses {column!r} of the test split as "
                f"reward. Known: {supported}. Create the environment with fidelity={epochs} to "
                "search the test split, an upper bound."
            )
        which = f" with reward {self.reward!r}" if self.reward else ""
        raise InvalidSettingError(
            f"Table {name!r} has no fidelity of {epochs} epochs{which}. Known: {supported}."
        )

    def view(self, budget: Budget) -> View:
        """Return the rewards and reports of the table under a budget.

        Raises:
            InvalidSettingError: The table has no such fidelity.
        """
        self.check(budget)
        return self._view(budget.epochs, budget.training_seed if self.draws else 0)

    def evaluate(self, candidates: Sequence[Candidate], budget: Budget) -> list[Evaluation]:
        """Return one evaluation per candidate, in order.

        Raises:
            InvalidSettingError: The table has no such fidelity.
        """
        self.check(budget)
        seed = budget.training_seed if self.draws else 0
        return [self._answer(x.walk, budget.epochs, seed) for x in candidates]

    def scores(
        self,
        tokens: NDArray[np.int64],
        objective: Objective,
        budget: Budget,
        training_seeds: NDArray[np.int64],
    ) -> Numbers | None:
        """Return the (n,) scores of complete walks, or None if the objective is not `Reward`.

        Args:
            tokens: (n, max_length) decisions plus one, 0 after the last.
            objective: Only `Reward` is vectorised.
            budget: Budget with the fidelity.
            training_seeds: (n,) seeds that draw the runs.
        """
        if not isinstance(objective, Reward):
            return None
        self.check(budget)
        rows = self.rows(tokens)
        values = self.table.column(self._column(budget.epochs))
        if values.ndim == 1 or not self.draws:
            chosen = self._view(budget.epochs, 0).reward[rows]
        else:
            chosen = values[rows, self._drawn(rows, training_seeds, values.shape[1])]
        return np.clip(chosen, *objective.bounds)

    def rows(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (n,) the rows of complete walks, given as tokens (n, max_length)."""
        codes, order = self._codes
        position = np.searchsorted(codes, tokens.astype(np.uint64) @ self._weights)
        return order[np.minimum(position, len(order) - 1)]

    def _drawn(
        self, rows: NDArray[np.int64], seeds: NDArray[np.int64], runs: int
    ) -> NDArray[np.int64]:
        """Draw the run of the network of each row, (n,)."""
        networks = self.table.networks
        return drawn_runs(rows if networks is None else networks[rows], seeds, runs)

    @cached_property
    def _weights(self) -> NDArray[np.uint64]:
        rng = np.random.default_rng(HASH_SEED)
        weights: NDArray[np.uint64] = rng.integers(
            2**64, size=self.table.walks.shape[1:], dtype=np.uint64
        )
        return weights

    @cached_property
    def _codes(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        codes = (self.table.walks.astype(np.int64) + 1).astype(np.uint64) @ self._weights
        order = np.argsort(codes)
        return codes[order], order

    @cached_property
    def _row(self) -> dict[tuple[int, ...], int]:
        lengths = (self.table.walks >= 0).sum(axis=1).tolist()
        walks = self.table.walks.tolist()
        return {tuple(walks[i][: lengths[i]]): i for i in range(len(walks))}

    def _column(self, epochs: int) -> str:
        return self.reward or self.table.rewards[epochs]

    def _make_view(self, epochs: int, seed: int) -> View:
        reward, report = self.table.column(self._column(epochs)), self.table.column(self.report)
        rows = np.arange(len(reward))
        run = np.full(len(rows), -1)
        if self.run != MEAN and 2 in (reward.ndim, report.ndim):
            most = max(x.shape[1] for x in (reward, report) if x.ndim == 2)
            seeds = np.full(len(rows), seed)
            run = self._drawn(rows, seeds, most) if self.draws else run + int(self.run)  # from 0
        rewards, reports = _of_run(reward, run), _of_other_runs(report, run)
        allowed = np.ones(len(rows), dtype=bool)
        if self.max_params is not None:
            allowed = self.table.metrics["params"] <= self.max_params
        return View(
            rewards, reports, float(rewards[allowed].max()), float(reports[allowed].max()), run
        )

    def _answer(self, walk: tuple[int, ...], epochs: int, seed: int) -> Evaluation:
        row = self._row.get(walk)
        if row is None:
            return failed(Outcome.CRASHED, f"Table {self.table.name!r} has no walk {walk}.")
        key = (row, epochs, seed)
        cached = self._answers.get(key)
        if cached is None:
            cached = Evaluation(Outcome.OK, self._metrics(row, epochs, seed), epochs=epochs)
            if len(self._answers) < CACHE_SIZE:
                self._answers[key] = cached
        return cached

    def _metrics(self, row: int, epochs: int, seed: int) -> dict[str, float]:
        table, view = self.table, self._view(epochs, seed)
        reward, report = float(view.reward[row]), float(view.report[row])
        metrics = {"accuracy": reward} if self._accurate else {}
        metrics |= {
            "reward": reward,
            "report": report,
            "regret_reward": view.best_reward - reward,
            "regret_report": view.best_report - report,
        }
        if epochs in table.seconds:
            metrics["simulated_seconds"] = float(table.seconds[epochs][row])
        if epochs in table.losses:
            metrics["loss"] = float(_of_run(table.losses[epochs], view.run)[row])
        columns = {**table.metrics, **self.hardware}
        metrics |= {name: values[row].item() for name, values in columns.items()}
        return {name: value for name, value in metrics.items() if value == value}  # NaN: unknown

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_answers": {}, "_view": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._view = lru_cache(maxsize=16)(self._make_view)


def drawn_runs(
    networks: NDArray[np.int64], seeds: NDArray[np.int64], runs: int
) -> NDArray[np.int64]:
    """Draw a run from 0 for each network and seed, (n,): uniform and deterministic."""
    mixed = networks.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + seeds.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # SplitMix64
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(runs)).astype(np.int64)


def _of_run(values: Numbers, run: NDArray[np.int64]) -> Numbers:
    """Return the (rows,) values of each row's run, or the mean if the run is -1."""
    if values.ndim == 1:
        return values
    chosen = values[np.arange(len(values)), np.maximum(run, 0)]
    return np.where(run < 0, values.mean(axis=1), chosen)


def _of_other_runs(values: Numbers, run: NDArray[np.int64]) -> Numbers:
    """Return the (rows,) means of all runs except each row's own; of all runs if it is -1."""
    if values.ndim == 1:
        return values
    if values.shape[1] == 1:
        return values[:, 0]
    total, own = values.sum(axis=1), _of_run(values, run)
    others: Numbers = (total - own) / (values.shape[1] - 1)
    return np.where(run < 0, values.mean(axis=1), others)


def _checked_run(run: int | str | np.integer[Any], runs: int) -> int | str:
    if isinstance(run, np.integer):
        run = int(run)
    if runs == 1:
        raise InvalidSettingError(
            f"Run {run!r} selects one of several trainings of a network, but the columns have only "
            "one value per network. Leave it out."
        )
    if any(
        type(run) is type(choice) and run == choice
        for choice in (*range(1, runs + 1), MEAN, RANDOM)
    ):
        return run
    raise InvalidSettingError(
        f"Run {run!r} is not in the table. Use {', '.join(map(str, range(1, runs + 1)))}, "
        "'mean' or 'random'."
    )


def _fidelities(table: Table, reward: str | None, fidelity: int | None) -> tuple[int, ...]:
    """Return the supported epochs in ascending order; a single one if the reward column is fixed.

    A fidelity whose reward is a column of a test split is excluded, unless it is the table's
    default or the selected one.
    """
    if reward is not None:
        return (table.epochs_of(reward),)
    explicit = (table.fidelity, fidelity)
    tests = table.test_columns
    return tuple(k for k in table.fidelities if k in explicit or table.rewards[k] not in tests)


def _hardware(table: Table, device: str | None) -> Mapping[str, Numbers]:
    if device is None:
        return {}
    if not table.hardware:
        raise InvalidSettingError(
            f"Table {table.name!r} has no devices, but hardware={device!r} was given. Leave it out."
        )
    if device != "all" and device not in table.hardware:
        raise unknown_name(f"device of table {table.name!r}", device, ["all", *table.hardware])
    if device == "all":
        return {name: values for x in table.hardware for name, values in table.hardware[x].items()}
    own = table.hardware[device]
    return {**own, **{name.removeprefix(f"{device}_"): values for name, values in own.items()}}
