"""The description of a registered name: its numbers and its docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nas_env.errors import NASError
from nas_env.registration import ENVIRONMENTS, GENERAL, TABLE
from nas_env_cli.catalogue.docstrings import Docstring, module_docstring, plain, sentence_case
from nas_env_cli.catalogue.kinds import Kind, maker_of, source_of

Sections = dict[str, str]
ORDER = (
    "Decisions",
    "Observation",
    "Reward",
    "Episode end",
    "Size",
    "Data",
    "Bounds",
    "Needs",
    "Settings",
    "Presets",
    "Reference",
    "Example",
)
INSIDE = {
    "tabular": "NASBench201-v0",
    "surrogate": "NASMobile-v0",
}  # evaluators that need such an environment
MANY = 10**12  # larger numbers are rounded
NOT_SETTINGS = {"self", "env", "seed"}  # arguments that the caller passes


def page(kind: Kind, name: str) -> tuple[str, Sections]:
    """Return the description of a name and its sections, headings in `ORDER`."""
    entry = kind.entry(name)
    text, sections = PAGES[kind.plural](name, entry)
    return sentence_case(text), {x: sections[x] for x in ORDER if sections.get(x)}


def space_page(name: str, factory: Any) -> tuple[str, Sections]:
    """Return the page of a search space."""
    space = factory()
    docs = Docstring.of(type(space))
    described = getattr(factory, "description", "")
    numbers = f"{space.num_decisions} numbers; at most {space.max_length} decisions in a walk."
    sections = {
        "Decisions": _joined(numbers, _own(docs, "Decisions")),
        "Observation": _joined(_observations(space), _own(docs, "Observation")),
        "Reward": _own(docs, "Reward") or "Given by the environment and its objective.",
        "Episode end": _own(docs, "Episode end"),
        "Size": _size(space),
        "Data": f"Modality {space.modality!r}; by default task {factory.default_task!r}.",
        "Reference": _reference(type(space)),
        "Example": _example(f'gym.make("NAS-v0", space="{name}")', f"--space {name}"),
    }
    return _joined(described, docs.summary), sections


def task_page(name: str, factory: Any) -> tuple[str, Sections]:
    """Return the page of a task; for a task on own data, its arguments."""
    docs, module = Docstring.of(factory), module_docstring(factory)
    example = _example(f'gym.make("NAS-v0", task="{name}")', f"--task {name}")
    if _required(factory):
        example = _example('gym.make("NAS-v0", data="mine.csv")', "--data mine.csv")
        sections = {"Settings": _arguments(docs), "Example": example}
        return docs.summary, sections
    spec = factory().spec
    train, validation, test = spec.sizes
    shape = "x".join(map(str, spec.input_shape))
    sections = {
        "Data": f"Modality {spec.modality!r}, shape {shape}; {train:,} training, {validation:,} "
        f"validation and {test:,} test samples; {spec.num_outputs} outputs ({spec.problem}).",
        "Reward": f"Metric {spec.metric!r}; every evaluation also has "
        f"{', '.join(repr(x) for x in (*spec.reports, 'loss') if x != spec.metric)}.",
        "Reference": module.sections.get("Reference", module.summary.partition("; ")[2]),
        "Example": example,
    }
    return docs.summary, sections


def agent_page(name: str, agent: Any) -> tuple[str, Sections]:
    """Return the page of an agent."""
    from nas_env_agents.common.hyperparameters import hyperparameters, presets

    docs = Docstring.of(agent)
    stored = hyperparameters(name, "default")
    observation = stored.get("observation", agent.observation)
    python = f'make_agent("{name}", env).learn(1_000)  # nas_env_agents'
    sections = {
        **docs.sections,
        "Observation": f'"{observation}", unless another one is chosen.',
        "Settings": _joined(
            _arguments(docs),
            "\n".join(f"{x} = {value!r}  (stored)" for x, value in stored.items()),
        ),
        "Presets": ", ".join(presets(name)),
        "Reference": _reference(agent),
        "Example": _example(python, f"--agent {name}"),
    }
    return docs.summary, sections


def evaluator_page(name: str, factory: Any) -> tuple[str, Sections]:
    """Return the page of an evaluator."""
    docs = Docstring.of(factory)
    example = _example(f'gym.make("NAS-v0", evaluator="{name}")', f"--evaluator {name}")
    if (env := INSIDE.get(name)) is not None:
        example = _example(f'gym.make("{env}")', f"--env {env}")
    sections = {
        **docs.sections,
        "Settings": _arguments(docs),
        "Reference": _reference(factory),
        "Example": example,
    }
    return docs.summary, sections


def objective_page(name: str, factory: Any) -> tuple[str, Sections]:
    """Return the page of an objective."""
    docs = Docstring.of(factory)
    sections = {
        **docs.sections,
        "Settings": _arguments(docs) or _signature(factory),
        "Reference": _reference(factory),
        "Example": _example(f'gym.make("NAS-v0", objective="{name}")', f"--objective {name}"),
    }
    try:
        objective = factory()
    except (NASError, TypeError):  # it has required settings
        return docs.summary, sections
    low, high = objective.bounds
    sections["Bounds"] = f"{low:g} to {high:g}; a failed evaluation scores {objective.failure:g}."
    sections["Needs"] = ", ".join(objective.needs)
    return docs.summary, sections


def environment_page(name: str, spec: Any) -> tuple[str, Sections]:
    """Return the page of an environment id."""
    from nas_env.env import NASEnv

    source, maker = source_of(spec), maker_of(spec)
    family = next((row.family for row in ENVIRONMENTS if row.id == name), GENERAL)
    is_specific = family != GENERAL
    docs, module = Docstring.of(source), module_docstring(source)
    docstrings = (Docstring.of(NASEnv), docs)
    sections = {x: _own(d, x) for d in docstrings for x in ORDER if _own(d, x)}
    sections["Reference"] = _reference(source) or sections.get("Reference", "")
    fixed = ", ".join(f"{key}={value!r}" for key, value in spec.kwargs.items() if key != "env_id")
    settings = _arguments(docs, Docstring.of(maker), without=spec.kwargs)
    sections["Settings"] = _joined(f"Fixed by the id: {fixed}." if fixed else "", settings)
    needed = _required(source) if is_specific else []
    python = "".join(f", {x}=..." for x in needed)
    options = "".join(f" --env-option {x}=..." for x in needed)
    sections["Example"] = _example(f'gym.make("{name}"{python})', f"--env {name}{options}")
    sections |= _numbers_of(name, is_specific)
    if family == TABLE:
        sections |= _rewards_of(source)
    return module.summary if is_specific else docs.summary, sections


def _numbers_of(name: str, is_specific: bool) -> Sections:
    """Return sections from an instance of an environment; a note if it needs arguments."""
    import gymnasium

    try:
        settings: dict[str, Any] = {} if is_specific else {"evaluator": "synthetic"}
        env: Any = gymnasium.make(name, **settings)
    except (NASError, TypeError):
        return {"Size": "Depends on its arguments; it cannot be created without them."}
    space, mdp = env.unwrapped.space, env.unwrapped.mdp
    decided = _own(Docstring.of(type(mdp)), "Decisions")
    decided = decided or _own(Docstring.of(type(space)), "Decisions")
    sections = {
        "Decisions": _joined(f"{env.action_space}.", decided),
        "Observation": f"{_space(env.observation_space)} by default.\n"
        + _observations(space, mdp.observations),
        "Size": f"Search space {space.name!r}: {_size(space)}",
    }
    env.close()
    return sections


def _rewards_of(factory: Any) -> Sections:
    """Return the section on the reward and report columns of a table."""
    if _required(factory):
        return {}
    table = factory()
    reward = table.rewards[table.fidelity]
    others = ", ".join(repr(x) for x in sorted(table.columns) if x not in (reward, table.report))
    text = (
        f"0 until the walk is complete, then column {reward!r} (epochs: {table.fidelity}); the "
        f"report is {table.report!r}. `info` has their regrets: the differences to the best "
        "values of the table."
    )
    return {"Reward": text + (f" Other columns: {others}." if others else "")}


def _observations(space: Any, registry: Any = None) -> str:
    """Return the observations of a space and their Gymnasium spaces, one a line."""
    from nas_env.observations import OBSERVATIONS

    observations = OBSERVATIONS if registry is None else registry
    return "\n".join(
        f'"{name}": {_space(observations.get(name)(space).space)}' for name in observations
    )


def _space(space: Any) -> str:
    """Return a Gymnasium space as text; many equal entries are abbreviated."""
    entries = getattr(space, "nvec", None)
    if entries is not None and len(entries) > 1 and len(set(entries.tolist())) == 1:
        return f"MultiDiscrete([{entries[0]}] * {len(entries)})"
    return str(space)


def _size(space: Any) -> str:
    automaton = space.automaton()
    return f"{_number(automaton.walks[0])} walks, {automaton.num_states:,} states."


def _number(count: int) -> str:
    return f"{count:,}" if count < MANY else f"{float(count):.2e}"


def _own(docs: Docstring, heading: str) -> str:
    """Return a section without the phrase "given by the environment"."""
    text = docs.sections.get(heading, "").removeprefix("given by the environment")
    return sentence_case(text.lstrip(".;, "))


def _arguments(*docs: Docstring, without: Iterable[str] = ()) -> str:
    """Return the documented settings, one a line; the first docstring wins."""
    lines: dict[str, str] = {}
    for line in "\n".join(x.sections.get("Args", "") for x in docs).splitlines():
        lines.setdefault(line.partition(":")[0], line)
    return "\n".join(lines[x] for x in lines if x not in {*NOT_SETTINGS, "settings", *without})


def _reference(entry: Any) -> str:
    """Return the reference: the module's, which is complete, or that of the docstring."""
    module, docs = module_docstring(entry).sections, Docstring.of(entry).sections
    references = [x[key] for x in (module, docs) for key in ("Reference", "References") if key in x]
    return references[0] if references else ""


def _required(factory: Any) -> list[str]:
    """Return the required arguments of a factory."""
    parameters = inspect.signature(factory).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [x.name for x in parameters if x.default is x.empty and x.kind not in kinds]


def _signature(factory: Any) -> str:
    """Return the settings of a factory with their defaults, one a line."""
    parameters: Mapping[str, inspect.Parameter] = inspect.signature(factory).parameters
    if plain(factory) is factory and "__init__" not in vars(factory):
        return ""
    return "\n".join(
        x.name if x.default is x.empty else f"{x.name} = {x.default!r}"
        for x in parameters.values()
        if x.name not in NOT_SETTINGS
    )


def _joined(first: str, second: str) -> str:
    return "\n".join(x for x in (first, second) if x)


def _example(python: str, options: str) -> str:
    return f"{python}\nnas-env search {options}"


PAGES: dict[str, Callable[[str, Any], tuple[str, Sections]]] = {
    "spaces": space_page,
    "tasks": task_page,
    "agents": agent_page,
    "evaluators": evaluator_page,
    "objectives": objective_page,
    "environments": environment_page,
}
