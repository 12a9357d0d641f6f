"""`own-data`: a task from the user's own data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas_env.errors import IncompatibleError, InvalidSettingError
from nas_env.registry import unknown_name
from nas_env.sources import DataSet, ReadOptions, Summary, read_data, summarise
from nas_env.sources.reading import absent_classes
from nas_env.sources.splitting import SPLITS
from nas_env.sources.storage import ArrayLike, chunks
from nas_env.tasks._class_weights import MAX_RATIO, balanced_weights, weights_in_words
from nas_env.tasks.base import TASKS, TaskSpec
from nas_env.tasks.supervised import Split, SupervisedTask

if TYPE_CHECKING:
    from nas_env.tasks._problems import Problem

BALANCED = "balanced_accuracy"
METRICS = {  # metrics that a search can optimise; the first one is the default
    "classification": ("accuracy", BALANCED, "f1", "roc_auc"),
    "regression": ("mse", "mae"),
}
CONTRADICTING = (
    "{:,} of {:,} samples equal a sample of another class, so no network can classify all of them."
)
WEIGHTED = (
    "Each class has a weight in the training loss, {words}{because}{capped}. Reported losses are "
    "not weighted."
)
CAPPED = f"; weights differ by at most a factor of {MAX_RATIO:,.0f}"
ClassWeights = Literal["auto"] | bool
NEED_EVERY_CLASS = ("roc_auc",)
REPORTS = {**METRICS, "regression": ("mse", "mae", "r2")}


class DataTask(SupervisedTask):
    """Classification or regression on a `DataSet`; streams samples that do not fit in memory.

    Inputs are standardised with the moments of the training split, and so are regression targets.
    "mae" is in the targets' own unit, "mse" in its square. Evaluations contain all metrics of the
    problem, whichever is chosen.

    Args:
        data: The data.
        metric: "accuracy", "balanced_accuracy", "f1" (macro) or "roc_auc" for classification;
            "mse" or "mae" for regression. None: the first of them.
        name: Name of the task.
        version: Version of the task.
        class_weights: Whether the training loss weights each class such that rare classes count as
            much as frequent ones (see `nas_env.tasks._class_weights`). "auto": if the metric is
            "balanced_accuracy". Without effect if all classes have the same size.

    Raises:
        IncompatibleError: The metric belongs to the other problem, or class weights are requested
            for regression.
        UnknownNameError: The metric does not exist.
    """

    def __init__(
        self,
        data: DataSet,
        metric: str | None = None,
        name: str = "own-data",
        version: int = 1,
        class_weights: ClassWeights = "auto",
    ) -> None:
        self.data = data
        self.mean, self.sd = _moments(data)
        self.classes = data.classes
        self.data_hash, self.repeated, self.contradicting = _read_through(data)
        shape = tuple(data.x.shape[1:])
        train, validation, test = (len(data.rows[split]) for split in SPLITS)
        metric = _checked(metric, data.problem)
        _check_classes_for(metric, data)
        y = data.y[data.rows["train"]]
        regression = data.problem == "regression"
        self.class_weights = _class_weights(data, class_weights, metric)
        self.target_mean = float(y.mean()) if regression else 0.0
        self.target_sd = float(y.std()) if regression else 1.0
        self._spec = TaskSpec(
            name,
            version,
            "image" if len(shape) == 3 else "vector",
            shape,
            1 if regression else len(data.classes),
            metric,
            (train, validation, test),
            data.problem,
            REPORTS[data.problem],
            not regression,
            _baseline_error(metric, y) if regression else 0.0,
        )

    @property
    def fingerprint(self) -> str:
        """Name, version, problem, whether classes have weights, and hash of all three splits.

        The metric alone does not change it.
        """
        problem = "" if self.data.problem == "classification" else "regression-"
        weights = "" if self.class_weights is None else "balanced-"
        return f"{self._spec.name}-v{self._spec.version}-{problem}{weights}{self.data_hash[:16]}"

    @cached_property
    def summary(self) -> Summary:
        """Summary of the data, with the number of samples that are in more than one split."""
        summary = summarise(self.data)
        notes = _repeated_note(self.repeated, summary.sizes)
        if self.contradicting and self.data.problem == "classification":
            notes = (*notes, CONTRADICTING.format(self.contradicting, sum(summary.sizes)))
        if self.class_weights is not None:
            notes = (*notes, self._weighted_note(self.class_weights))
        return replace(summary, notes=(*summary.notes, *notes))

    def _weighted_note(self, weights: tuple[float, ...]) -> str:
        balanced = self._spec.metric == BALANCED
        because = ", because the metric is balanced accuracy" if balanced else ""
        counts = np.bincount(self._targets("train"))
        rarest = counts[counts > 0].min()
        capped = CAPPED if counts.max() > MAX_RATIO * rarest else ""
        words = weights_in_words(weights, self.data.classes)
        return WEIGHTED.format(words=words, because=because, capped=capped)

    @property
    def preprocessing(self) -> list[dict[str, Any]]:
        """Preprocessing steps of a sample, as plain data; see `nas_env.sources.preprocessing`."""
        standardised = [] if self.data.ready else super().preprocessing
        return [*self.data.steps, *standardised]

    @cached_property
    def problem(self) -> Problem:
        """Loss and metrics."""
        from nas_env.tasks._problems import Classification, Regression

        if self.data.problem == "regression":
            return Regression(self.target_sd)
        return Classification(self._spec.reports, self.class_weights)

    @property
    def chance(self) -> float:
        """Validation accuracy of always predicting the most frequent training class.

        Raises:
            IncompatibleError: The problem is regression.
        """
        if self.data.problem == "regression":
            raise IncompatibleError(
                "Regression has no accuracy. Use spec.baseline_error, which is an error."
            )
        commonest = np.bincount(self._targets("train")).argmax()
        return float((self._targets("validation") == commonest).mean())

    @property
    def _splits(self) -> dict[str, Split]:  # type: ignore[override]
        """Standardised samples and targets of all splits, loaded into memory."""
        return {name: self._split(name) for name in SPLITS}

    def _targets(self, split: str) -> NDArray[Any]:
        """Return (n,) int64 classes, or standardised float32 targets."""
        y = self.data.y[self.data.rows[split]]
        if self.data.problem == "classification":
            return y
        standard: NDArray[np.float32] = ((y - self.target_mean) / self.target_sd).astype(np.float32)
        return standard

    def _split(self, split: str) -> Split:
        from nas_env.tasks._streaming import standardised

        x = self.data.x[self.data.rows[split]]
        return Split(standardised(x, self.mean, self.sd), self._targets(split))

    def _tensors(self, split: str, device: str) -> tuple[Any, Any]:
        """Return samples and targets of a split on a device; cached."""
        import torch

        from nas_env.tasks._streaming import Streamed

        cache = self.__dict__.setdefault("_device_cache", {})
        if (split, device) not in cache:
            y = torch.from_numpy(self._targets(split)).to(device)
            x: Any
            if self.data.in_memory:
                x = torch.from_numpy(self._split(split).x).to(device)
                x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
            else:
                rows = self.data.rows[split]
                x = Streamed(self.data.x, rows, self.mean, self.sd, device)
            cache[split, device] = (x, y)
        return cache[split, device]  # type: ignore[no-any-return]


@TASKS.register("own-data")
def own_data(
    data: Any,
    target: str | int | None = None,
    image_size: int | tuple[int, int] | None = None,
    problem: str | None = None,
    metric: str | None = None,
    cache: Path | str | None = None,
    max_memory_mb: float | None = None,
    class_weights: ClassWeights = "auto",
    columns: Mapping[Any, str] | None = None,
    missing: Sequence[str] = (),
    default_missing: bool = True,
    skip_bad_files: bool = False,
) -> DataTask:
    """Return a task with your own data: a file, a folder or an object.

    Args:
        data: One of:

            * a path: of an `.npz` file of arrays, a folder of images by class, an archive of such
              a folder, or a CSV or Parquet file;
            * a mapping of arrays, with the names of an `.npz` file;
            * a pandas DataFrame;
            * a map-style dataset of torch, or a mapping of splits to such datasets;
            * a Hugging Face dataset, or the folder it was saved to;
            * "torchvision:NAME" or "huggingface:NAME".
        target: Target column of a table.
        image_size: Side of the square that images are resized to, or (height, width).
        problem: "classification" or "regression"; None: inferred from the targets.
        metric: Metric that a search optimises; see `DataTask`.
        cache: Folder for samples that do not fit in memory; None: a temporary folder.
        max_memory_mb: Memory limit for samples in 10^6 bytes; None: half of the free memory.
        class_weights: Whether the training loss weights classes; see `DataTask`.
        columns: What columns of a table hold, by name: "number", "category", "text", "date", or
            "ignore"; others are inferred from their values.
        missing: Words that count as missing in a table, besides the default ones.
        default_missing: Whether the words that pandas reads as missing, such as NA, and common
            words among numbers, such as ?, count as missing.
        skip_bad_files: Whether images that cannot be read are left out; the summary lists them.

    Raises:
        InvalidDataError: The data are invalid; the message names the rule, the place and the
            remedy.
        MissingDependencyError: A package of `nas-env[data]` is needed.
    """
    options = ReadOptions(
        target,
        image_size,
        problem,
        cache,
        max_memory_mb,
        columns=columns or {},
        missing=missing,
        default_missing=default_missing,
        skip_bad_files=skip_bad_files,
    )
    return DataTask(read_data(data, options), metric, class_weights=class_weights)


def _checked(metric: str | None, problem: str) -> str:
    own = METRICS[problem]
    if metric is None or metric in own:
        return metric or own[0]
    if metric in (x for names in METRICS.values() for x in names):
        raise IncompatibleError(
            f"Metric {metric!r} is not a {problem} metric. Choose one of {', '.join(own)}, or set "
            "problem."
        )
    raise unknown_name("metric", metric, own)


def _class_weights(data: DataSet, requested: ClassWeights, metric: str) -> tuple[float, ...] | None:
    """Return the weight of each class; None if all are equal or no weights are requested.

    Raises:
        InvalidSettingError: The request is not "auto", True or False.
        IncompatibleError: Weights are requested for regression.
    """
    if requested not in ("auto", True, False):
        raise InvalidSettingError(
            f"Argument class_weights must be 'auto', True or False, got {requested!r}."
        )
    if requested not in ("auto", False) and data.problem == "regression":
        raise IncompatibleError(
            "Argument class_weights is True, but regression has no classes. Leave it out, or set "
            "problem='classification'."
        )
    if not (metric == BALANCED if requested == "auto" else requested):
        return None
    weights = balanced_weights(np.bincount(data.y[data.rows["train"]], minlength=len(data.classes)))
    return None if len({x for x in weights if x > 0}) == 1 else weights


def _check_classes_for(metric: str, data: DataSet) -> None:
    """Raise if a metric that needs samples of every class is undefined on a split."""
    if metric not in NEED_EVERY_CLASS:
        return
    for split, names in absent_classes(data.classes, data.y, data.rows).items():
        raise IncompatibleError(
            f"Metric {metric!r} needs samples of every class, but the {split} split of "
            f"{data.source} has none of {names[0]}. Add such samples to it, give no splits so that "
            "they are made by class, or choose the metric balanced_accuracy."
        )


def _baseline_error(metric: str, y: NDArray[np.float64]) -> float:
    """Return the error of the best constant prediction on the training targets."""
    return float(y.var() if metric == "mse" else np.abs(y - np.median(y)).mean())


def _moments(data: DataSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation per channel or feature, of the training split."""
    x: ArrayLike = data.x
    trailing = (1,) * (len(x.shape) - 2)
    shape = (x.shape[1], *trailing)
    if data.ready:
        return np.zeros(shape, np.float32), np.ones(shape, np.float32)
    axes = (0, 2, 3) if len(x.shape) == 4 else (0,)
    rows, count = data.rows["train"], 0
    total, squares = np.zeros(shape), np.zeros(shape)
    for part in chunks(x, rows):
        total += part.sum(axes, dtype=np.float64, keepdims=True)[0]
        count += part.size // x.shape[1]
    mean = total / count
    for part in chunks(x, rows):
        squares += ((part - mean) ** 2).sum(axes, keepdims=True)[0]
    sd = np.sqrt(squares / count)
    return mean.astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)


