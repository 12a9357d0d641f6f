"""Budgets and results of evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from nas_env.architecture import canonical_json, is_count
from nas_env.errors import InvalidSettingError


class Outcome(StrEnum):
    """How an evaluation ended; all outcomes except OK get the objective's failure score."""

    OK = "ok"
    DIVERGED = "diverged"  # the loss became NaN, infinite or very large
    OUT_OF_MEMORY = "out_of_memory"
    TOO_LARGE = "too_large"  # exceeds a limit on memory, operations or latency; not trained
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    PENDING = "pending"  # not evaluated yet, see `nas_env.evaluators.deferred`; never in a store


LIMITS = ("max_seconds", "max_memory_mb", "max_macs", "max_latency_ms")


@dataclass(frozen=True)
class Budget:
    """Limits on the cost of one evaluation, and the training seed.

    Attributes:
        epochs: Passes over the training data after which training stops.
        horizon: Length of the learning-rate schedule in epochs. None: `epochs`.
        training_seed: Seed of initial weights, order of samples, augmentation and dropout.
        max_seconds: Wall-clock limit. If exceeded, the outcome is "timeout". None: no limit.
        max_memory_mb: Limit on the predicted training memory in 10^6 bytes. If exceeded, the
            outcome is "too_large" and the network is not built. None: no limit.
        max_macs: Limit on the predicted multiply-accumulates for one sample. If exceeded, the
            outcome is "too_large" and the network is not built. None: no limit.
        max_latency_ms: Limit on the latency of one batch, measured before training. If exceeded,
            the outcome is "too_large" and the network is not trained. None: no limit. Requires an
            evaluator that measures latency, such as `Training(task, latency=True)`.

    Raises:
        InvalidSettingError: A value is not positive and finite, or horizon < epochs.
    """

    epochs: int = 8
    horizon: int | None = None
    training_seed: int = 0
    max_seconds: float | None = None
    max_memory_mb: float | None = None
    max_macs: float | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "horizon"):
            value = getattr(self, name)
            if isinstance(value, np.integer):
                object.__setattr__(self, name, value := int(value))
            if not (is_count(value) or (name == "horizon" and value is None)):
                raise InvalidSettingError(
                    f"Budget setting {name} must be an integer >= 1, got {value!r}."
                )
        for name in LIMITS:
            value = getattr(self, name)
            if value is None:
                continue
            if not 0 < value < math.inf:
                raise InvalidSettingError(
                    f"Budget setting {name} must be > 0 and finite, got {value}. "
                    "Use None for no limit."
                )
            object.__setattr__(self, name, float(value))  # 1 and 1.0 have the same key in the store
        if self.horizon is not None and self.horizon < self.epochs:
            raise InvalidSettingError(
                f"Budget setting horizon must be >= epochs ({self.epochs}), got {self.horizon}."
            )
        if self.horizon == self.epochs:
            object.__setattr__(self, "horizon", None)  # the same budget, hence the same key
        if not 0 <= self.training_seed < 2**63:
            raise InvalidSettingError(
                f"Budget setting training_seed must be in [0, 2**63), got {self.training_seed}."
            )

    @property
    def schedule_epochs(self) -> int:
        """Length of the learning-rate schedule in epochs."""
        return self.horizon or self.epochs

    def at_fidelity(self, epochs: int | None) -> Budget:
        """Return this budget with another number of epochs; None returns it unchanged."""
        if epochs is None:
            return self
        try:
            flat = replace(self, epochs=epochs, horizon=None)
        except InvalidSettingError as error:
            raise InvalidSettingError(f"Argument fidelity: {error}") from None
        return replace(flat, horizon=max(self.schedule_epochs, epochs))

    @property
    def text(self) -> str:
        """JSON text of all settings except the training seed; part of the keys of a store."""
        rest = {key: x for key, x in self.to_json().items() if x is not None}
        del rest["training_seed"]
        return canonical_json(rest)

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `Budget(**data)` creates an equal budget."""
        return asdict(self)


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one candidate under one budget.

    Attributes:
        outcome: How the evaluation ended.
        metrics: Named numbers. A trained network has "accuracy" and "loss" (validation, fraction
            and nats), "train_loss", "params", "macs" and "activation_bytes" (per sample).
        curve: One mapping of metrics per epoch; after a failure, only the completed epochs.
        epochs: Number of trained epochs, including those before training was continued. If training
            restarted at each stop, the sum over all stops.
        seconds: Wall-clock seconds of the original computation, counted from the first epoch.
        message: Reason of a failure; after a success, a note about anything unusual, or empty.
    """

    outcome: Outcome
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float], ...] = ()
    epochs: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the evaluation succeeded and can be scored."""
        return self.outcome is Outcome.OK

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `from_json` creates an equal evaluation."""
        return {
            "outcome": str(self.outcome),
            "metrics": dict(self.metrics),
            "curve": [dict(point) for point in self.curve],
            "epochs": self.epochs,
            "seconds": self.seconds,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Create an evaluation from the output of `to_json`."""
        return cls(
            Outcome(data["outcome"]),
            data["metrics"],
            tuple(data["curve"]),
            data["epochs"],
            data["seconds"],
            data["message"],
        )

    def summary(self) -> dict[str, str | float]:
        """Return outcome, message and metrics: the values that are reproducible."""
        return {"outcome": str(self.outcome), "message": self.message, **self.metrics}
