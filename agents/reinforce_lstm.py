"""`reinforce-lstm`: the autoregressive controller of Zoph and Le."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from agents.base import AGENTS
from agents.policy_gradient import Episode, PolicyGradient
from nas_env.mdp import Edit

RANGE = 0.08
State = tuple[Tensor, Tensor]


class Controller(nn.Module):
    """Embedding of the decision before, a recurrent network, one logit an action."""

    def __init__(self, num_actions: int, units: int, layers: int) -> None:
        super().__init__()
        self.start = num_actions  # stands for the decision before the first
        self.embedding = nn.Embedding(num_actions + 1, units)
        self.lstm = nn.LSTM(units, units, layers)
        self.head = nn.Linear(units, num_actions)

    def forward(self, before: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return logits and state.

        Args:
            before: (steps, episodes) int64, the decision before each step.
            state: State to go on from; None begins anew.
        """
        hidden, state = self.lstm(self.embedding(before), state)
        return self.head(hidden), state  # (steps, episodes, actions)


@AGENTS.register("reinforce-lstm")
class ReinforceLSTM(PolicyGradient):
    """Decides step by step from the decisions before, by a recurrent network.

    Each episode begins with a fresh state. Illegal actions have no probability. The paper has a
    head of its own for each kind of decision; here one head serves all, and masks tell them apart.

    Reference: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
    section 4.1: two layers of 35 units, uniform start in [-0.08, 0.08], Adam at 0.0006, baseline a
    moving average, reward the cube of the validation accuracy (`reward_power` 3).

    Args:
        env: One environment.
        seed: Seed of the agent.
        units: Width of embedding and recurrent layers.
        layers: Recurrent layers.
        settings: See `PolicyGradient`.
    """

    NAMES = (*PolicyGradient.NAMES, "units", "layers")

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        units: int = 35,
        layers: int = 2,
        **settings: Any,
    ) -> None:
        self.units, self.layers = units, layers
        super().__init__(env, seed, **settings)
        self.edits = isinstance(self.inner.mdp, Edit)
        self.taken: list[int] = []  # actions of the present episode
        self._read: list[int] = []  # what the recurrent network has read of it
        self._state: State | None = None
        self._logits: NDArray[Any] = np.zeros(self.num_actions, np.float32)

    def initial(self) -> NDArray[np.float32]:
        """Return all weights, uniform in [-0.08, 0.08]."""
        self.controller = Controller(self.num_actions, self.units, self.layers)
        size = len(parameters_to_vector(self.controller.parameters()))
        parameters = self.rng.uniform(-RANGE, RANGE, size).astype(np.float32)
        vector_to_parameters(torch.from_numpy(parameters), self.controller.parameters())
        return parameters

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a legal action, sampled from the policy; the likeliest where greedy."""
        action = super().act(observation, mask, greedy)
        self.taken[self.inner.state.steps :] = [action]
        return action

    def logits(self, step: int) -> NDArray[Any]:
        """Return (actions,) logits after the decisions so far, read one by one and remembered."""
        walk = self.taken[:step] if self.edits else list(self.inner.state.walk)
        before = [self.controller.start, *walk]
        if self._read != before[: len(self._read)]:
            self._forget()
        with torch.inference_mode():
            for token in before[len(self._read) :]:
                output, self._state = self.controller(torch.tensor([[token]]), self._state)
                self._logits = output[0, 0].numpy()
        self._read = before
        return self._logits

    def begin_episode(self, mask: NDArray[np.bool_]) -> None:
        """Begin with a fresh state."""
        super().begin_episode(mask)
        self.taken = []
        self._forget()

    def gradient(self, batch: list[Episode]) -> NDArray[np.float32]:
        """Return the gradient of the mean of advantage times log-probability, plus entropy."""
        self.controller.zero_grad()
        self.objective(batch).backward()  # type: ignore[no-untyped-call]
        grads = [x.grad for x in self.controller.parameters() if x.grad is not None]
        gradient: NDArray[np.float32] = torch.cat([x.ravel() for x in grads]).numpy()
        return gradient

    def objective(self, batch: list[Episode]) -> Tensor:
        """Return what is to be raised, all episodes read in one pass."""
        lengths = [len(episode.actions) for episode in batch]
        shape = (max(lengths), len(batch))
        actions, masks = np.zeros(shape, np.int64), np.ones((*shape, self.num_actions), bool)
        weights = np.zeros(shape, np.float32)  # 1 where an episode has this step
        for column, (mask, taken, _) in enumerate(batch):
            actions[: len(taken), column], masks[: len(taken), column] = taken, mask
            weights[: len(taken), column] = 1
        before = np.vstack([np.full((1, len(batch)), self.controller.start), actions[:-1]])
        logits, _ = self.controller(torch.from_numpy(before))
        logits = logits.masked_fill(~torch.from_numpy(masks), -1e9)
        logs = logits.log_softmax(-1)
        taken = logs.gather(-1, torch.from_numpy(actions)[..., None])[..., 0]
        advantages = torch.tensor([episode.advantage for episode in batch])
        present = torch.from_numpy(weights)
        total = (taken * present * advantages).sum(0)
        if self.entropy:
            entropies = -(logs.exp() * logs).sum(-1) * present
            total = total + self.entropy * entropies.sum(0) / torch.tensor(lengths)
        objective: Tensor = total.mean()
        return objective

    def update(self) -> None:
        """Move the parameters, and take them over into the network."""
        super().update()
        self._load()

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        self._load()

    def _load(self) -> None:
        vector_to_parameters(torch.from_numpy(self.parameters), self.controller.parameters())
        self._forget()

    def _forget(self) -> None:
        """Forget what was read."""
        self._read, self._state = [], None
