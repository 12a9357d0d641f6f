"""Training of the best networks of a search to convergence, alone and as an ensemble."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError, NASError
from nas_env.evaluation import Budget
from nas_env.evaluators.best_epoch import patience_of
from nas_env.evaluators.training import Training
from nas_env.files import write_atomically
from nas_env.network import build, predict
from nas_env.store import SQLStore
from nas_env_cli.export.finished import RETRAINED, FinishedRun, weights_file
from nas_env_cli.export.retraining import train_once, weights_of
from nas_env_cli.search.folder import token_of
from nas_env_cli.search.provenance import versions

if TYPE_CHECKING:
    from torch import nn

EPOCHS = 40  # default of each training
Log = Callable[[str], None]


@dataclass(frozen=True)
class LongerPlan:
    """Settings of the longer trainings.

    Attributes:
        top: Number of networks: the best of the run by score.
        seeds: Training seeds of each network.
        epochs: Maximum epochs of each training; the learning-rate schedule spans all of them.
            None: `EPOCHS`, or those of the search if they are more.
        device: Device of the trainings.

    Raises:
        InvalidSettingError: A number is below 1.
    """

    top: int = 5
    seeds: int = 3
    epochs: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("top", "seeds", "epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidSettingError(f"Option --{name} must be >= 1, got {value}.")

    def checked(self, search_epochs: int) -> LongerPlan:
        """Return this plan with a number of epochs.

        Args:
            search_epochs: The most epochs that a network of the search was trained for.

        Raises:
            InvalidSettingError: The plan has fewer epochs.
        """
        if self.epochs is None:
            return replace(self, epochs=max(EPOCHS, search_epochs))
        if self.epochs < search_epochs:
            raise InvalidSettingError(
                f"Option --epochs must be >= {search_epochs}, the epochs of the search, got "
                f"{self.epochs}. Leave it out, or give a larger number."
            )
        return self


@dataclass(frozen=True)
class FoundNetwork:
    """A network of a run.

    Attributes:
        candidate: The network.
        agent: The agent that found it.
        score: Its score in the search.
        epochs: The epochs of its budget in the search.
    """

    candidate: Candidate
    agent: str
    score: float
    epochs: int


def best_of(run: FinishedRun, top: int, store: str | None = None) -> list[FoundNetwork]:
    """Return the best distinct networks of a run's searches, by score; earlier ones win ties.

    Networks that differ only in their training recipe count as one.

    Args:
        run: The run.
        top: Maximum number of networks.
        store: Store of the run; None: the one in its options.

    Raises:
        IncompatibleError: The store does not contain the run, or all of its networks failed.
        StoreError: There is no such store.
    """
    where = store or run.options.get("store") or run.path / "store.sqlite"
    networks = _networks_of(run, where)
    if not networks and run.failed:
        raise run.all_failed()
    if not networks:
        raise IncompatibleError(
            f"The store {where} has no network of the run in {run.path}. Give the store of the "
            "run with --store."
        )
    different: dict[str, FoundNetwork] = {}
    for x in sorted(networks, key=lambda x: -x.score):
        different.setdefault(x.candidate.function or x.candidate.architecture.key, x)
    return list(different.values())[:top]


def _networks_of(run: FinishedRun, store: str | Path) -> list[FoundNetwork]:
    """Return the networks of a run's searches that did not fail, from its store."""
    tokens = {token_of(run.path, name): name for name in run.summary["searches"]}
    with closing(SQLStore(store)) as opened:
        return [
            FoundNetwork(
                entry.candidate,
                tokens[search.info.token],
                entry.score,
                json.loads(entry.key.budget)["epochs"],
            )
            for search in opened.searches()
            if search.info.token in tokens
            for entry in opened.entries(search.id)
            if entry.evaluation.ok
        ]


