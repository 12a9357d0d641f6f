"""A run folder whose search has finished."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_env.architecture import Candidate
from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.evaluation import Budget, Outcome
from nas_env.evaluators.best_epoch import BestEpoch
from nas_env.evaluators.training import Training
from nas_env.factories import make_task
from nas_env.tasks import Task
from nas_env_cli.export.retraining import weights_of
from nas_env_cli.metric_format import MetricFormat, times_in_words
from nas_env_cli.search.plan import LOOK_UP, import_modules
from nas_env_cli.search.user_data import (
    MOVED,
    check_data_exist,
    check_same_data,
    moved_to,
    read_task_again,
)

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "best.safetensors"
RETRAINED = "retrained.json"


class Member(NamedTuple):
    """A network of an ensemble, its weights and its training seed."""

    candidate: Candidate
    weights: Mapping[str, Tensor]
    seed: int


@dataclass(frozen=True)
class Trained:
    """A network with its weights and their origin, or an ensemble.

    Attributes:
        candidate: The network.
        weights: The weights, by their names in `nas_env.network.build`.
        seed: The training seed.
        epochs: Epochs of the training's schedule; early stopping may have ended it before.
        kept_epoch: The epoch of the weights, the best on validation; None: not known.
        origin: Where the weights come from, for the card.
        tested: Values of the task's metric on the test split: first that of these weights, then
            those of the network's other training seeds. Empty if the test split was not used.
        opened: How often the test split was opened, as the predicate of a sentence.
        members: The networks of an ensemble, whose first has the attributes above; empty for a
            single network.
    """

    candidate: Candidate
    weights: Mapping[str, Tensor]
    seed: int
    epochs: int
    kept_epoch: int | None
    origin: str
    tested: Sequence[float] = ()
    opened: str = "was read only for the report of the search"
    members: Sequence[Member] = ()

    @property
    def networks(self) -> Sequence[Member]:
        """The networks: those of the ensemble, or the single one."""
        return self.members or [Member(self.candidate, self.weights, self.seed)]


@dataclass(frozen=True)
class FinishedRun:
    """The folder of a finished search.

    Attributes:
        path: The folder.
        options: Options of the search.
        summary: Content of `summary.json`.
        best: Content of `best.json`.
        made: The task, if the caller has it; None: it is created when needed.
    """

    path: Path
    options: Mapping[str, Any]
    summary: Mapping[str, Any]
    best: Mapping[str, Any]
    made: Task | None = None

    @classmethod
    def read(cls, path: Path, task: Task | None = None, data: str | None = None) -> FinishedRun:
        """Return the run in a folder.

        Args:
            path: The folder.
            task: The task of the search, if the caller has it.
            data: Path of its data; None: the path that the search used.

        Raises:
            InvalidSettingError: There is no run, its search has not finished, or it had no --data.
            IncompatibleError: Its networks were looked up, not trained.
        """
        if not (path / "options.json").is_file():
            raise InvalidSettingError(
                f"There is no run in {path}. Give the folder of a search: its --output, or "
                "runs/DATE-TIME."
            )
        if not (path / "summary.json").is_file():
            raise InvalidSettingError(
                f"The search in {path} has not finished. Run nas-env search with its options, "
                f"--output {path} and --resume."
            )
        names = ("options.json", "summary.json", "best.json")
        options, summary, best = (
            json.loads((path / name).read_text(encoding="utf-8")) for name in names
        )
        if options.get("evaluator") in LOOK_UP.values():
            raise IncompatibleError(
                f"The networks of the search in {path} were looked up by {options['env']}, not "
                "trained, and the training data are not available. Search with --evaluator "
                "training and --task or --data to export or retrain networks."
            )
        import_modules(tuple(options.get("imports", ())))
        if data is not None:
            options = moved_to(data, options)
        return cls(path, options, summary, best, task)

    @cached_property
    def candidate(self) -> Candidate:
        """The best network."""
        return Candidate.from_json(self.best)

    @cached_property
    def task(self) -> Task:
        """The task of the search; the user's data are read again with the same options.

        Raises:
            InvalidDataError: The data can no longer be read.
            IncompatibleError: The data have changed since the search.
        """
        if self.made is None:
            check_data_exist(self.options, MOVED)
        task = self.made or read_task_again(self.options)
        task = task or make_task(None, self.best["task"], self.options.get("data"))
        check_same_data(self.path, task, self.summary["settings"]["data_hash"])
        return task

    @property
    def metric_format(self) -> MetricFormat:
        """The format of the task's metric."""
        return MetricFormat.of(self.task.spec)

    @property
    def epochs(self) -> int:
        """Epochs of each training of the search."""
        return int(self.options["epochs"])

    @property
    def agent(self) -> str:
        """The agent that searched."""
        return str(self.options["agent"])

    @property
    def found_by(self) -> str:
        """The search that found the best network: the agent, or random search."""
        return str(self.best["found_by"])

    @property
    def failed(self) -> str:
        """The counts of failures if all networks failed, else an empty string."""
        outcomes: Mapping[str, int] = self.summary["searches"][self.found_by]["outcomes"]
        all_failed = bool(outcomes) and Outcome.OK not in outcomes
        return ", ".join(f"{count} {x}" for x, count in outcomes.items()) if all_failed else ""

    def all_failed(self) -> IncompatibleError:
        """Return the error for a run in which every network failed."""
        return IncompatibleError(
            f"All networks of the search in {self.path} failed ({self.failed}). Search again, with "
            "looser limits if networks were too large or too slow."
        )

    @property
    def seeds(self) -> list[int]:
        """Training seeds of the search's report; at least one, even if nothing was trained."""
        first = 1 + int(self.options["seed"]) * int(self.options["retrain_seeds"])
        return list(self.summary.get("retraining_seeds", [first]))

    @property
    def retrained(self) -> Mapping[str, Any] | None:
        """The entry of the best network in the summary; None if nothing was trained."""
        entries: list[Mapping[str, Any]] = self.summary.get("retrained", [])
        return next((x for x in entries if x["key"] == self.best["key"]), None)

    def trained(self) -> Trained | None:
        """Return the best network with the weights of the report; None if there are none."""
        file = self.path / WEIGHTS
        if self.retrained is None or not file.is_file():
            return None
        from safetensors.torch import load_file

        return Trained(
            self.candidate,
            load_file(file),
            self.seeds[0],
            self.epochs,
            self.retrained.get("kept_epochs", [None])[0],
            f"of the search's report, for the best network, found by {self.found_by}",
            list(self.retrained[self.metric_format.key]),
        )

    def converged(self) -> Trained | None:
        """Return the best network of nas-env retrain; None if there is none.

        It has the best mean on the validation split; the weights are those of the first seed.

        Raises:
            IncompatibleError: Its weights are missing.
        """
        file = self.path / RETRAINED
        data = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        whole = [x for x in data.get("networks", []) if not x["failed"]]
        if not whole:
            return None
        import torch

        sign = self.metric_format.sign
        best = max(whole, key=lambda x: sign * fmean(y["validation"] for y in x["measured"]))
        candidate = Candidate.from_json(best["candidate"])
        seed, epochs = data["training_seeds"][0], data["plan"]["epochs"]
        weights = weights_file(self.path, candidate, epochs, seed)
        if not weights.is_file():
            raise IncompatibleError(
                f"{weights} is missing, which nas-env retrain wrote. Restore it, or export the "
                "network of the search's report with --searched."
            )
        saved = torch.load(weights, weights_only=True)
        origin = (
            f"of nas-env retrain: of {len(data['networks'])} networks that were trained longer "
            f"the best on validation, found by {best['found_by']}"
        )
        tested = [x["test"] for x in best["measured"]]
        times = times_in_words(data["test_openings"])
        opened = f"was read for the report of the search, and {times} for networks trained longer"
        kept = best.get("kept_epochs", [None])[0]
        return Trained(candidate, saved["weights"], seed, epochs, kept, origin, tested, opened)

    def train(self, device: str = "auto", epochs: int | None = None) -> Trained:
        """Train the best network by its recipe, with early stopping; the test split stays sealed.

        Args:
            device: Device of the training.
            epochs: Epochs; None: those of the search.
        """
        budget = Budget(epochs=epochs or self.epochs, training_seed=self.seeds[0])
        best = BestEpoch.of(self.task.spec, budget.epochs)
        network, _ = Training(self.task, device).train(self.candidate, budget, None, best)
        return Trained(
            self.candidate,
            weights_of(network),
            self.seeds[0],
            budget.epochs,
            best.number,
            "that were trained for this export; the test split was not opened for them",
            opened=Trained.opened if self.retrained is not None else "was not read",
        )


def weights_file(run: Path, candidate: Candidate, epochs: int, seed: int) -> Path:
    """Return the path of the weights of a longer training in a run folder."""
    return run / "retraining" / f"{candidate.trained_key}-{epochs}-{seed}.pt"
