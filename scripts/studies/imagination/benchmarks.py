"""The experiments: agents, environments, limits and seeds.

Seeds start at 1000, because the settings of `imagination` come from a prototype that was explored
on seeds 0 to 99 of the same four tables (NAS-Bench-201 and NAS-Bench-Macro). They were not changed
since. Only its rank target was also compared with others on seeds 1000 to 1099. The settings of the
model-free agents with options were chosen on seeds below 20 of CIFAR-10 and Macro.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_env_cli.benchmark.folder import BenchmarkFolder, Plan
from nas_env_cli.benchmark.runner import CellOutcome, run_plan
from nas_env_cli.specs import AgentSpec, EnvSpec

FIRST = 1000

# The reward is the reported accuracy, without noise: an upper bound, as the page states.
CELLS = {
    name: f"{name}=NASBench201-v0:dataset={name},reward=test_200,fidelity=200"
    for name in ("cifar10", "cifar100", "imagenet16-120")
}
MACRO = "macro=NASBenchMacro-v0:run=mean"
UPPER_BOUND = (*CELLS.values(), MACRO)

IMAGINATION = "imagination"
POLICY = "imagination-policy=imagination:planner=policy"
DESCRIBED = "imagination-descriptors=imagination:descriptors=true"
EVOLUTION = "regularized-evolution-20-10=regularized-evolution:population_size=20,sample_size=10"
SMALL_EVOLUTION = "regularized-evolution"
BASELINES = ("random", "local-search", EVOLUTION, SMALL_EVOLUTION)
REINFORCE = "reinforce-ranks=reinforce:rank_window=50,adam=false,learning_rate=0.2,entropy=0.02"
Q_POSITIONS = (
    "q-positions=q-learning:positions=true,monte_carlo=true,ranks=true,initial_value=optimistic,"
    "learning_rate=0.1,schedule=[[0.1,1]]"
)
ELITES = ("ppo-elites=ppo:elites=4", "maskable-ppo-elites=maskable-ppo:elites=4")
NEURAL = ("a2c", "ppo", "maskable-ppo", "dqn", "masked-dqn", "reinforce-lstm", *ELITES)
TABULAR = ("reinforce", REINFORCE, "q-learning", Q_POSITIONS)
BATCHES = ("batch_size=2", "batch_size=4", "batch_size=8", "batch_size=16")
ABLATED = (
    "target=score",
    "learn_kernel=false",
    "planner=policy",
    "planner=climb",
    "planner=pool",
    "optimism=0",
    "optimism=2",
    "random_share=0.1",
)


@dataclass(frozen=True)
class Part:
    """Agents, environments and the number of seeds."""

    agents: tuple[str, ...]
    envs: tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class Experiment:
    """Runs that share their limits, a folder and a file of results.

    Attributes:
        parts: The runs.
        limit: Unique networks of a run, or None.
        simulated_seconds: Simulated seconds of a run, or None.
        charge_repeats: Whether repeated networks are charged.
    """

    parts: tuple[Part, ...]
    limit: int | None = 400
    simulated_seconds: float | None = None
    charge_repeats: bool = False

    def plans(self, seeds: int | None, command: str) -> list[Plan]:
        """Return the plans for `nas-env benchmark`.

        Args:
            seeds: Number of seeds of every part; None: the default of the part.
            command: The command line, for the file of results.
        """
        return [
            Plan(
                tuple(AgentSpec.parse(text) for text in part.agents),
                tuple(EnvSpec.parse(text) for text in part.envs),
                range(FIRST, FIRST + (seeds or part.seeds)),
                self.limit,
                self.simulated_seconds,
                self.charge_repeats,
                command=command,
            )
            for part in self.parts
        ]

    def run(
        self, folder: Path, seeds: int | None, processes: int, command: str
    ) -> list[CellOutcome]:
        """Play the missing runs and return the failed ones."""
        benchmark = BenchmarkFolder(folder)
        return [
            x for plan in self.plans(seeds, command) for x in run_plan(plan, benchmark, processes)
        ]


def variants(*settings: str) -> tuple[str, ...]:
    """Return `imagination` with other settings, which are the labels."""
    return tuple(f"{text.replace('=', ' ')}=imagination:{text}" for text in settings)


def trained(label: str, store: Path, **settings: Any) -> str:
    """Return an environment whose networks are trained, under a mild cost of parameters."""
    options = {"objective": "accuracy-under-cost", "store": str(store), **settings}
    texts = (f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in options.items())
    return f"{label}=NAS-v0:{','.join(texts)}"


def experiments(tables: dict[str, str], folder: Path, images: Path) -> dict[str, Experiment]:
    """Return the experiments by name.

    Args:
        tables: Environments of the tables not used during development, by label; empty if they
            cannot be made.
        folder: Folder for the stores of trained networks.
        images: A file of images to train on.
    """
    fresh = ("chain=NASChain-v0", *tables.values())
    unseen = Experiment((Part((IMAGINATION, *BASELINES, REINFORCE), fresh, 40),), limit=300)
    return {**on_known_tables(), "unseen": unseen, **with_training(folder, images)}


def on_known_tables() -> dict[str, Experiment]:
    """Return the experiments on NAS-Bench-201 and NAS-Bench-Macro."""
    two, search = (CELLS["cifar10"], MACRO), ("cifar10=NASBench201-v0:dataset=cifar10",)
    shares = variants("random_share=0.1", "random_share=0.2")
    others = (*BASELINES, REINFORCE, Q_POSITIONS)
    return {
        "optimum": Experiment(
            (
                Part((IMAGINATION,), UPPER_BOUND, 200),
                Part((POLICY,), UPPER_BOUND, 60),
                Part((DESCRIBED,), tuple(CELLS.values()), 200),
            )
        ),
        "optimum-tabular": Experiment((Part(TABULAR, UPPER_BOUND, 100),)),
        "optimum-neural": Experiment((Part(NEURAL, UPPER_BOUND, 30),)),
        "optimum-long": Experiment((Part(BASELINES, UPPER_BOUND, 200),), limit=2000),
        "protocol": Experiment(
            (Part((IMAGINATION, *shares, DESCRIBED, *others), search, 200),),
            limit=None,
            simulated_seconds=12_000.0,
            charge_repeats=True,
        ),
        "batches": Experiment((Part((IMAGINATION, *variants(*BATCHES)), two, 100),)),
        "ablations": Experiment((Part((IMAGINATION, *variants(*ABLATED)), two, 100),)),
    }


def with_training(folder: Path, images: Path) -> dict[str, Experiment]:
    """Return the experiments that train networks; each network of a store is trained once."""
    digits = trained("digits", folder / "digits.sqlite", budget={"epochs": 8})
    mnist = trained(
        "mnist", folder / "mnist.sqlite", task="own-data", data=str(images), budget={"epochs": 2}
    )
    agents = (IMAGINATION, "random", "local-search", EVOLUTION, "maskable-ppo")
    return {
        "digits": Experiment((Part(agents, (digits,), 10),), limit=60),
        "mnist": Experiment((Part(agents, (mnist,), 5),), limit=40),
    }
