"""What --agents and --envs name."""

from __future__ import annotations

import pytest

from nas_env.errors import InvalidSettingError, UnknownNameError
from nas_env_cli.specs import AgentSpec, EnvSpec, distinct


@pytest.mark.parametrize(
    ("text", "label", "name", "settings"),
    [
        ("random", "random", "random", {}),
        ("rs=random", "rs", "random", {}),
        (
            "rea=regularized-evolution:population_size=10,sample_size=3",
            "rea",
            "regularized-evolution",
            {"population_size": 10, "sample_size": 3},
        ),
        (
            "q-learning:schedule=[[1.0, 2], [0.5, 1]],bins=True",
            "q-learning:schedule=[[1.0, 2], [0.5, 1]],bins=True",
            "q-learning",
            {"schedule": [[1.0, 2], [0.5, 1]], "bins": True},
        ),
        ("stable_baselines3:PPO", "stable_baselines3:PPO", "stable_baselines3:PPO", {}),
        (
            "p=stable_baselines3:PPO:n_steps=8,policy=MlpPolicy",
            "p",
            "stable_baselines3:PPO",
            {"n_steps": 8, "policy": "MlpPolicy"},
        ),
    ],
)
def test_agents(text, label, name, settings):
    spec = AgentSpec.parse(text)
    assert (spec.label, spec.name, spec.settings) == (label, name, settings)


def test_environments():
    spec = EnvSpec.parse('a=NAS-v0:evaluator=synthetic,budget={"epochs": 2, "horizon": 3}')
    assert (spec.label, spec.id) == ("a", "NAS-v0")
    assert spec.settings == {"evaluator": "synthetic", "budget": {"epochs": 2, "horizon": 3}}
    inner = spec.make("state").unwrapped
    assert (inner.budget.epochs, inner.budget.horizon) == (2, 3)
    assert inner.observation_space.n > 15
    assert EnvSpec.parse("NAS-v0").label == "NAS-v0"


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("NASBench201-v0", True),
        ("NASBenchMacro-v0", False),
        ("m=NASMobile-v0:hardware=rtx3090", True),
        ("NAS-v0:evaluator=synthetic", False),
    ],
)
def test_training_times_are_told_by_tables_and_surrogates(text, tells):
    spec = EnvSpec.parse(text)
    assert spec.tells_seconds() is tells
    assert spec.make().unwrapped.evaluator.simulates is tells


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (AgentSpec.parse, "randon", "Did you mean 'random'"),
        (AgentSpec.parse, "no_such_module:Mine", "No module named 'no_such_module'"),
        (AgentSpec.parse, "stable_baselines3:PPPO", "no attribute 'PPPO'"),
        (AgentSpec.parse, "mine=./my_module.py:MyAgent", "Give MODULE:CLASS, such as my_module:My"),
        (AgentSpec.parse, "mine=my_module.py:MyAgent", "Give MODULE:CLASS, such as my_module:My"),
        (AgentSpec.parse, "mine=.my_module:MyAgent", "Give MODULE:CLASS, such as my_module:MyAg"),
        (AgentSpec.parse, "mine=my_module.MyAgent", "Give MODULE:CLASS, such as my_module:MyAgent"),
        (EnvSpec.parse, "NAS-v1", "Did you mean 'NAS-v0'"),
    ],
)
def test_unknown_names_name_the_choices(parse, text, message):
    with pytest.raises(UnknownNameError, match=message) as error:
        parse(text)
    assert ("q-learning" if parse == AgentSpec.parse else "NASEdit-v0") in str(error.value)


@pytest.mark.parametrize("text", ["random:x", "random:=3", "random:a=1,", "random:1a=3"])
def test_settings_that_are_none_are_refused(text):
    with pytest.raises((InvalidSettingError, UnknownNameError)):
        AgentSpec.parse(text)


def test_a_label_stands_once():
    specs = [AgentSpec.parse("a=random"), AgentSpec.parse("a=q-learning")]
    with pytest.raises(InvalidSettingError, match="Two agents have the label 'a'"):
        distinct(specs, "agents")


def test_stored_hyperparameters_are_recorded():
    data = AgentSpec.parse("q-learning:replay=5").to_json([EnvSpec.parse("NASEdit-v0")])
    assert data["settings"] == {"replay": 5}
    assert data["stored"]["NASEdit-v0"]["discount"] == 0.9
    assert "preset" not in data
    named = AgentSpec.parse("q-learning:preset=metaqnn").to_json([EnvSpec.parse("NASEdit-v0")])
    assert named["preset"]["bins"] is True
