"""The format of a task's metric: fractions in percent, errors in their unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas_env.evaluation import Evaluation
from nas_env.evaluators.latency import was_too_slow
from nas_env.tasks import TaskSpec
from nas_env_cli.spread import mean_sd


@dataclass(frozen=True)
class MetricFormat:
    """A metric in tables and sentences.

    Attributes:
        metric: Its name, as in the metrics of an evaluation.
        fraction: Whether it lies in [0, 1] and is shown in percent.
    """

    metric: str = "accuracy"
    fraction: bool = True

    @classmethod
    def of(cls, spec: TaskSpec) -> MetricFormat:
        """Return the format of the metric of a task."""
        return cls(spec.metric, spec.higher_is_better)

    @property
    def words(self) -> str:
        """Name of the metric in a sentence."""
        return {"roc_auc": "ROC-AUC", "f1": "F1"}.get(self.metric, self.metric.replace("_", " "))

    @property
    def title(self) -> str:
        """Name of the metric as a column head."""
        return f"{self.words}, %" if self.fraction else self.words

    @property
    def unit(self) -> str:
        """Suffix of a number in a sentence."""
        return " %" if self.fraction else ""

    @property
    def sign(self) -> int:
        """1 if higher is better, -1 for an error."""
        return 1 if self.fraction else -1

    @property
    def key(self) -> str:
        """Key of the test values of all seeds in `summary.json`."""
        return f"test_{'accuracies' if self.metric == 'accuracy' else self.metric}"

    def number(self, value: float) -> str:
        """Return a value as text, without its unit."""
        return f"{100 * value:.2f}" if self.fraction else f"{value:.5g}"

    def amount(self, value: float) -> str:
        """Return a difference of values as text."""
        return f"{self.number(value)} points" if self.fraction else self.number(value)

    def sentence(self, value: float) -> str:
        """Return a value as text, with its name and unit."""
        return f"{self.words} {self.number(value)}{self.unit}"

    def signed(self, value: float) -> str:
        """Return a difference of values as text, with its sign and without its unit."""
        return f"{'-' if value < 0 else '+'}{self.number(abs(value))}"

    def spread(self, values: Sequence[float]) -> str:
        """Return mean ± standard deviation as text, or the value if there is only one."""
        mean, sd = mean_sd(values)
        return " ± ".join(map(self.number, (mean, sd)[: len(values)]))


def ending(evaluation: Evaluation) -> str:
    """Return the outcome of an evaluation in words.

    Example:
        >>> from nas_env.evaluation import Outcome
        >>> ending(Evaluation(Outcome.TOO_LARGE, message="Measured 2 ms, limit 1 ms."))
        'too slow'
    """
    if was_too_slow(evaluation):
        return "too slow"
    return str(evaluation.outcome).replace("_", " ")


def times_in_words(count: int) -> str:
    """Return a count as an adverb: "once" or "3 times"."""
    return "once" if count == 1 else f"{count} times"
