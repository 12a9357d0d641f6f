"""Classification tasks on arrays that fit in memory: splits and standardisation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_env.architecture import Recipe, Shape
from nas_env.evaluation import Budget
from nas_env.sources.splitting import SPLIT_SEED, SPLITS, stratified_split
from nas_env.tasks.base import Metrics, Task, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nas_env.tasks._loop import Run
    from nas_env.tasks._problems import Problem

__all__ = ["SPLITS", "SPLIT_SEED", "Split", "SupervisedTask", "stratified_split"]


@dataclass(frozen=True)
class Split:
    """Samples and labels: x (n, *shape) float32 and y (n,) int64."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


class SupervisedTask(Task):
    """Classification with cross-entropy; inputs are standardised with the training split's moments.

    Args:
        name: Name of the task.
        train: Training split.
        validation: Validation split; rewards are computed from it.
        test: Sealed test split.
        num_outputs: Number of classes.
        version: Version of the task.
        classes: Names of the classes, in the order of the labels; empty: the labels are used.
    """

    def __init__(
        self,
        name: str,
        train: Split,
        validation: Split,
        test: Split,
        num_outputs: int,
        version: int = 1,
        classes: Iterable[object] = (),
    ) -> None:
        mean, sd = moments(train.x)
        splits = (train, validation, test)
        self._splits = {
            key: Split(np.ascontiguousarray((part.x - mean) / sd, dtype=np.float32), part.y)
            for key, part in zip(SPLITS, splits, strict=True)
        }
        shape: Shape = train.x.shape[1:]
        sizes = (len(train), len(validation), len(test))
        modality = "image" if len(shape) == 3 else "vector"
        self._spec = TaskSpec(name, version, modality, shape, num_outputs, sizes=sizes)
        self.mean, self.sd = mean, sd
        self.classes = tuple(map(str, classes))
        self.data_hash = _hash(splits)

    @property
    def spec(self) -> TaskSpec:
        """Name, shapes and metric."""
        return self._spec

    @property
    def fingerprint(self) -> str:
        """Name, version and hash of all three splits."""
        return f"{self._spec.name}-v{self._spec.version}-{self.data_hash[:16]}"

    @property
    def preprocessing(self) -> list[dict[str, Any]]:
        """Preprocessing steps of a sample, as plain data; see `nas_env.sources.preprocessing`."""
        mean, sd = ([float(value) for value in x.ravel()] for x in (self.mean, self.sd))
        return [{"step": "standardise", "mean": mean, "sd": sd, "dims": self.mean.ndim}]

    @cached_property
    def chance(self) -> float:
        """Validation accuracy of always predicting the most frequent training class."""
        commonest = np.bincount(self._splits["train"].y).argmax()
        return float((self._splits["validation"].y == commonest).mean())

    @cached_property
    def problem(self) -> Problem:
        """Loss and metrics."""
        from nas_env.tasks._problems import Classification

        return Classification(self._spec.reports)

    def tensors(self, split: str, device: str = "cpu") -> tuple[Tensor, Tensor]:
        """Return x (n, *shape) and y (n,) of "train" or "validation" on a device; cached."""
        if split not in ("train", "validation"):
            raise PermissionError(f"Split {split!r} is sealed. Use 'train' or 'validation'.")
        return self._tensors(split, device)

    def fit(
        self,
        network: nn.Module,
        recipe: Recipe,
        budget: Budget,
        *,
        device: str = "cpu",
        precision: str = "float32",
        resume: Mapping[str, Any] | None = None,
    ) -> Run:
        """Train in place and yield metrics epoch by epoch; resumable. See `Task.fit`."""
        from nas_env.tasks._loop import Loop

        loop = Loop(network, recipe, budget, device, precision, self.problem)
        if resume is not None:
            loop.go_on_from(resume)
        return loop.run(self.tensors("train", device), self.tensors("validation", device))

    def validate(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return the problem's metrics and the loss on the validation split."""
        from nas_env.tasks._loop import measure

        return measure(network, *self.tensors("validation", device), self.problem)

    def test(self, network: nn.Module, *, device: str = "cpu") -> Metrics:
        """Return the problem's metrics and the loss on the sealed test split.

        Only the report calls it.
        """
        from nas_env.tasks._loop import measure

        return measure(network, *self._tensors("test", device), self.problem)

    def _tensors(self, split: str, device: str) -> tuple[Tensor, Tensor]:
        import torch

        cache = self.__dict__.setdefault("_device_cache", {})
        if (split, device) not in cache:
            part = self._splits[split]
            x, y = torch.from_numpy(part.x).to(device), torch.from_numpy(part.y).to(device)
            if x.ndim == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            cache[split, device] = (x, y)
        return cache[split, device]  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, object]:
        derived = ("_device_cache", "problem")
        return {key: value for key, value in self.__dict__.items() if key not in derived}


def moments(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation per channel (images) or per feature (vectors)."""
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)[0]
    sd = x.std(axis=axes, keepdims=True, dtype=np.float64)[0]
    return mean.astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)


def _hash(splits: tuple[Split, ...]) -> str:
    summary = hashlib.sha256()
    for split in splits:
        for array in (split.x, split.y):
            summary.update(f"{array.shape}{array.dtype}".encode())
            summary.update(np.ascontiguousarray(array).tobytes())
    return summary.hexdigest()