def _read_through(data: DataSet) -> tuple[str, tuple[int, int], int]:
    """Return the hash of all splits, and the numbers of repeated and contradicting samples.

    The hash does not depend on where the samples are stored, or on their number type. Repeated
    samples are those of the validation and of the test split that are also training samples with
    the same target. Contradicting samples equal another sample with another target.
    """
    summary, hashes = hashlib.sha256(), []
    for name in SPLITS:
        rows, marks = data.rows[name], list[tuple[int, int]]()
        summary.update(f"{(len(rows), *data.x.shape[1:])}".encode())
        for part in chunks(data.x, rows):
            samples = np.ascontiguousarray(part, dtype=np.float32)
            summary.update(samples.tobytes())
            targets = data.y[rows[len(marks) : len(marks) + len(samples)]]
            marks += [_mark(x, y) for x, y in zip(samples, targets, strict=True)]
        summary.update(np.ascontiguousarray(data.y[rows]).tobytes())
        hashes.append(np.array(marks, dtype=np.uint64).reshape(-1, 2))
    train, validation, test = (marks[:, 1] for marks in hashes)
    repeated = int(np.isin(validation, train).sum()), int(np.isin(test, train).sum())
    return summary.hexdigest(), repeated, _contradicting(np.concatenate(hashes))


def _contradicting(marks: NDArray[np.uint64]) -> int:
    """Return the number of samples that equal another sample with another target."""
    pairs = np.unique(marks, axis=0)[:, 0]
    alone, targets = np.unique(pairs, return_counts=True)
    return int(np.isin(marks[:, 0], alone[targets > 1]).sum())


def _mark(x: NDArray[np.float32], y: np.generic) -> tuple[int, int]:
    """Return a hash of the sample, and a hash of the sample with its target."""
    digest = hashlib.blake2b(x.tobytes(), digest_size=8)
    both = digest.copy()
    both.update(y.tobytes())
    return int.from_bytes(digest.digest(), "little"), int.from_bytes(both.digest(), "little")


def _repeated_note(repeated: tuple[int, int], sizes: tuple[int, int, int]) -> tuple[str, ...]:
    counts = [
        f"{count:,} of {size:,} {name} samples"
        for count, size, name in zip(repeated, sizes[1:], SPLITS[1:], strict=True)
        if count
    ]
    if not counts:
        return ()
    return (
        f"{' and '.join(counts)} are also training samples, so metrics measured on them are too "
        "optimistic. Remove repeated samples if they should not be there.",
    )
