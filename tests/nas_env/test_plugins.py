"""Plug-ins are found by their entry points when a name is looked up, and break nothing.

Each test is a process of its own, with a distribution that is no more than a folder on its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import EXAMPLE_PLUGIN, ROOT

SIMPLE = """
from nas_env.tasks.base import TASKS
TASKS.register("simple")(lambda: None)
"""
EXAMPLE_POINTS = {
    "nas_env.plugins": "spirals = nas_env_spirals",
    "nas_env_agents.plugins": "spirals = nas_env_spirals.agents",
}
Installer = Callable[..., None]
Python = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def install(tmp_path: Path) -> Installer:
    """Return what writes a distribution `NAME` of one module, which is its plug-in."""

    def write(name: str, text: str = "", points: dict[str, str] | None = None) -> None:
        if text:
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        groups = points or {"nas_env.plugins": f"{name} = {name}"}
        lines = [f"[{group}]\n{line}\n" for group, line in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return write


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Return what runs a program with the distributions on its path."""
    folders = (tmp_path, EXAMPLE_PLUGIN, ROOT, ROOT / "agents", ROOT / "scripts")
    path = os.pathsep.join(map(str, folders))

    def run(program: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(program))
        return subprocess.run(
            [sys.executable, str(file)],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=170,
        )

    return run


def test_a_plugin_is_imported_at_the_first_look_up(install: Installer, python: Python) -> None:
    install("simple_plugin", SIMPLE)
    done = python("""
        import sys
        import nas_env
        from nas_env.tasks import TASKS
        assert "simple_plugin" not in sys.modules
        assert "simple" in TASKS and "digits" in TASKS
        assert "simple_plugin" in sys.modules and "torch" not in sys.modules
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_look_up_of_another_kind_imports_it_too(install: Installer, python: Python) -> None:
    install("simple_plugin", SIMPLE)
    done = python("""
        import sys
        from nas_env.spaces import SPACES
        assert "chain" in SPACES and "simple_plugin" in sys.modules
    """)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            'from nas_env.tasks import TASKS\nTASKS.register("digits")(lambda: None)',
            "InvalidSettingError: The task name 'digits' is already registered. Choose another",
        ),
    ],
    ids=["import", "exit", "taken-name"],
)
def test_a_broken_plugin_is_named_and_breaks_nothing_else(
    install: Installer, python: Python, text: str, error: str
) -> None:
    install("another_plugin", SIMPLE)
    before = (
        "import gymnasium\nfrom nas_env.spaces import SPACES\nfrom nas_env.layers import LAYERS\n"
        'SPACES.register("half")(None)\nLAYERS.register("half")(None)\n'
        'gymnasium.register("Half-v0", "nas_env.env:NASEnv")\n'
    )
    install("broken_plugin", before + text)
    done = python("""
        import gymnasium
        import nas_env
        from nas_env.layers import LAYERS
        from nas_env.spaces import SPACES
        from nas_env.tasks import TASKS
        assert "half" not in SPACES and "chain" in SPACES
        assert "simple" in TASKS and TASKS.get("digits")().spec.name == "digits"
        assert "half" not in LAYERS and "broken_plugin" not in LAYERS.modules()
        assert "Half-v0" not in gymnasium.registry
        gymnasium.make("NAS-v0", evaluator="synthetic").reset()
    """)
    assert done.returncode == 0, done.stderr
    named = "RuntimeWarning: Plug-in 'broken_plugin' (broken_plugin) of broken_plugin 1.0 cannot be"
    assert done.stderr.count(named) == 1
    assert error in done.stderr


def test_a_broken_plugin_tells_its_user_the_same_again(install: Installer, python: Python) -> None:
    """Not that its first name is taken, by itself."""
    install("broken_plugin", SIMPLE + "\n1 / 0")
    done = python("""
        from nas_env.tasks import TASKS
        TASKS.names()
        import broken_plugin
    """)
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_a_plugin_that_the_program_imports_first_is_there_once(
    install: Installer, python: Python
) -> None:
    install("simple_plugin", SIMPLE)
    done = python("""
        import simple_plugin
        from nas_env.tasks import TASKS
        assert "simple" in TASKS and "digits" in TASKS
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plugin_may_look_names_up_while_it_is_imported(
    install: Installer, python: Python
) -> None:
    install(
        "asking_plugin",
        """
        from nas_env.spaces import SPACES
        from nas_env.tasks import TASKS
        TASKS.register("wine-again")(TASKS.get("wine"))
        assert "chain" in SPACES
        """,
    )
    done = python("""
        from nas_env.layers import LAYERS
        from nas_env.tasks import TASKS
        assert "conv" in LAYERS and "wine-again" in TASKS
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_plays_by_its_names(install: Installer, python: Python) -> None:
    install("nas_env_spirals", points=EXAMPLE_POINTS)
    done = python("""
        import sys
        import gymnasium
        import nas_env
        from nas_env.plugins import load_plugins, plugin_environments
        env = gymnasium.make("NAS-v0", space="two-widths", evaluator="synthetic")
        assert env.unwrapped.task.spec.name == "spirals"
        assert plugin_environments() == {"Spirals-v0": "spirals"}
        assert "torch" not in sys.modules
        env = gymnasium.make("Spirals-v0", evaluator="synthetic", observation="state")
        from nas_env_agents import AGENTS, make_agent
        assert "round-robin" in AGENTS
        make_agent("round-robin", env, seed=0).learn(8)
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_worker_processes_find_plugins(install: Installer, python: Python) -> None:
    install("nas_env_spirals", points=EXAMPLE_POINTS)
    done = python("""
        import gymnasium
        import nas_env

        def play():
            env = gymnasium.make(
                "NAS-v0", space="two-widths", task="spirals", workers=1, budget={"epochs": 1}
            )
            env.reset(seed=0)
            env.step(0)
            info = env.step(1)[4]
            env.close()
            assert info["evaluation"]["outcome"] == "ok", info["evaluation"]
            assert info["evaluation"]["accuracy"] > 0.4

        if __name__ == "__main__":
            play()
    """)
    assert (done.returncode, done.stderr) == (0, "")
