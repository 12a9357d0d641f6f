"""What a search does where nothing was said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.search.options import Options, agent_of, recorded

MINE = Options(data="mine.csv")


@pytest.mark.parametrize(
    ("options", "agent"),
    [
        (Options(), "maskable-ppo"),
        (Options(agent="dqn"), "dqn"),
        (MINE, "imagination"),
        (replace(MINE, agent="dqn"), "dqn"),
        (replace(MINE, workers=1), "imagination"),
        (replace(MINE, workers=2), "async-imagination"),
        (replace(MINE, env="NASEdit-v0"), "maskable-ppo"),
        (Options(data="mine.npz", task="arrays"), "maskable-ppo"),  # as it always was
    ],
)
def test_the_agent_suits_the_other_options_and_is_recorded(options: Options, agent: str) -> None:
    assert agent_of(options) == agent
    assert recorded(options)["agent"] == agent
