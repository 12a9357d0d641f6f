"""The plan of a search: every environment, every option that is passed on, and what is refused."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import tyro

from nas_env.env import NASEnv
from nas_env.errors import NASError
from nas_env.evaluation import Budget
from nas_env.mdp import Edit
from nas_env_cli.search.command_line import parse
from nas_env_cli.search.options import (
    LimitOptions,
    SearchOptions,
    ToEnv,
    TrainingOptions,
    passed_names,
)
from nas_env_cli.search.plan import SearchPlan

ARGUMENTS = {*inspect.signature(NASEnv).parameters, *inspect.signature(Edit).parameters}
BUDGET = {x.name for x in fields(Budget)}


@pytest.mark.parametrize("name", sorted(passed_names(SearchOptions)))
def test_an_option_that_is_passed_on_is_an_argument_of_the_environment(name: str) -> None:
    assert (name in ARGUMENTS) != (name in BUDGET), "one of them, and not both"


@dataclass(frozen=True)
class MoreLimits(LimitOptions):
    """An option for a field of the budget that has none."""

    horizon: ToEnv[int | None] = None


@dataclass(frozen=True)
class MoreTraining(TrainingOptions):
    """An option for an argument of NASEnv that has none."""

    illegal: ToEnv[str | None] = None


@dataclass(frozen=True)
class MoreOptions(SearchOptions):
    """The options with two fields more; nothing else is changed."""

    limits: Annotated[MoreLimits, tyro.conf.OmitArgPrefixes] = field(default_factory=MoreLimits)
    training: Annotated[MoreTraining, tyro.conf.OmitArgPrefixes] = field(
        default_factory=MoreTraining
    )


def test_one_field_makes_an_option_of_an_argument() -> None:
    words = ["--illegal", "terminate", "--horizon", "9", "--evaluator", "synthetic"]
    plan = SearchPlan.resolve(tyro.cli(MoreOptions, args=words))
    env: Any = plan.env_for_reading()
    assert (env.mdp.illegal, env.budget.horizon) == ("terminate", 9)
    assert (plan.saved["illegal"], plan.saved["horizon"]) == ("terminate", 9)
    plain: Any = SearchPlan.resolve(parse(["--evaluator", "synthetic"])).env_for_reading()
    assert (plain.mdp.illegal, plain.budget.horizon) == ("project", None)


def test_what_is_left_out_is_completed_once() -> None:
    plan = SearchPlan.resolve(parse(["--evaluations", "3"]))
    saved = plan.saved
    assert (saved["agent"], saved["evaluator"], saved["epochs"]) == ("imagination", "training", 6)
    assert (saved["space"], plan.task.spec.name) == ("chain-bench", "mnist-small")
    assert saved["objective"] == "accuracy-under-cost"
    assert plan.trains and not plan.looks_up
    assert [x.name for x in plan.agents] == ["imagination", "random"]
    table = SearchPlan.resolve(parse(["--env", "NASBench201-v0", "--agent", "random"]))
    assert (table.saved["evaluator"], table.saved["epochs"]) == ("tabular", None)
    assert table.looks_up and not table.trains
    assert [x.name for x in table.agents] == ["random"]


def test_the_space_of_a_table_may_be_trained() -> None:
    words = ["--env", "NASBenchMacro-v0", "--evaluator", "training", "--task", "cifar10-like"]
    with pytest.raises(NASError, match="Unknown task 'cifar10-like'"):
        SearchPlan.resolve(parse(words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--agent maskable-pp", "Did you mean 'maskable-ppo'"),
        ("--agent no_such_module:Mine", "No module named 'no_such_module'"),
        ("--agent q-learning --agent-option replai=5", "cannot be created with its settings"),
        ("--agent-option replay", "Setting 'replay' is not key=value"),
        ("--env NASBench202-v0", "Did you mean 'NASBench201-v0'"),
        ("--env CartPole-v1", "cannot be searched .*Choose a NASEnv"),
        ("--env NASBench201-v0 --env-option datasat=cifar100", "Did you mean 'dataset'"),
        ("--env NASBench201-v0 --workers 2", "workers would have no effect"),
        ("--env NASBench201-v0 --export", "--export needs trained networks, but evaluator 'tab"),
        ("--max-params 9000 --env-option max_params=9", "also given as --max-params"),
        ("--import no_such_plugin", "Module 'no_such_plugin' of --import cannot be imported"),
        ("--seed -1", "Option --seed must be >= 0, got -1"),
        ("--start best --env NASEdit-v0", "needs a store with networks"),
    ],
)
def test_what_cannot_work_is_refused_with_a_remedy(words: str, message: str) -> None:
    with pytest.raises(NASError, match=message):
        SearchPlan.resolve(parse(words.split()))


def test_files_of_a_table_are_saved_with_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.csv").write_text("op,valid\na,0.1\nb,0.7\n")
    monkeypatch.chdir(tmp_path)
    words = ["--env", "NASTable-v0", "--agent", "random", "--env-option", "path=mine.csv"]
    plan = SearchPlan.resolve(parse([*words, 'decisions=["op"]', "reward=valid"]))
    assert plan.saved["env_option"] == {
        "path": str(tmp_path / "mine.csv"),
        "decisions": ["op"],
        "reward": "valid",
    }


@pytest.mark.parametrize(
    ("words", "space", "epochs"),
    [
        ("", "chain-bench", 6),
        ("--epochs 2", "chain-bench", 2),
        ("--task digits", None, 8),
        ("--space chain", "chain", 8),
        ("--env NASEdit-v0", None, 8),
    ],
)
def test_the_main_job_is_searched_where_no_task_space_or_data_is_named(
    words: str, space: str | None, epochs: int
) -> None:
    saved = SearchPlan.resolve(parse(["--evaluator", "synthetic", *words.split()])).saved
    assert (saved["space"], saved["epochs"]) == (space, epochs)
