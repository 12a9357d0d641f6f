"""Whether an automaton is a tree, compared with its walks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nas_env.lanes.tree import tree_walks
from nas_env.spaces import SPACES, SearchSpace

Make = Callable[..., SearchSpace]


@pytest.mark.parametrize(
    ("name", "tree"),
    [("chain", False), ("mlp", False), ("nasbench201", True), ("nasbench-macro", True)],
)
def test_which_spaces_are_trees(make_space: Make, name: str, tree: bool) -> None:
    assert make_space(name).automaton().is_tree is tree


def test_a_tree_has_as_many_walks_as_final_states(make_space: Make, space_name: str) -> None:
    automaton = make_space(space_name).automaton()
    if automaton.is_tree:
        assert automaton.walks[0] == int(automaton.final.sum())


@pytest.mark.parametrize("name", [name for name in SPACES if name.startswith("nasbench")])
def test_the_walk_to_a_node_leads_there(make_space: Make, name: str) -> None:
    space = make_space(name)
    automaton, walks = space.automaton(), tree_walks(space)
    for node in np.random.default_rng(0).integers(automaton.num_states, size=200):
        reached = spent = 0
        for decision in walks.walk(node):
            spent += int(automaton.cost[reached, decision]) if automaton.cost is not None else 0
            reached = int(automaton.next_state[reached, decision])
        assert (reached, spent) == (node, walks.spent[node])
