"""How a page was made: the commands and versions of an experiment, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.studies.common.experiment import Experiment


def commands(experiment: Experiment) -> str:
    """Return the commands that played jobs, each once, joined for use between backticks."""
    return "`, `".join(dict.fromkeys(call["command"] for call in experiment.calls()))


def commands_and_versions(experiment: Experiment) -> dict[str, str]:
    """Return the values of `command` and `versions` in a template; versions of the last call."""
    versions = versions_text(experiment.calls()[-1]["versions"])
    return {"command": commands(experiment), "versions": versions}


def versions_text(versions: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    """Return "python 3.11.7, torch 2.13.0, ..."."""
    return ", ".join(f"{name} {value}" for name, value in versions.items() if name not in without)
