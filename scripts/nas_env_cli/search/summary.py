"""The summary at the end of a search, as text and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any

from nas_env.architecture import Candidate
from nas_env.evaluation import Outcome
from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.search import sklearn_table
from nas_env_cli.search.session import SearchResult
from nas_env_cli.search.sklearn_baselines import Baselines
from nas_env_cli.search.timetable import duration
from nas_env_cli.spread import pooled_sd

if TYPE_CHECKING:
    from nas_env_cli.export.retraining import Retrained

FEW = 20  # minimum networks to compare the first and the last quarter
LOOKED_UP = ("report", "regret_reward", "regret_report")  # metrics of a table
CHANCE = 0.05  # significance level of a difference of means


@dataclass(frozen=True)
class SearchSummary:
    """The content of a summary.

    Attributes:
        settings: Options of the search and versions, as plain data.
        searches: Results of the agent and of random search, by name; the agent first.
        retrained: The retrained networks; empty if nothing is trained.
        test_size: Samples in the test split.
        seeds: Training seeds of the retraining.
        fmt: Format of the task's metric.
        notes: Notes on the source of the numbers, if networks were not trained.
        kept: The network whose weights are kept; None if nothing is trained.
        remarks: What the user should know about the search, such as that time was short.
        sklearn: Models of scikit-learn for comparison; None without a table of the user.
    """

    settings: dict[str, Any]
    searches: dict[str, SearchResult]
    retrained: Sequence[Retrained]
    test_size: int
    seeds: Sequence[int]
    fmt: MetricFormat = field(default_factory=MetricFormat)
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()
    kept: Retrained | None = None
    sklearn: Baselines | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        data: dict[str, Any] = {
            "settings": self.settings,
            "searches": {name: _search_json(x) for name, x in self.searches.items()},
            "verdicts": self.verdicts(),
        }
        if self.notes:
            data["notes"] = list(self.notes)
        if self.sklearn is not None:
            data["sklearn"] = self.sklearn.to_json()
        if self.retrained:
            data["retrained"] = [_retrained_json(x) for x in self.retrained]
            data["retraining_seeds"] = list(self.seeds)
            data["noise_floor"] = self.noise_floor()
        return data

    def noise_floor(self) -> dict[str, float | None]:
        """Return the sd over training seeds (None: one seed), and the share of one test sample."""
        several = len(self.seeds) > 1
        return {
            f"pooled_sd_{self.fmt.metric}": self._pooled("accuracies") if several else None,
            "pooled_sd_score": self._pooled("scores") if several else None,
            "one_test_sample": 1 / self.test_size,
        }

    def _pooled(self, values: str) -> float:
        return pooled_sd([getattr(x, values) for x in self.retrained])

    def markdown(self) -> str:
        """Return the summary as Markdown."""
        parts = [self._searches_table(), *self.notes, self._learning()]
        if self.retrained:
            parts.insert(0, self._retrained_table())
        if self.sklearn is not None:
            parts.append(sklearn_table.markdown(self.sklearn.to_json(), self.fmt))
        if verdicts := self.verdicts():
            parts.append("\n".join(f"- {line}" for line in verdicts))
        parts.append(self._settings())
        return "\n\n".join(parts) + "\n"

    def verdicts(self) -> list[str]:
        """Return one sentence for each comparison, whichever search wins."""
        failed = [_all_failed(*x) for x in self.searches.items() if not x[1].best.evaluation.ok]
        many = {name: x for name, x in self.searches.items() if x.evaluations >= FEW}
        lines = [_learns(name, result) for name, result in many.items()]
        compared = [*self._compare_found(), *self._compare_retrained(), *self._chosen()]
        return [*failed, *self.remarks, *compared, *self._compare_sklearn(), *lines]

    def _retrained_table(self) -> str:
        seeds = ", ".join(map(str, self.seeds))
        measured = any(x.latency_ms is not None for x in self.retrained)
        lines = [
            f"Each network retrained with {len(self.seeds)} seeds ({seeds}); test split of "
            f"{self.test_size} samples, opened once. Score: the objective with test "
            f"{self.fmt.words}.",
            "",
            f"| network | test {self.fmt.title} | test score | params | MACs |"
            + " latency, ms |" * measured,
            "| --- | --- | --- | ---: | ---: |" + " ---: |" * measured,
        ]
        for x in self.retrained:
            accuracy, score = x.accuracy, x.score
            lines.append(
                f"| {x.title} | {self.fmt.number(accuracy[0])} ± {self.fmt.number(accuracy[1])} "
                f"| {score[0]:.4f} ± {score[1]:.4f} | {x.params:,} | {x.macs:,} |"
                + (f" {x.latency_ms:.3g} |" if x.latency_ms is not None else "")
            )
        failed = [f"{x.title}: {x.failed} of {len(x.scores)}" for x in self.retrained if x.failed]
        if failed:
            as_what = f"0 {self.fmt.words}" if self.fmt.fraction else "a guess"
            text = f"Trainings that failed and count as {as_what}: {'; '.join(failed)}."
            lines += ["", text]
        if kept := "; ".join(filter(None, (x.kept_epochs_text for x in self.retrained))):
            lines += ["", f"Epochs kept by early stopping, the best on validation: {kept}."]
        return "\n".join([*lines, "", self._noise()])

    def _noise(self) -> str:
        sample = f"the test split has {self.test_size} samples."
        if self.fmt.metric == "accuracy":
            sample = f"one test sample is {100 / self.test_size:.2f} points."
        if len(self.seeds) == 1:
            return f"Noise floor: unknown with one retraining seed; {sample}"
        return (
            f"Noise floor: a new seed moves test {self.fmt.words} by "
            f"{self.fmt.amount(self._pooled('accuracies'))} and score by "
            f"{self._pooled('scores'):.4f} (pooled sd); {sample} A difference of "
            f"{self._clear():.2f} standard errors is significant (Student's t, "
            f"{100 * CHANCE:.0f} %)."
        )

    def _clear(self) -> float:
        """Return the standard errors that make a difference of means significant."""
        from scipy.stats import t as student

        freedom = len(self.retrained) * (
            len(self.seeds) - 1
        )  # the standard deviation is pooled over all networks
        return float(student.ppf(1 - CHANCE / 2, freedom))

    def _settings(self) -> str:
        lines = ["How it was made:", ""]
        for name, value in self.settings.items():
            if value is False or value in (None, {}, []):
                continue  # summary.json has all settings
            if isinstance(value, list):
                value = ", ".join(map(str, value))
            if isinstance(value, dict):
                value = ", ".join(f"{key} {x}" for key, x in value.items())
            lines.append(f"- {name}: {value}")
        return "\n".join(lines)

    def _searches_table(self) -> str:
        score = "validation score with the search's training seed"
        looked_up = [x for x in LOOKED_UP if self._best_has(x)]
        heads = "new networks", "failed", "episodes", "ended by", "best score"
        more = looked_up or [self.fmt.title, "params"]
        lines = [
            f"Best found by each search ({'looked up' if self.notes else score}):",
            "",
            f"| search | {' | '.join([*heads, *map(_words, more)])} |",
            "| --- | ---: | --- | ---: | --- | ---: |" + " ---: |" * len(more),
        ]
        for name, result in self.searches.items():
            numbers = result.best.evaluation.metrics
            looked_up_cells = [f"{numbers[x]:.4f}" if x in numbers else "-" for x in looked_up]
            cells = [
                str(result.evaluations),
                _failures(result),
                str(result.tracker.episodes),
                result.reason,
                f"{result.best.score:.4f}",
                *(looked_up_cells or self._quality_and_size(numbers)),
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _best_has(self, metric: str) -> bool:
        return any(metric in x.best.evaluation.metrics for x in self.searches.values())

    def _quality_and_size(self, metrics: Mapping[str, float]) -> list[str]:
        value = metrics.get(self.fmt.metric)
        params = f"{metrics['params']:,.0f}" if "params" in metrics else "-"
        return ["-" if value is None else self.fmt.number(value), params]

    def _learning(self) -> str:
        lines = [
            "Mean score of the first and of the last quarter of the new networks:",
            "",
            "| search | first quarter | last quarter |",
            "| --- | ---: | ---: |",
        ]
        for name, result in self.searches.items():
            if result.names:  # the portfolio does not learn
                continue
            first, last = result.quarters()
            lines.append(f"| {name} | {first:.4f} | {last:.4f} |")
        return "\n".join(lines)

    def _compare_found(self) -> list[str]:
        agent, *others = self.searches.items()
        lines = []
        for other in others:
            seconds = _common_seconds(agent[1], other[1])
            when = "" if seconds is None else f" after {duration(seconds)} each"
            relation = _relation(_until(agent, seconds), _until(other, seconds))
            if relation:
                what = f"best validation score{when}, one search seed"
                lines.append(f"During the search {relation} ({what}).")
        return lines

    def _compare_retrained(self) -> list[str]:
        if not self.retrained:
            return []
        agent, *others = self.retrained
        if len(self.seeds) == 1:
            names = " and ".join(x.title for x in self.retrained)
            return [f"Retrained with one seed, {names} cannot be told apart."]
        error = self._pooled("scores") * sqrt(2 / len(self.seeds))
        return [_verdict(agent, other, error, self._clear()) for other in others]

    def _chosen(self) -> list[str]:
        """Return which network is kept, and how it compares with the portfolio seed by seed."""
        if self.kept is None:
            return []
        lines = [
            f"Kept network of the search: {self.kept.title}, with the highest mean validation "
            f"score over the retraining seeds ({fmean(self.kept.validation_scores):.4f})."
        ]
        ours, *others = self.retrained
        reference = next((x for x in others if x.reference), None)
        if reference is not None:
            pairs = list(zip(ours.scores, reference.scores, strict=True))
            wins = sum(x > y for x, y in pairs)
            lines.append(
                f"With {wins} of {len(pairs)} training seeds, {ours.title} has a higher test score "
                f"than {reference.title}."
            )
        return lines

    def _compare_sklearn(self) -> list[str]:
        if self.sklearn is None:
            return []
        best = max((x.best for x in self.searches.values()), key=lambda x: x.score)
        tested = () if self.kept is None else self.kept.accuracies
        if self.kept is not None:
            owners = [x.best for x in self.searches.values()]
            best = next((x for x in owners if x.candidate is self.kept.candidate), best)
        validation = best.evaluation.metrics.get(self.fmt.metric)
        return sklearn_table.verdicts(self.sklearn.to_json(), self.fmt, validation, tested)


def _words(name: str) -> str:
    return name.replace("regret_", "regret of ")


def _common_seconds(agent: SearchResult, other: SearchResult) -> float | None:
    """Return the seconds after which two searches with different time limits are compared."""
    limits = [x.tracker.limits.seconds for x in (agent, other)]
    if other.names or None in limits:
        return None
    return min(x for x in limits if x is not None)


def _until(search: tuple[str, SearchResult], seconds: float | None) -> tuple[str, float | None]:
    """Return the name of a search and its best score after a number of seconds, if any."""
    name, result = search
    scores = [x.score for x in result.trials if seconds is None or x.seconds <= seconds]
    return name, result.best.score if seconds is None else max(scores, default=None)


def _relation(agent: tuple[str, float | None], other: tuple[str, float | None]) -> str:
    """Return how two best scores compare; empty if one search has no network yet."""
    ours, theirs = agent[1], other[1]
    if ours is None or theirs is None:
        return ""
    word = "beat" if ours > theirs else "lost to" if ours < theirs else "tied with"
    return f"{agent[0]} {word} {other[0]}: {ours:.4f} against {theirs:.4f}"


def _verdict(agent: Retrained, other: Retrained, error: float, clear: float) -> str:
    difference = agent.score[0] - other.score[0]
    numbers = (
        f"difference of mean test scores {difference:+.4f}, standard error {error:.4f} over the "
        "training seeds of one search"
    )
    if abs(difference) <= clear * error:
        return f"Retrained, {agent.title} and {other.title} cannot be told apart ({numbers})."
    word = "beats" if difference > 0 else "loses to"
    return f"Retrained, {agent.title} {word} {other.title} ({numbers})."


def _all_failed(name: str, result: SearchResult) -> str:
    return (
        f"All networks of {name} failed ({_failures(result)}): its best network is the first of "
        "them."
    )


def _learns(name: str, result: SearchResult) -> str:
    first, last = result.quarters()
    before, after = f"{first:.4f}", f"{last:.4f}"
    word = f"{'rose' if last > first else 'fell'} from {before} to"
    return (
        f"The mean score of {name}'s networks {'stayed at' if before == after else word} {after}."
    )


def _failures(result: SearchResult) -> str:
    """Return the counts of failed new networks by outcome, as text."""
    counts = outcomes(result)
    return ", ".join(f"{counts[x]} {x}" for x in counts if x != Outcome.OK) or "0"


def outcomes(result: SearchResult) -> dict[str, int]:
    """Return the counts of new networks by outcome, the most frequent first."""
    counts = Counter(str(x.evaluation.outcome) for x in result.trials if x.new)
    return dict(counts.most_common())


def _search_json(result: SearchResult) -> dict[str, Any]:
    tracker = result.tracker
    first, last = result.quarters()
    return {
        "reason": result.reason,
        "evaluations": result.evaluations,
        "outcomes": outcomes(result),
        "repeats": tracker.repeats,
        "episodes": tracker.episodes,
        "illegal_share": tracker.illegal_share,
        "charged_seconds": round(max((x.seconds for x in tracker.trials), default=0.0), 3),
        "charged_epochs": tracker.epochs,
        "wall_seconds": _wall_seconds(result),
        "best": {
            **_candidate_json(result.best.candidate),
            "score": result.best.score,
            "found_at": result.best.evaluations,
            "metrics": dict(result.best.evaluation.metrics),
        },
        "mean_score_first_quarter": first,
        "mean_score_last_quarter": last,
        "scores": [trial.score for trial in result.trials if trial.new],
    }


def _wall_seconds(result: SearchResult) -> dict[str, float]:
    """Return the total time of the search and the time of its parts."""
    tracker, total = result.tracker, result.wall_seconds
    parts = {
        "evaluations": tracker.evaluation_seconds,
        "environment": tracker.environment_seconds - tracker.evaluation_seconds,
        "agent": total - tracker.environment_seconds,
    }
    return {"total": round(total, 3), **{key: round(max(x, 0.0), 3) for key, x in parts.items()}}


def _retrained_json(x: Retrained) -> dict[str, Any]:
    return {
        "name": x.name,
        **({"reference": x.reference} if x.reference else {}),
        **_candidate_json(x.candidate),
        "params": x.params,
        "macs": x.macs,
        **({} if x.latency_ms is None else {"latency_ms": x.latency_ms}),
        MetricFormat(x.metric).key: list(x.accuracies),
        "test_scores": list(x.scores),
        "validation_scores": list(x.validation_scores),
        "test_metrics": [dict(metrics) for metrics in x.tested],
        "kept_epochs": list(x.kept_epochs),
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {"key": candidate.key, **candidate.to_json()}
