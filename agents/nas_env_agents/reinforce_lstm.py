"""`reinforce-lstm`: the autoregressive controller of Zoph and Le, and of NASNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from nas_env.architecture import is_count
from nas_env.errors import IncompatibleError
from nas_env.mdp import Edit
from nas_env.spaces import Anchor
from nas_env_agents.common.base import AGENTS
from nas_env_agents.common.policy_gradient import Episode, PolicyGradient
from nas_env_agents.common.rules import check_rules, switches

State = tuple[Tensor, Tensor]


class Controller(nn.Module):
    """An embedding of the previous decision, a recurrent network, one logit per action.

    Args:
        num_actions: Number of actions.
        units: Width of embedding and recurrent layers.
        layers: Number of recurrent layers.
        anchors: Decisions made by attention between two outputs: the probability of reading
            layer j in layer i is sigmoid(v . tanh(W_prev h_j + W_curr h_i)), with h the outputs at
            the layers' anchor points (Zoph and Le, section 3.3).
    """

    def __init__(
        self, num_actions: int, units: int, layers: int, anchors: Sequence[Anchor] = ()
    ) -> None:
        super().__init__()
        self.start = num_actions  # the token before the first decision
        self.anchors = {anchor.position: anchor for anchor in anchors}
        self.embedding = nn.Embedding(num_actions + 1, units)
        self.lstm = nn.LSTM(units, units, layers)
        self.head = nn.Linear(units, num_actions)
        if anchors:
            self.previous = nn.Linear(units, units, bias=False)  # W_prev
            self.current = nn.Linear(units, units, bias=False)  # W_curr
            self.score = nn.Linear(units, 1, bias=False)  # v

    def forward(self, before: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the logits without anchors, and the state.

        Args:
            before: (steps, episodes) int64, the decision before each step.
            state: Recurrent state to continue from; None for a new one.
        """
        hidden, state = self.read(before, state)
        return self.head(hidden), state  # (steps, episodes, actions)

    def read(self, before: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the outputs (steps, episodes, units) and the state; arguments as of `forward`."""
        hidden, state = self.lstm(self.embedding(before), state)
        return hidden, state

    def logits(self, hidden: Tensor) -> Tensor:
        """Return (steps, episodes, actions) logits for outputs from the first step on."""
        logits: Tensor = self.head(hidden)
        anchors = [x for x in self.anchors.values() if x.position < len(hidden)]
        if not anchors:
            return logits
        scores = self.attention(
            hidden[[x.earlier for x in anchors]], hidden[[x.layer for x in anchors]]
        )
        rows = torch.zeros(len(anchors), *logits.shape[1:])
        rows[range(len(anchors)), :, [x.reads for x in anchors]] = scores  # 0 where left apart
        return logits.index_copy(0, torch.tensor([x.position for x in anchors]), rows)

    def attention(self, earlier: Tensor, layer: Tensor) -> Tensor:
        """Return the log-odds of reading, for outputs (..., units) at two anchor points."""
        scores: Tensor = self.score(torch.tanh(self.previous(earlier) + self.current(layer)))
        return scores[..., 0]


@AGENTS.register("reinforce-lstm")
class ReinforceLSTM(PolicyGradient):
    """A recurrent network that chooses each decision given the ones before it.

    The recurrent state is reset at the start of each episode. Illegal actions get probability 0.
    The papers use a separate output layer for each kind of decision; here one layer serves all,
    with masks. With `anchors`, decisions about skip connections are made by attention.

    Two presets hold the settings of papers:

    * "zoph-le": two layers of 35 units, weights uniform in [-0.08, 0.08], Adam with learning rate
      0.0006, a moving-average baseline, anchors. Use it with the objective "cubed-accuracy" (or
      `reward_power` 3) and a space with skip connections.
    * "nasnet": one layer of 100 units, weights uniform in [-0.1, 0.1], Adam with learning rate
      0.00035, moving average 0.95, entropy 1e-5, and PPO over minibatches of 20 architectures, 10
      epochs each, clipped at 0.2.

    References: Zoph and Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
    sections 3.3 and 4.1. Zoph, Vasudevan, Shlens and Le, "Learning Transferable Architectures for
    Scalable Image Recognition", CVPR 2018.

    Args:
        env: One environment.
        seed: Seed of the agent.
        units: Width of embedding and recurrent layers.
        layers: Recurrent layers.
        init_range: Initial weights are uniform in [-init_range, init_range].
        anchors: Whether decisions about skip connections are made by attention.
        clip: If > 0, PPO's clipped surrogate objective: the ratio of new to old probability is
            clipped to [1 - clip, 1 + clip]. If 0, the plain policy gradient.
        epochs: Gradient steps on each batch; more than one needs `clip`.
        settings: See `PolicyGradient`.

    Raises:
        IncompatibleError: `anchors` is set, but the space has no skip connections to decide.
        InvalidSettingError: A setting is out of its range.
    """

    NAMES = (*PolicyGradient.NAMES, "units", "layers", "init_range", "anchors", "clip", "epochs")

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        seed: int = 0,
        units: int = 35,
        layers: int = 2,
        init_range: float = 0.08,
        anchors: bool = False,
        clip: float = 0.0,
        epochs: int = 1,
        **settings: Any,
    ) -> None:
        check_rules(
            ("init_range", init_range, init_range > 0, "> 0"),
            *switches(anchors=anchors),
            ("clip", clip, 0 <= clip < 1, "in [0, 1)"),
            ("epochs", epochs, is_count(epochs), "an integer >= 1"),
            ("epochs", epochs, clip > 0 or epochs == 1, "1 if clip is 0"),
        )
        self.units, self.layers, self.init_range = units, layers, init_range
        self.anchors, self.clip, self.epochs = anchors, clip, epochs
        super().__init__(env, seed, **settings)
        self.edits = isinstance(self.inner.mdp, Edit)
        self.taken: list[int] = []  # actions of the present episode
        self._read: list[int] = []  # tokens that the recurrent network has read
        self._outputs: list[Tensor] = []  # (1, 1, units) after each of these
        self._state: State | None = None

    def initial(self) -> NDArray[np.float32]:
        """Return all weights, uniform in [-init_range, init_range]."""
        anchors = _anchors(self.inner) if self.anchors else ()
        self.controller = Controller(self.num_actions, self.units, self.layers, anchors)
        size = len(parameters_to_vector(self.controller.parameters()))
        drawn = self.rng.uniform(-self.init_range, self.init_range, size)
        parameters: NDArray[np.float32] = drawn.astype(np.float32)
        vector_to_parameters(torch.from_numpy(parameters), self.controller.parameters())
        return parameters

    def act(self, observation: Any, mask: NDArray[np.bool_], greedy: bool = False) -> int:
        """Return a legal action sampled from the policy, or the most likely one if greedy."""
        action = super().act(observation, mask, greedy)
        self.taken[self.inner.state.steps :] = [action]
        return action

    def logits(self, step: int) -> NDArray[Any]:
        """Return (actions,) logits after the decisions so far, read one by one and cached."""
        walk = self.taken[:step] if self.edits else list(self.inner.state.walk)
        before = [self.controller.start, *walk]
        if self._read != before[: len(self._read)]:
            self._forget()
        with torch.inference_mode():
            for token in before[len(self._read) :]:
                output, self._state = self.controller.read(torch.tensor([[token]]), self._state)
                self._outputs.append(output)
            self._read = before
            anchor = self.controller.anchors.get(len(walk))
            if anchor is None:
                plain: NDArray[Any] = self.controller.head(self._outputs[-1])[0, 0].numpy()
                return plain
            pair = self._outputs[anchor.earlier], self._outputs[anchor.layer]
            logits = np.zeros(self.num_actions, np.float32)
            logits[anchor.reads] = self.controller.attention(*pair).item()
        return logits

    def begin_episode(self, mask: NDArray[np.bool_]) -> None:
        """Reset the recurrent state."""
        super().begin_episode(mask)
        self.taken = []
        self._forget()

    def gradient(self, batch: list[Episode], old: Tensor | None = None) -> NDArray[np.float32]:
        """Return the gradient of `objective`."""
        self.controller.zero_grad()
        self.objective(batch, old).backward()  # type: ignore[no-untyped-call]
        grads = [
            torch.zeros_like(x) if x.grad is None else x.grad for x in self.controller.parameters()
        ]
        gradient: NDArray[np.float32] = torch.cat([x.ravel() for x in grads]).numpy()
        return gradient

    def objective(self, batch: list[Episode], old: Tensor | None = None) -> Tensor:
        """Return the objective to maximise: the mean over episodes of gains and entropy.

        Args:
            batch: Episodes.
            old: (steps, episodes) log-probabilities of the decisions when they were made, for PPO's
                clipped surrogate; None for advantage times log-probability.
        """
        log_probs, logs, present = self.read(batch)
        advantages = torch.tensor([episode.advantage for episode in batch])
        gains = log_probs * advantages
        if old is not None:
            ratio = (log_probs - old).exp()
            clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
            gains = torch.minimum(ratio * advantages, clipped * advantages)
        total = (gains * present).sum(0)
        if self.entropy:
            entropies = -(logs.exp() * logs).sum(-1) * present
            total = total + self.entropy * entropies.sum(0) / present.sum(0)
        objective: Tensor = total.mean()
        return objective

    def read(self, batch: list[Episode]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the log-probabilities of a batch of episodes, computed in one pass.

        Returns:
            (steps, episodes) log-probability of the decision taken; (steps, episodes, actions) of
            every decision; (steps, episodes) 1 if an episode has this step, else 0.
        """
        shape = (max(len(episode.actions) for episode in batch), len(batch))
        actions, masks = np.zeros(shape, np.int64), np.ones((*shape, self.num_actions), bool)
        weights = np.zeros(shape, np.float32)
        for column, (mask, decisions, _) in enumerate(batch):
            actions[: len(decisions), column], masks[: len(decisions), column] = decisions, mask
            weights[: len(decisions), column] = 1
        before = np.vstack([np.full((1, len(batch)), self.controller.start), actions[:-1]])
        logits = self.controller.logits(self.controller.read(torch.from_numpy(before))[0])
        logs = logits.masked_fill(~torch.from_numpy(masks), -1e9).log_softmax(-1)
        chosen = logs.gather(-1, torch.from_numpy(actions)[..., None])[..., 0]
        return chosen, logs, torch.from_numpy(weights)

    def update(self) -> None:
        """Update the parameters and load them into the network."""
        if not self.clip:
            super().update()
            self._load()
            return
        batch = self.batch
        with torch.no_grad():
            old = self.read(batch)[0]
        for _ in range(self.epochs):
            gradient = self.gradient(batch, old)
            step = self.optimiser.step(gradient) if self.adam else self.learning_rate * gradient
            self.parameters += step
            self._load()
        self.batch = []

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        super().restore(arrays)
        self._load()

    def _load(self) -> None:
        vector_to_parameters(torch.from_numpy(self.parameters), self.controller.parameters())
        self._forget()

    def _forget(self) -> None:
        """Reset the recurrent state."""
        self._read, self._outputs, self._state = [], [], None


def _anchors(inner: Any) -> tuple[Anchor, ...]:
    """Return the anchors of an environment's space.

    Raises:
        IncompatibleError: The space has none.
    """
    if isinstance(inner.mdp, Edit) or not inner.space.anchors:
        what = "An edit" if isinstance(inner.mdp, Edit) else f"Space {inner.space.name!r}"
        raise IncompatibleError(
            f"{what} has no decisions about skip connections, which anchors=True needs. Use NAS-v0 "
            "with a space such as 'skip-chain' or 'enas-macro', or anchors=False."
        )
    anchors: tuple[Anchor, ...] = inner.space.anchors
    return anchors
