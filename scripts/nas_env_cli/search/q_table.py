"""Plots of Q-tables: values, visits, and the greedy path through visited states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_env.mdp import Edit
from nas_env.observations.training import BINS, Bins
from nas_env.spaces import SearchSpace
from nas_env_agents.q_learning import QLearning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNVISITED = "#8fb3d9"  # not a colour of the map "hot", so it cannot be read as a value
LONGEST_PATH = 50
Cells = list[tuple[int, int]]


@dataclass(frozen=True)
class QPicture:
    """The data of a plot of a Q-table.

    Attributes:
        values: (rows, actions) Q-values, NaN if never visited.
        visits: (rows, actions) visit counts.
        rows: Label of each row.
        actions: Label of each action.
        rows_title: Title of the rows.
        path: Row and action of each step of the greedy path.
        quantity: Name of the values.
        about: Title of the plot.
        followed: Description of the path.
    """

    values: NDArray[np.float64]
    visits: NDArray[np.int64]
    rows: Sequence[str]
    actions: Sequence[str]
    rows_title: str
    path: Cells
    quantity: str = "Q-value"
    about: str = "Q-table; blue cells were not visited"
    followed: str = "best visited actions"


def picture_of(agent: QLearning) -> QPicture:
    """Return the plot data of an agent's table.

    With bins of the loss or the accuracy, a row is a bin. In environments that append decisions, a
    row is the number of decisions so far, and a value is the visit-weighted mean over its states.
    In other environments, a row is a visited state.
    """
    inner: Any = agent.env.unwrapped
    actions = [inner.mdp.label(action) for action in range(agent.q.shape[1])]
    observation = getattr(inner.mdp, "observation", None)
    path = greedy_path(agent)
    if isinstance(observation, Bins):
        values = np.where(agent.visits > 0, agent.q, np.nan)
        title = f"{observation.quantity}, in {BINS} bins"
        return QPicture(values, agent.visits, observation.labels(), actions, title, path)
    if isinstance(inner.mdp, Edit):
        groups = np.full(len(agent.q), -1)
        visited = np.flatnonzero(agent.visits.any(axis=1))
        groups[visited] = np.arange(len(visited))
        rows, title = [str(state) for state in visited], "automaton state (those visited)"
    else:
        depth = depths(inner.space)
        groups = depth[agent.first_observation]
        following = inner.space.automaton().next_state
        nodes, decisions = np.nonzero(following >= 0)
        exact = (depth[following[nodes, decisions]] == depth[nodes] + 1).all()
        rows = [str(number) for number in range(groups.max())]
        title = "decisions so far" if exact else "decisions so far (the fewest to a state)"
    values, visits = grouped(agent.q, agent.visits, groups, len(rows))
    return QPicture(values, visits, rows, actions, title, [(int(groups[r]), a) for r, a in path])


def depths(space: SearchSpace) -> NDArray[np.int64]:
    """Return (states,) the minimum number of decisions to each automaton state."""
    following = space.automaton().next_state
    depth = np.full(len(following), -1, dtype=np.int64)
    depth[0] = 0
    for node, row in enumerate(
        following
    ):  # breadth first: a state comes after one that leads to it
        children = row[row >= 0]
        fresh = children[depth[children] < 0]
        depth[fresh] = depth[node] + 1
    return depth


def grouped(
    q: NDArray[np.float64], visits: NDArray[np.int64], groups: NDArray[np.int64], rows: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the visit-weighted mean values and the visits of groups of table rows."""
    total = np.zeros((rows, q.shape[1]))
    count = np.zeros((rows, q.shape[1]), dtype=np.int64)
    inside = (groups >= 0) & (groups < rows)
    np.add.at(total, groups[inside], (q * visits)[inside])
    np.add.at(count, groups[inside], visits[inside])
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), count


def greedy_path(agent: QLearning) -> Cells:
    """Return the table rows and actions of the greedy path through visited states.

    It begins where most remembered episodes began, takes the best visited action of each row, and
    follows the row that most often came next.
    """
    steps = [step for episode in agent.memory for step in episode]
    follows: dict[tuple[int, int], Counter[int | None]] = {}
    for step in steps:
        after = None if step.done else agent.row(step.after)
        key = agent.row(step.state), int(step.action)
        follows.setdefault(key, Counter())[after] += 1
    starts = Counter(agent.row(episode[0].state) for episode in agent.memory if episode)
    row: int | None = starts.most_common(1)[0][0] if starts else None
    path: Cells = []
    while row is not None and len(path) < LONGEST_PATH:
        visited = np.flatnonzero(agent.visits[row])
        candidates = [action for action in visited if (row, int(action)) in follows]
        if not candidates:
            break
        action = int(candidates[int(agent.q[row, candidates].argmax())])
        if (row, action) in path:
            break  # a cycle
        path.append((row, action))
        row = follows[row, action].most_common(1)[0][0]
    return path


def draw_q(picture: QPicture, title: str = "") -> Figure:
    """Return a figure with the values and the greedy path, and with the visits."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    height = float(np.clip(0.22 * len(picture.rows) + 2.8, 4.5, 9))
    width = float(np.clip(0.5 * len(picture.actions) + 5, 9, 16))
    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    image = _heat(left, picture.values, picture, cmap="hot")
    figure.colorbar(image, ax=left, label=picture.quantity)
    if picture.path:
        rows, actions = zip(*picture.path, strict=True)
        left.plot(actions, rows, color="#18a558", marker="o", markersize=5, linewidth=1.2)
        left.plot(actions[:1], rows[:1], color="#18a558", marker="s", markersize=9)
    about = f"{picture.quantity}; green: {picture.followed} (square: start)"
    left.set_title(about, fontsize=9)
    left.set_ylabel(picture.rows_title)
    for axes in (left, right):
        axes.set_xlabel("action")
    counts = np.where(picture.visits > 0, picture.visits, np.nan)
    norm = LogNorm(1, max(2, int(picture.visits.max(initial=1))))
    image = _heat(right, counts, picture, cmap="viridis", norm=norm)
    figure.colorbar(image, ax=right, label="visits")
    right.set_title("visits", fontsize=9)
    figure.suptitle(title or picture.about, fontsize=10)
    return figure


def _heat(
    axes: Any, table: NDArray[np.float64], picture: QPicture, cmap: str, norm: Any = None
) -> Any:
    from matplotlib import colormaps

    colours = colormaps[cmap].with_extremes(bad=UNVISITED)
    image = axes.imshow(table, aspect="auto", interpolation="nearest", cmap=colours, norm=norm)
    every = max(1, len(picture.rows) // 20)
    axes.set_yticks(range(0, len(picture.rows), every), picture.rows[::every], fontsize=7)
    names = picture.actions
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6 if len(names) > 25 else 7)
    return image
