"""The training loop that all supervised tasks share.

Data are tensors in memory, or objects indexed like tensors (`nas_env.tasks._streaming`). There is
no data loader.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from nas_env.architecture import Recipe
from nas_env.evaluation import Budget
from nas_env.tasks._problems import Classification, Problem
from nas_env.tasks.base import Metrics, ResumeRefused, TrainingDiverged, TrainingTimeout

if TYPE_CHECKING:
    from nas_env.tasks._streaming import Streamed

    Inputs: TypeAlias = Tensor | Streamed

CLASSIFICATION = Classification()
MEASURE_BATCH = 1024
WARM_UP_SHARE = 0.3
DIVERGENCE_FACTOR = (
    100  # times the baseline loss; the maximum in 9,696 trainings of the chain table is 2.2
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def schedule_factor(recipe: Recipe, epoch: float, horizon: int) -> float:
    """Return the share of the peak learning rate at a (fractional) epoch of the horizon."""
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "step":
        return float(recipe.step_factor ** (int(epoch) // recipe.step_epochs))
    done = epoch / horizon
    if recipe.schedule == "one-cycle":
        if done < WARM_UP_SHARE:
            return 0.05 + 0.95 * done / WARM_UP_SHARE
        done = (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over all parameters."""
    parameters = list(network.parameters())
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=decay)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, rate, weight_decay=decay, fused=True)


