"""Run the tutorial's loop with made-up and with trained scores, and write docs/walkthrough.md.

The text is `template.md`; every number and picture in the page comes from this run.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from nas_env.rendering import save_drawing
from nas_env_agents.common.episodic import Step
from nas_env_agents.q_learning import QLearning
from nas_env_cli.search.provenance import versions
from nas_env_cli.search.q_table import draw_q, picture_of
from nas_env_cli.spread import mean_sd
from scripts.studies.common.experiment import Experiment, typed_command
from scripts.studies.common.pages import save_page

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = Path(__file__).with_name("template.md")
START = (0, 14, 17, 19, 21)  # one 1x1 convolution of 8 channels, ReLU, nothing else
ALPHA, GAMMA, EPSILON = 0.1, 0.9, 0.1


@dataclass(frozen=True)
class Options:
    """Run the tutorial's loop with made-up and with trained scores, and write the walkthrough."""

    free_episodes: int = 1000
    """Episodes with the synthetic evaluator."""
    episodes: int = 30
    """Episodes in which networks are trained."""
    edits: int = 10
    """Edits of a trained episode."""
    seeds: int = 3
    """Runs in which networks are trained: seeds 0, 1, ..."""
    epochs: int = 8
    """Epochs each network is trained."""
    store: Path = ROOT / "runs" / "walkthrough.sqlite"
    """Store of all trained networks; an interrupted run resumes from it."""
    comparison: Path = ROOT / "docs" / "edits-with-training" / "results.jsonl"
    """Results of the study edits-with-training, for the section on richer observations."""
    page: Path = ROOT / "docs" / "walkthrough.md"
    """The page; its pictures go into the folder with its name."""


@dataclass
class Story:
    """The results of one run of the loop."""

    agent: QLearning
    first: dict[str, Any]
    best: dict[str, Any]
    last: dict[str, Any]
    networks: dict[str, int]
    seconds: float
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)


def tutorial(env: Any, episodes: int, seed: int) -> Story:
    """Run the loop of docs/q-table.md, unmasked, and return the data for the page."""
    q = np.zeros((100, 10))
    rng = np.random.default_rng(seed)
    visits, memory = np.zeros(q.shape, dtype=np.int64), []
    networks: dict[str, int] = {}
    starts, ends, seconds = [], [], 0.0
    story: Story | None = None
    for episode in range(episodes):
        state, info = env.reset(seed=seed if episode == 0 else None)
        present, steps, done = info["evaluation"], [], False
        seconds += new_seconds(env, info, networks)
        networks[info["architecture"]] = int(state)
        starts.append(present["score"])
        if story is None:
            story = Story(QLearning(env), present, present, present, networks, 0.0)
        while not done:
            action = rng.integers(10) if rng.random() < EPSILON else q[state].argmax()
            after, reward, terminated, truncated, info = env.step(action)
            value = 0.0 if terminated else q[after].max()
            q[state, action] += ALPHA * (reward + GAMMA * value - q[state, action])
            done = terminated or truncated
            visits[state, action] += 1
            mask = info["action_mask"].astype(bool)
            steps.append(Step(state, int(action), reward, after, mask, terminated))
            if "evaluation" in info:
                present = info["evaluation"]
                seconds += new_seconds(env, info, networks)
                networks[info["architecture"]] = int(after)
                story.best = max(story.best, present, key=lambda x: x["score"])
            state = after
        memory.append(steps)
        ends.append(present["score"])
        story.last = present
    assert story is not None
    story.agent.q, story.agent.visits, story.agent.memory = q, visits, memory
    story.seconds, story.starts, story.ends = seconds, starts, ends
    return story


def new_seconds(env: Any, info: dict[str, Any], networks: dict[str, int]) -> float:
    """Return the training seconds of a network; 0 if this run evaluated it before."""
    return 0.0 if info["architecture"] in networks else float(env.unwrapped.evaluation.seconds)


def make(settings: Options, evaluator: str) -> Any:
    """Return the environment of a part of the page."""
    common: dict[str, Any] = {"observation": "loss-bins", "evaluator": evaluator}
    if evaluator == "training":
        settings.store.parent.mkdir(parents=True, exist_ok=True)
        common |= {"start": START, "max_edits": settings.edits, "device": "cpu"}
        common["store"] = settings.store
        common["budget"] = {"epochs": settings.epochs}
    return gymnasium.make("NASEdit-v0", **common)