class Trainings:
    """Trainings of chosen networks; finished trainings are saved and not repeated.

    Args:
        run: The run of the networks.
        plan: Settings of the trainings, with a number of epochs.
        log: Called with one line after each training.

    Raises:
        IncompatibleError: The task has no method `validate`.
    """

    def __init__(self, run: FinishedRun, plan: LongerPlan, log: Log) -> None:
        self.run, self.plan, self.log = run, plan, log
        self.epochs = plan.epochs or EPOCHS
        self.patience = patience_of(self.epochs)
        self.task: Any = run.task
        self.folder = run.path / "retraining"
        if not hasattr(self.task, "validate"):
            raise IncompatibleError(
                f"Task {self.task.spec.name!r} has no method `validate`, so an ensemble cannot be "
                "measured on its validation split. Give it one, as SupervisedTask has."
            )
        self.evaluator = Training(self.task, plan.device)

    @property
    def seeds(self) -> list[int]:
        """The training seeds; they differ between searches and from the seed of the search."""
        first = 1 + int(self.run.options["seed"]) * self.plan.seeds
        return list(range(first, first + self.plan.seeds))

    def all(self, networks: Sequence[FoundNetwork]) -> list[list[dict[str, Any]]]:
        """Train each network with each seed; return the results, without weights after a failure.

        Raises:
            NASError: All trainings failed.
        """
        self.folder.mkdir(exist_ok=True)
        count = len(networks) * self.plan.seeds
        results = []
        for place, network in enumerate(networks):
            row = []
            for number, seed in enumerate(self.seeds):
                done = place * self.plan.seeds + number + 1
                row.append(
                    self._one(network.candidate, seed, f"{done}/{count} network {place + 1}")
                )
            results.append(row)
        if not any(x["weights"] for row in results for x in row):
            raise NASError("All trainings failed. Try fewer --epochs.")
        return results

    def network(self, candidate: Candidate, result: dict[str, Any]) -> nn.Module | None:
        """Return the trained network of a result; None if the training failed."""
        import torch

        if result["weights"] is None:
            return None
        network: Any = build(candidate.architecture, self.task.spec)
        network.load_state_dict(result["weights"])
        if len(self.task.spec.input_shape) == 3:
            network = network.to(memory_format=torch.channels_last)
        module: nn.Module = network.to(self.evaluator.device).eval()
        return module

    def _one(self, candidate: Candidate, seed: int, name: str) -> dict[str, Any]:
        import torch

        path = weights_file(self.run.path, candidate, self.epochs, seed)
        begun = time.monotonic()
        result = torch.load(path, weights_only=True) if path.is_file() else {}
        settings = {"fingerprint": self.evaluator.fingerprint, "patience": self.patience}
        reused = all(result.get(name) == value for name, value in settings.items())
        if not reused:
            result = {**settings, **self._train(candidate, seed)}
            content = io.BytesIO()
            torch.save(result, content)
            write_atomically(path, content.getvalue())
        fmt = self.run.metric_format
        quality = "failed"
        if result["weights"]:
            kept = result["kept_epoch"]
            value = fmt.sentence(result["curve"][kept - 1])
            quality = f"validation {value}, epoch {kept} of {len(result['curve'])}"
        spent = "kept from before" if reused else f"{time.monotonic() - begun:.0f} s"
        self.log(f"{name}, seed {seed}: {quality}, {spent}")
        return result

    def _train(self, candidate: Candidate, seed: int) -> dict[str, Any]:
        """Return the weights and the validation curve; the weights are None after a failure."""
        budget = Budget(epochs=self.epochs, training_seed=seed)
        trained = train_once(self.evaluator, candidate, budget, early_stopping=True)
        if trained is None:
            return {"weights": None, "curve": [], "kept_epoch": None}
        values = [epoch[self.task.spec.metric] for epoch in trained.curve]
        weights = weights_of(trained.network)
        return {"weights": weights, "curve": values, "kept_epoch": trained.kept_epoch}


def retrain_best(
    run: FinishedRun,
    plan: LongerPlan,
    store: str | None = None,
    again: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Train the best networks of a run, open the test split once, and return the results.

    All trainings come first. Then the test split is opened once for all networks and ensembles.
    The results are saved as `retrained.json` in the run folder. A second call with the same plan
    returns the saved results. With `again`, it trains missing networks and opens the test split
    once more.

    Raises:
        InvalidSettingError: The test split was opened for another plan, and `again` is False, or
            the plan has fewer epochs than the search.
        NASError: See `best_of` and `Trainings`.
    """
    file = run.path / RETRAINED
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    if before is not None and not again:
        plan = plan.checked(before["search_epochs"])
        if before["plan"] == asdict(plan):
            return before  # type: ignore[no-any-return]
        options = ", ".join(f"{key} {value}" for key, value in before["plan"].items())
        raise InvalidSettingError(
            f"The test split was opened for {file} already, with {options}. Give the same options "
            "to see the results, or --again to open it once more; the table reports how often."
        )
    networks = best_of(run, plan.top, store)
    search_epochs = max(run.epochs, *(x.epochs for x in networks))
    plan = plan.checked(search_epochs)
    trainings = Trainings(run, plan, log)
    results = trainings.all(networks)
    data = {
        "plan": asdict(plan),
        "training_seeds": trainings.seeds,
        "search_epochs": search_epochs,
        "patience": trainings.patience,
        "task": run.task.fingerprint,
        "sizes": list(run.task.spec.sizes),
        **asdict(run.metric_format),
        "test_openings": 1 + (before["test_openings"] if before else 0),
        "versions": versions(),
        **_measured(trainings, networks, results),
    }
    write_atomically(file, json.dumps(data, indent=2))
    return data


def _measured(
    trainings: Trainings, networks: Sequence[FoundNetwork], results: Sequence[Sequence[Any]]
) -> dict[str, Any]:
    """Measure networks and ensembles on both splits; this opens the test split."""
    from nas_env.export.ensemble import Ensemble

    task, device = trainings.task, trainings.evaluator.device
    modules = [
        [trainings.network(chosen.candidate, x) for x in row]
        for chosen, row in zip(networks, results, strict=True)
    ]

    spec = task.spec
    worst = 0.0 if spec.higher_is_better else spec.baseline_error

    def both(network: nn.Module | None) -> dict[str, float]:
        if network is None:
            return {"validation": worst, "test": worst}
        splits = {"validation": task.validate, "test": task.test}
        return {name: split(network, device=device)[spec.metric] for name, split in splits.items()}

    def together(networks: Sequence[nn.Module]) -> dict[str, float]:
        return both(Ensemble(networks, spec.problem) if networks else None)

    by_seed = [[x for x in column if x is not None] for column in zip(*modules, strict=True)]
    every = [x for column in by_seed for x in column]
    seeds = [together(column) for column in by_seed]
    rows = [
        {**_described(chosen, spec, row), "measured": [both(x) for x in own]}
        for chosen, row, own in zip(networks, results, modules, strict=True)
    ]
    return {"networks": rows, "ensemble_by_seed": seeds, "ensemble_of_all": together(every)}


def _described(network: FoundNetwork, spec: Any, results: Sequence[Any]) -> dict[str, Any]:
    cost = predict(network.candidate.architecture, spec)
    trained = [x for x in results if x["weights"]]
    return {
        "key": network.candidate.key,
        "found_by": network.agent,
        "search_score": network.score,
        "params": cost.params,
        "macs": cost.macs,
        "candidate": network.candidate.to_json(),
        "failed": len(results) - len(trained),
        "validation_curves": [x["curve"] for x in trained],
        "kept_epochs": [x["kept_epoch"] for x in trained],
    }
