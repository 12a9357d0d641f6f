"""PPO in one file, in CleanRL's style, on NAS-v0 through `gym.make` alone.

Only the environment id comes from nas_env, so any Gymnasium client works in the same way.
The style is that of Huang et al., "CleanRL", JMLR 2022; the algorithm that of Schulman et al.,
arXiv 1707.06347; the masking that of Huang and Ontanon, arXiv 2006.14171.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical


@dataclass
class Args:
    """Train PPO on NAS-v0; the defaults train real networks on digits in a few minutes."""

    env_id: str = "nas_env:NAS-v0"
    """Environment id; the part before the colon is the module that registers it."""
    space: str | None = None
    """Search space; default: the one for the task."""
    task: str | None = None
    """Task; default: the one for the space."""
    data: str | None = None
    """Path of your own data, such as an .npz file; see docs/own-data.md."""
    evaluator: str | None = None
    """Evaluator; "synthetic" is free; default: the environment's."""
    objective: str | None = None
    """Objective; default: the environment's."""
    store: str | None = None
    """SQLite file of all evaluations, shared by the lanes; default: one store per lane."""
    total_timesteps: int = 512
    """Total steps of all lanes, about five per network."""
    num_envs: int = 4
    """Lanes, stepped one after another."""
    num_steps: int = 16
    """Steps of each lane between two updates."""
    mask: bool = True
    """Whether the policy draws only legal decisions; if not, illegal ones are projected."""
    learning_rate: float = 3e-3
    """Learning rate of Adam at the start."""
    anneal_lr: bool = True
    """Whether the learning rate decreases to zero during the run."""
    gamma: float = 1.0
    """Discount; the only reward is the last."""
    gae_lambda: float = 1.0
    """Lambda of generalized advantage estimation; 1 is Monte-Carlo."""
    num_minibatches: int = 1
    """Minibatches per epoch."""
    update_epochs: int = 10
    """Epochs per update."""
    clip_coef: float = 0.2
    """Clipping range of the probability ratio."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Maximum norm of the gradient."""
    hidden: int = 64
    """Width of both hidden layers."""
    seed: int = 1
    """Seed of the policy, the minibatches and the lanes."""
    tensorboard: str | None = None
    """Folder of TensorBoard event files; default: none."""

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            ValueError: A size is not positive, or there are too few steps for one update.
        """
        for name in ("num_envs", "num_steps", "num_minibatches", "update_epochs", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, but is {getattr(self, name)}.")
        if self.total_timesteps < self.num_envs * self.num_steps:
            raise ValueError(
                f"total_timesteps={self.total_timesteps} is less than one rollout of "
                f"num_envs * num_steps = {self.num_envs * self.num_steps}."
            )


class Agent(nn.Module):
    """Policy and value over one-hot tokens, two hidden layers each."""

    def __init__(self, tokens: NDArray[np.int64], actions: int, hidden: int) -> None:
        super().__init__()
        self.width = int(tokens.max())
        size = len(tokens) * self.width
        self.actor = _mlp(size, hidden, actions, last_gain=0.01)
        self.critic = _mlp(size, hidden, 1, last_gain=1.0)

    def value(self, obs: Tensor) -> Tensor:
        """Return (batch,) values of (batch, length) tokens."""
        value: Tensor = self.critic(self._one_hot(obs)).squeeze(-1)
        return value

    def policy(self, obs: Tensor, mask: Tensor) -> Categorical:
        """Return the policy over the decisions where the (batch, actions) bool mask is True."""
        logits = self.actor(self._one_hot(obs))
        return Categorical(logits=logits.masked_fill(~mask, -1e8))

    def _one_hot(self, obs: Tensor) -> Tensor:
        return nn.functional.one_hot(obs, self.width).float().flatten(1)


def _mlp(inputs: int, hidden: int, outputs: int, last_gain: float) -> nn.Sequential:
    sizes = [(inputs, hidden, 2**0.5), (hidden, hidden, 2**0.5), (hidden, outputs, last_gain)]
    layers: list[nn.Module] = []
    for fan_in, fan_out, gain in sizes:
        layer = nn.Linear(fan_in, fan_out)
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Rollout(NamedTuple):
    """A rollout, (steps, lanes) each; `next_values` belongs to the next observation.

    `valid` is False if the step only reset the lane.
    """

    obs: Tensor
    masks: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    terminated: Tensor
    done: Tensor
    valid: Tensor
    next_values: Tensor


@dataclass
class Book:
    """Statistics of the run."""

    scores: list[float] = field(default_factory=list)
    best: float = float("-inf")
    best_architecture: str = ""
    decisions: int = 0
    illegal: int = 0

    def enter(self, infos: dict[str, Any], valid: NDArray[np.bool_]) -> None:
        """Record the decisions and the finished networks of one vector step."""
        self.decisions += int(valid.sum())
        self.illegal += int(np.sum(infos.get("illegal_action", np.zeros_like(valid))[valid]))
        for lane in np.flatnonzero(infos.get("_evaluation", np.zeros_like(valid))):
            self.scores.append(float(infos["evaluation"]["score"][lane]))
            if self.scores[-1] > self.best:
                self.best = self.scores[-1]
                self.best_architecture = str(infos["architecture"][lane])

    def quarters(self) -> tuple[float, float]:
        """Return the mean score of the first and of the last quarter of the networks."""
        size = max(1, len(self.scores) // 4)
        return float(np.mean(self.scores[:size])), float(np.mean(self.scores[-size:]))


class Lanes:
    """The vector environment and the state of its lanes.

    Gymnasium resets a lane on the step *after* its last one (`AutoresetMode.NEXT_STEP`): that step
    ignores the action and gives reward 0. `over` marks the lanes whose next step is such a step.
    The observation in between is the true last one, so a truncated episode can be bootstrapped.
    """

    def __init__(self, args: Args) -> None:
        make = _maker(args)
        self.envs = gym.vector.SyncVectorEnv(
            [make] * args.num_envs, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP
        )
        self.masked = args.mask
        self.book = Book()
        self.obs, infos = self.envs.reset(seed=args.seed)
        self.over = np.zeros(args.num_envs, dtype=np.bool_)
        self._infos = infos

    def mask(self) -> NDArray[np.bool_]:
        """Return (lanes, actions) bool; all True if a lane is over, because nothing is decided."""
        mask = np.asarray(self._infos["action_mask"], dtype=np.bool_)
        return mask | self.over[:, None] if self.masked else np.ones_like(mask)

    def step(self, actions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Step every lane; return rewards, terminated, done and valid, (lanes,) each."""
        valid = ~self.over
        self.obs, rewards, terminated, truncated, self._infos = self.envs.step(actions)
        self.over = terminated | truncated
        self.book.enter(self._infos, valid)
        return {"rewards": rewards, "terminated": terminated, "done": self.over, "valid": valid}