def shift(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (batch, channels, height, width) moved by up to 1/8 of their side."""
    batch, _, height, width = x.shape
    reach = max(1, max(height, width) // 8)
    padded = functional.pad(x, (reach,) * 4)
    offsets = torch.randint(0, 2 * reach + 1, (2, batch), generator=generator).to(x.device)
    rows = offsets[0, :, None] + torch.arange(height, device=x.device)  # (batch, height)
    columns = offsets[1, :, None] + torch.arange(width, device=x.device)  # (batch, width)
    samples = torch.arange(batch, device=x.device)[:, None, None]
    moved = padded[samples, :, rows[:, :, None], columns[:, None, :]]  # (batch, h, w, channels)
    return moved.permute(0, 3, 1, 2)


def keep_channels_last(network: nn.Module) -> list[RemovableHandle]:
    """Make the gradients of every `nn.Flatten` channels-last, and return the hooks.

    Without the hooks, these gradients are channels-first. The earlier layers then mix both formats,
    which made small networks up to 1.2 times slower (measured on 8x8 maps).
    """

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].requires_grad and inputs[0].ndim == 4:
            inputs[0].register_hook(_channels_last)  # type: ignore[no-untyped-call]

    flattening = (module for module in network.modules() if isinstance(module, nn.Flatten))
    return [module.register_forward_pre_hook(before) for module in flattening]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def measure(
    network: nn.Module, x: Inputs, y: Tensor, problem: Problem = CLASSIFICATION
) -> dict[str, float]:
    """Return the problem's metrics, including "loss", computed in float32; see `_problems`."""
    network.eval()
    starts = range(0, len(y), MEASURE_BATCH)
    parts = (slice(start, start + MEASURE_BATCH) for start in starts)
    return problem.measure((network(x[part]).float(), y[part]) for part in parts)


class Loop:
    """One training; `run` yields the metrics of each epoch."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        budget: Budget,
        device: str,
        precision: str,
        problem: Problem = CLASSIFICATION,
    ) -> None:
        self.problem = problem
        self.network = network.to(device)
        self.recipe = recipe
        self.budget = budget
        self.device = device
        self.dtype = DTYPES[precision]
        self.optimizer = make_optimizer(network, recipe)
        self.generator = torch.Generator().manual_seed(budget.training_seed)
        self.deadline = time.monotonic() + (budget.max_seconds or math.inf)
        self.epochs = 0  # trained so far

    def run(self, train: tuple[Inputs, Tensor], validation: tuple[Inputs, Tensor]) -> Run:
        """Return an iterator over the remaining epochs: training loss and validation metrics."""
        return Run(self, self._metrics(train, validation))

    def state(self) -> dict[str, Any]:
        """Return all state that the next epoch needs; save it before the next epoch starts."""
        state = {
            "epochs": self.epochs,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.generator.get_state(),
            "draws": torch.get_rng_state(),
        }
        if self.device.startswith("cuda"):
            state["device_draws"] = torch.cuda.get_rng_state(self.device)
        return state

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state` returned.

        Raises:
            ResumeRefused: The state does not fit. Network and optimizer may be partly changed.
        """
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self._check_optimizer()
            self.generator.set_state(state["order"])
            torch.set_rng_state(state["draws"])
            if self.device.startswith("cuda"):
                torch.cuda.set_rng_state(state["device_draws"], self.device)
            self.epochs = int(state["epochs"])
            self.deadline -= float(state["seconds"])
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ResumeRefused(f"{type(error).__name__}: {error}") from error

    def _check_optimizer(self) -> None:
        """Raise if moments have a wrong shape, which the optimizer does not check."""
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if torch.is_tensor(value) and value.ndim and value.shape != parameter.shape:
                    raise ValueError(f"{name} of shape {tuple(value.shape)} does not fit.")

    def _metrics(
        self, train: tuple[Inputs, Tensor], validation: tuple[Inputs, Tensor]
    ) -> Iterator[Metrics]:
        if train[0].ndim == 4:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        hooks = keep_channels_last(self.network)
        try:
            while self.epochs < self.budget.epochs:
                yield self._next(train, validation)
        finally:
            for hook in hooks:
                hook.remove()

    def _next(self, train: tuple[Inputs, Tensor], validation: tuple[Inputs, Tensor]) -> Metrics:
        """Train for one more epoch and measure on the validation split."""
        train_loss = self._epoch(self.epochs, *train)
        metrics = measure(self.network, *validation, self.problem)
        self.epochs += 1
        most = DIVERGENCE_FACTOR * self.problem.baseline_loss(train[1])
        if not (train_loss <= most and metrics["loss"] <= most):  # also true for NaN
            raise TrainingDiverged(
                f"The loss is {train_loss} after epoch {self.epochs} "
                f"(validation {metrics['loss']})."
            )
        return {**metrics, "train_loss": train_loss}

    def _epoch(self, epoch: int, x: Inputs, y: Tensor) -> float:
        """Make one pass over shuffled slices and return the mean training loss."""
        self.network.train()
        batch_size = self.recipe.batch_size
        order = torch.randperm(len(y), generator=self.generator).to(x.device)
        parts = torch.split(order, batch_size)
        batches = [part for part in parts if len(part) > 1 or len(y) == 1]
        total = torch.zeros((), device=x.device)
        for number, batch in enumerate(batches):
            self._set_rate(epoch + number / len(batches))
            total += self._update(x[batch], y[batch]) * len(batch)
            if time.monotonic() > self.deadline:
                raise TrainingTimeout(
                    f"Over {self.budget.max_seconds} s in epoch {epoch + 1} "
                    f"of {self.budget.epochs}."
                )
        return total.item() / sum(map(len, batches))

    def _set_rate(self, epoch: float) -> None:
        factor = schedule_factor(self.recipe, epoch, self.budget.schedule_epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * factor

    def _update(self, x: Tensor, y: Tensor) -> Tensor:
        if self.recipe.augmentation == "shift" and x.ndim == 4:
            x = shift(x, self.generator)
        if x.ndim == 4:
            x = _channels_last(x)
        device = torch.device(self.device).type
        with torch.autocast(device, self.dtype, enabled=self.dtype is not torch.float32):
            logits = self.network(x)
        loss = self.problem.loss(logits.float(), y, self.recipe.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()


class Run(Iterator[Metrics]):
    """Iterator over the remaining epochs; resumable from `state` after each yielded epoch."""

    def __init__(self, loop: Loop, metrics: Iterator[Metrics]) -> None:
        self._loop = loop
        self._metrics = metrics

    def __next__(self) -> Metrics:
        return next(self._metrics)

    def state(self) -> dict[str, Any]:
        """Return all state that the next epoch needs; see `nas_env.tasks.base.Resumable`."""
        return self._loop.state()