def run(settings: Options) -> int:
    """Run everything and write the page."""
    torch.set_num_threads(1)
    pictures = settings.page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    free = tutorial(make(settings, "synthetic"), settings.free_episodes, 0)
    save_drawing(
        draw_q(picture_of(free.agent), f"{settings.free_episodes:,} episodes, made-up scores"),
        pictures / "free",
    )
    stories = []
    for seed in range(settings.seeds):
        stories.append(tutorial(make(settings, "training"), settings.episodes, seed))
        print(f"seed {seed}: {stories[-1].seconds:.0f} s, best {stories[-1].best['score']:.4f}")
    title = f"{settings.episodes} episodes, trained networks, seed 0"
    save_drawing(draw_q(picture_of(stories[0].agent), title), pictures / "trained")
    values = numbers(settings, free, stories)
    page = string.Template(TEMPLATE.read_text("utf-8")).substitute(values)
    save_page(settings.page, page)
    return 0


def numbers(settings: Options, free: Story, stories: list[Story]) -> dict[str, str]:
    """Return the numbers of the page."""
    shared = [aliased(story) for story in stories]
    command = typed_command()
    return {
        "command": command,
        "versions": ", ".join(f"{k} {v}" for k, v in versions().items() if k != "commit"),
        "pictures": settings.page.with_suffix("").name,
        "free_episodes": f"{settings.free_episodes:,}",
        "free_start": f"{np.mean(free.starts):.3f}",
        "free_first": f"{np.mean(free.ends[: len(free.ends) // 10]):.3f}",
        "free_last": f"{np.mean(free.ends[-(len(free.ends) // 10) :]):.3f}",
        "episodes": str(settings.episodes),
        "edits": str(settings.edits),
        "epochs": str(settings.epochs),
        "seeds": str(settings.seeds),
        "start_loss": f"{stories[0].first['loss']:.3f}",
        "start_accuracy": f"{100 * stories[0].first['accuracy']:.1f}",
        "start_params": f"{stories[0].first['params']:,}",
        "seconds": f"{np.mean([x.seconds for x in stories]):.0f}",
        "networks": over(stories, lambda x: len(x.networks), 0),
        "best_loss": over(stories, lambda x: x.best["loss"], 3),
        "best_accuracy": over(stories, lambda x: 100 * x.best["accuracy"], 2),
        "best_params": over(stories, lambda x: x.best["params"], 0),
        "last_loss": over(stories, lambda x: x.last["loss"], 3),
        "early_end": over(stories, lambda x: -float(np.mean(x.ends[:10])), 3),
        "late_end": over(stories, lambda x: -float(np.mean(x.ends[-10:])), 3),
        "ends": where_it_ends(stories),
        "aliased": " of ".join(f"{np.mean(counts):.0f}" for counts in zip(*shared, strict=True)),
        "comparison": comparison(settings.comparison),
    }


def over(stories: list[Story], value: Callable[[Story], float], digits: int) -> str:
    """Return "mean ± sd" over the runs."""
    mean, sd = mean_sd([value(story) for story in stories])
    return f"{mean:,.{digits}f} ± {sd:,.{digits}f}"


def where_it_ends(stories: list[Story]) -> str:
    """Return whether the last episodes end with better networks than the initial one."""
    start = stories[0].first["score"]
    better = sum(float(np.mean(x.ends[-10:])) > start for x in stories)
    return (
        f"In {better} of {len(stories)} runs the last ten episodes end, in the mean, with a better "
        "network than the initial one"
    )


def aliased(story: Story) -> tuple[int, int]:
    """Return the number of visited bins with several networks, and of all visited bins."""
    bins = list(story.networks.values())
    return sum(bins.count(x) > 1 for x in set(bins)), len(set(bins))


def comparison(file: Path) -> str:
    """Return the rows of the tabular agents in the comparison, as a table."""
    searches = [{**job, **result} for job, result in Experiment(file, {}).results()]
    lines = ["| method | best score, mean ± sd | seeds |", "| --- | --- | --- |"]
    for name in dict.fromkeys(x["method"] for x in searches):
        if "Q-learning" in name or name == "random search":
            scores = [x["score"] for x in searches if x["method"] == name]
            lines.append(
                "| {} | {:.4f} ± {:.4f} | {} |".format(name, *mean_sd(scores), len(scores))
            )
    return "\n".join(lines)