def _maker(args: Args) -> Callable[[], gym.Env[Any, Any]]:
    """Return a factory of lanes with the given options."""
    names = ("space", "task", "data", "evaluator", "objective", "store")
    settings = {name: value for name in names if (value := getattr(args, name)) is not None}

    def make() -> gym.Env[Any, Any]:
        return gym.make(args.env_id, **settings)

    return make


def collect(agent: Agent, lanes: Lanes, steps: int) -> Rollout:
    """Let the policy decide `steps` times in every lane."""
    rows: dict[str, list[Tensor]] = {name: [] for name in Rollout._fields}
    for _ in range(steps):
        row = _decide(agent, torch.as_tensor(lanes.obs), torch.as_tensor(lanes.mask()))
        after = lanes.step(row["actions"].numpy())
        row |= {name: torch.tensor(value) for name, value in after.items()}
        with torch.no_grad():
            row["next_values"] = agent.value(torch.as_tensor(lanes.obs))
        for name, value in row.items():
            rows[name].append(value)
    return Rollout(**{name: torch.stack(values) for name, values in rows.items()})


@torch.no_grad()
def _decide(agent: Agent, obs: Tensor, masks: Tensor) -> dict[str, Tensor]:
    policy = agent.policy(obs, masks)
    actions = policy.sample()  # type: ignore[no-untyped-call]
    log_probs = policy.log_prob(actions)  # type: ignore[no-untyped-call]
    values = agent.value(obs)
    return {
        "obs": obs,
        "masks": masks,
        "actions": actions,
        "log_probs": log_probs,
        "values": values,
    }


