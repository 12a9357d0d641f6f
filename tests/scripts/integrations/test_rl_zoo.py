"""RL Zoo's own trainer with the hyper-parameters of this repository."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import pytest
import yaml

import nas_env  # noqa: F401
from nas_env.registration import ENVIRONMENTS
from nas_env_agents.common.hyperparameters import hyperparameters
from tests.support.paths import ROOT
from tests.support.programs import run_program

CONFIG = "scripts/integrations/rl_zoo/ppo.yml"

pytest.importorskip("rl_zoo3")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of one short run of RL Zoo's trainer."""
    logs = tmp_path_factory.mktemp("zoo")
    command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", "NAS-v0"]
    command += ["--gym-packages", "nas_env", "--conf-file", CONFIG, "-f", str(logs)]
    command += ["--env-kwargs", "evaluator:'synthetic'", "-n", "256", "--eval-freq", "128"]
    command += ["--eval-episodes", "2", "--seed", "1", "--num-threads", "1"]
    finished = run_program(command)
    assert finished.returncode == 0, finished.stderr
    assert "Using 1 environments" in finished.stdout
    assert "ep_rew_mean" in finished.stdout
    return logs / "ppo" / "NAS-v0_1"


def test_leaves_a_model_that_builds_a_network(run_folder: Path) -> None:
    from stable_baselines3 import PPO

    model = PPO.load(run_folder / "NAS-v0.zip", device="cpu")
    assert model.num_timesteps == 256
    env = gym.make("NAS-v0", evaluator="synthetic")
    observation, _ = env.reset(seed=0)
    terminated = False
    while not terminated:
        action, _ = model.predict(observation, deterministic=True)
        assert env.action_space.contains(action[()])
        observation, reward, terminated, _, info = env.step(action)
    assert reward == info["evaluation"]["score"] > 0


def test_keeps_monitor_evaluations_and_the_settings(run_folder: Path) -> None:
    rows = (run_folder / "0.monitor.csv").read_text().splitlines()
    rewards = [float(row.split(",")[0]) for row in rows[2:]]
    assert len(rewards) > 30
    assert all(0 <= reward <= 1 for reward in rewards)
    assert (run_folder / "best_model.zip").exists()
    assert (run_folder / "evaluations.npz").exists()


def test_the_file_has_every_environment_and_agrees_with_the_agent_ppo(env_id: str) -> None:
    """A value that agents/nas_env_agents/hyperparameters.toml has is the same here."""
    settings = yaml.safe_load((ROOT / CONFIG).read_text())
    assert set(settings) == {row.id for row in ENVIRONMENTS}
    for name, value in hyperparameters("ppo", env_id).items():
        assert name == "observation" or settings[env_id][name] == value, name


@pytest.mark.parametrize("name", ["NASBench201-v0", "NASBenchMacro-v0"])
def test_a_table_is_learned_by_the_zoo(name: str, tmp_path: Path) -> None:
    """The mean of random cells is 0.64, of random chains of blocks 0.90."""
    command = [sys.executable, "-m", "rl_zoo3.train", "--algo", "ppo", "--env", name]
    command += ["--gym-packages", "nas_env", "--conf-file", CONFIG, "-f", str(tmp_path)]
    command += ["-n", "1920", "--eval-freq", "960", "--seed", "1", "--num-threads", "1"]
    finished = run_program(command)
    assert finished.returncode == 0, finished.stderr
    folder = tmp_path / "ppo" / f"{name}_1"
    rows = (folder / "0.monitor.csv").read_text().splitlines()[2:]
    rewards = [float(row.split(",")[0]) for row in rows]
    assert len(rewards) == 1920 // (6 if name == "NASBench201-v0" else 8)
    quarter = len(rewards) // 4
    assert sum(rewards[-quarter:]) > sum(rewards[:quarter])
