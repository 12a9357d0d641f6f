"""The map of the pages, the tables of names, the glossary and getting-started hold what exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from nas_env.evaluators import EVALUATORS
from nas_env.layers import LAYERS
from nas_env.objectives import OBJECTIVES
from nas_env.registration import ENVIRONMENTS
from nas_env.spaces import SPACES
from nas_env.tasks import TASKS
from nas_env_agents import AGENTS
from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
REGISTRIES: dict[str, Iterable[str]] = {
    "Environments": [row.id for row in ENVIRONMENTS],
    "Search spaces": SPACES,
    "Tasks": TASKS,
    "Evaluators": EVALUATORS,
    "Objectives": OBJECTIVES,
    "Agents": AGENTS,
}
MODULES = (
    "nas_env.env",
    "nas_env.architecture",
    "nas_env.evaluators",
    "nas_env.mdp",
    "nas_env.objectives",
    "nas_env.spaces.base",
    "nas_env.store",
    "nas_env.tasks",
)


def section(page: str, title: str) -> str:
    """Return the text below a heading of second level."""
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_map_lists_every_page() -> None:
    text = (DOCS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[[^]]*\]\(([\w-]+\.md)\)", text, re.MULTILINE)
    assert sorted(listed) == sorted(
        path.name for path in DOCS.glob("*.md") if path.stem != "README"
    )


def test_contributing_says_where_things_are() -> None:
    text = section((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "Where is what")
    paths = re.findall(r"`((?:nas_env|agents|scripts|tests)/[\w./-]*)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("title", REGISTRIES)
def test_the_tables_of_names_are_the_registries(title: str) -> None:
    rows = section((DOCS / "names.md").read_text(encoding="utf-8"), title).splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)]
    assert sorted(named) == sorted(REGISTRIES[title])


def test_the_table_of_layers_is_the_registry() -> None:
    named = re.findall(r"`([\w-]+)`", section((DOCS / "names.md").read_text("utf-8"), "Layers"))
    assert sorted(named) == sorted(LAYERS)


def test_the_glossary_refers_to_what_exists() -> None:
    rows = re.findall(
        r"^\| ([\w -]+) \| .* \| (.*) \|$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE
    )
    words = [word for word, _ in rows if word not in ("term", "---")]
    assert len(words) == len(set(words)) > 30
    for _, cell in rows:
        for name in re.findall(r"^`([A-Za-z_.0-9]+)`$", cell):
            assert exists(name), name


def exists(name: str) -> bool:
    """Return whether a dotted name, or Class.attribute of a main module, can be found."""
    parts = name.split(".")
    if parts[0].startswith("nas_env"):
        for cut in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            return _has(found, parts[cut:])
        return False
    return any(_has(importlib.import_module(module), parts) for module in MODULES)


def _has(owner: object, names: list[str]) -> bool:
    for name in names:
        annotated = getattr(owner, "__annotations__", {})
        if name in annotated and not hasattr(owner, name):
            return True
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True


def test_the_programs_of_getting_started_run(tmp_path: Path) -> None:
    text = (DOCS / "getting-started.md").read_text(encoding="utf-8")
    lines = printed("\n".join(programs(text)), tmp_path)
    assert lines == ["True", "256", "True"]


def test_the_tables_of_getting_started_name_arguments_and_options() -> None:
    import inspect

    from nas_env.env import NASEnv

    text = (DOCS / "getting-started.md").read_text(encoding="utf-8")
    arguments = section(text, "Use the environment directly")
    rows = [row.split("|")[1] for row in arguments.splitlines() if row.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) >= 12
    assert set(named) <= set(inspect.signature(NASEnv).parameters)