def advantages(rollout: Rollout, gamma: float, gae_lambda: float) -> Tensor:
    """Return (steps, lanes) generalized advantages, computed within episodes."""
    alive = 1.0 - rollout.terminated.float()
    going_on = 1.0 - rollout.done.float()
    deltas = rollout.rewards.float() + gamma * alive * rollout.next_values - rollout.values
    result = torch.zeros_like(deltas)
    last = torch.zeros_like(deltas[0])
    for step in reversed(range(len(deltas))):
        last = deltas[step] + gamma * gae_lambda * going_on[step] * last
        result[step] = last
    return result


def update(
    agent: Agent, optimizer: torch.optim.Optimizer, rollout: Rollout, args: Args
) -> dict[str, float]:
    """Run PPO's epochs over the valid steps; return the losses of the last minibatch."""
    gains = advantages(rollout, args.gamma, args.gae_lambda)
    valid = rollout.valid
    returns = (gains + rollout.values)[valid]
    flat = Rollout(*(part[valid] for part in rollout))
    gains = gains[valid]
    losses: dict[str, float] = {}
    for _ in range(args.update_epochs):
        for index in torch.randperm(len(gains)).chunk(args.num_minibatches):
            part = Rollout(*(values[index] for values in flat))
            terms = _losses(agent, part, gains[index], returns[index], args.clip_coef)
            loss = (
                terms["policy"] + args.vf_coef * terms["value"] - args.ent_coef * terms["entropy"]
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
            losses = {name: float(term.detach()) for name, term in terms.items()}
    return losses


def _losses(
    agent: Agent, part: Rollout, gains: Tensor, returns: Tensor, clip: float
) -> dict[str, Tensor]:
    policy = agent.policy(part.obs, part.masks)
    log_probs: Tensor = policy.log_prob(part.actions)  # type: ignore[no-untyped-call]
    ratio = (log_probs - part.log_probs).exp()
    if len(gains) > 1:
        gains = (gains - gains.mean()) / (gains.std() + 1e-8)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return {
        "policy": -torch.min(gains * ratio, gains * clipped).mean(),
        "value": 0.5 * (agent.value(part.obs) - returns).square().mean(),
        "entropy": policy.entropy().mean(),  # type: ignore[no-untyped-call]
    }


class Log:
    """One line per update on the terminal, and TensorBoard if a folder is given."""

    def __init__(self, folder: str | None) -> None:
        self.writer: Any = None
        self.started = time.monotonic()
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(folder)

    def write(self, step: int, book: Book, losses: dict[str, float]) -> None:
        """Write the state of the run after an update."""
        recent = float(np.mean(book.scores[-20:])) if book.scores else float("nan")
        print(
            f"step {step:6d}  episodes {len(book.scores):5d}  best {book.best:.4f}  "
            f"latest twenty {recent:.4f}  entropy {losses['entropy']:.3f}  "
            f"{step / (time.monotonic() - self.started):.0f} steps/s",
            flush=True,
        )
        if self.writer is not None:
            values = {"score/best": book.best, "score/latest_twenty": recent}
            values |= {f"losses/{name}": value for name, value in losses.items()}
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event files."""
        if self.writer is not None:
            self.writer.close()


def train(args: Args, lanes: Lanes) -> None:
    """Alternate between collecting and updating until the steps are used up."""
    space: Any = lanes.envs.single_observation_space
    actions: Any = lanes.envs.single_action_space
    agent = Agent(space.nvec, int(actions.n), args.hidden)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    log = Log(args.tensorboard)
    batch = args.num_envs * args.num_steps
    updates = args.total_timesteps // batch
    for number in range(updates):
        if args.anneal_lr:
            optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - number / updates)
        rollout = collect(agent, lanes, args.num_steps)
        losses = update(agent, optimizer, rollout, args)
        log.write((number + 1) * batch, lanes.book, losses)
    log.close()


def report(book: Book) -> None:
    """Print the results of the run."""
    print(f"episodes: {len(book.scores)}")
    print(f"illegal share: {book.illegal / max(book.decisions, 1):.4f}")
    if book.scores:
        first, last = book.quarters()
        print(f"mean score of the first quarter: {first:.4f}")
        print(f"mean score of the last quarter: {last:.4f}")
        print(f"best score: {book.best:.4f}")
        print(f"best architecture: {book.best_architecture}")


def main(args: Args) -> None:
    """Train and report."""
    torch.manual_seed(args.seed)
    lanes = Lanes(args)
    try:
        train(args, lanes)
    finally:
        lanes.envs.close()
    report(lanes.book)


if __name__ == "__main__":
    main(tyro.cli(Args))
