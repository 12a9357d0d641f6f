"""The plain PyTorch training loop that the evaluator is measured against."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from nas_env.architecture import Candidate
from nas_env.evaluation import Budget
from nas_env.network import build
from nas_env.tasks._loop import schedule_factor
from nas_env.tasks.supervised import SupervisedTask


def train_plainly(task: SupervisedTask, candidate: Candidate, budget: Budget) -> float:
    """Return the validation accuracy after training as a tutorial would write it."""
    torch.manual_seed(budget.training_seed)
    recipe = candidate.recipe
    network = build(candidate.architecture, task.spec)
    train, validation = (
        TensorDataset(*(part.contiguous() for part in task.tensors(split)))
        for split in ("train", "validation")
    )
    loader = DataLoader(train, batch_size=recipe.batch_size, shuffle=True)
    checks = DataLoader(validation, batch_size=1024)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: schedule_factor(recipe, step / len(loader), budget.schedule_epochs)
    )
    accuracy = 0.0
    for _ in range(budget.epochs):
        network.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            hits = sum(int((network(x).argmax(1) == y).sum()) for x, y in checks)
        accuracy = hits / len(validation)
    return accuracy
