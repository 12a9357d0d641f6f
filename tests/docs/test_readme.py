"""README.md: its programs run, it is short, and its results are those of the committed file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas_env_agents import AGENTS
from nas_env_cli.benchmark.results import read_results
from nas_env_cli.benchmark.runs import Runs
from nas_env_cli.main import COMMANDS
from scripts.studies.readme import study
from tests.support.page_programs import printed, programs
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = programs(README)
MOST_WORDS = 700


def shape(svg: str) -> tuple[str, list[float]]:
    """Return an SVG without its numbers and generated ids, and the numbers."""
    text = re.sub(r'(id="|#)[\w-]+', r"\1", svg)
    number = r"-?\d+\.?\d*(?:e-?\d+)?"
    return re.sub(number, "", text), [float(x) for x in re.findall(number, text)]


def test_it_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS
    ten_lines, ppo = (len([x for x in block.splitlines() if x]) for block in PROGRAMS)
    assert ten_lines <= 10
    assert ppo <= 5


@pytest.mark.parametrize("program", PROGRAMS, ids=["ten-lines", "ppo"])
def test_its_programs_run(program: str, tmp_path: Path) -> None:
    (line,) = printed(program, tmp_path, warns=False)
    assert 0 < float(line.split()[0]) <= 1


def test_table_and_picture_are_made_from_the_committed_results(tmp_path: Path) -> None:
    """`python -m scripts.studies readme` writes what is committed."""
    assert study.run(study.Options(output=tmp_path)) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README
    texts = [(folder / study.PICTURE).read_text("utf-8") for folder in (tmp_path, ROOT)]
    (words, numbers), (committed_words, committed_numbers) = map(shape, texts)
    assert words == committed_words
    assert numbers == pytest.approx(committed_numbers, abs=0.01)


def test_the_caption_gives_the_runs_of_each_agent() -> None:
    runs = Runs(*_results())
    counts = {agent: len(runs.of(agent, study.DRAWN)) for agent in study.AGENTS}
    assert counts.pop("maskable-ppo") == 30
    assert set(counts.values()) == {100}
    assert "for 100 runs per agent (30\nof PPO)" in README
    assert f"after {runs.limit} evaluated networks" in README


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(study.InvalidDataError, match="no place for the results"):
        study.filled("# nas-env\n", "")


def test_links_agents_and_commands_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"^\| `([\w-]+)` \|", README, re.MULTILINE):
        assert name in AGENTS, name
    code = re.findall(r"```bash\n.*?```|`[^`\n]+`", README, re.DOTALL)
    for name in re.findall(r"\bnas-env ([a-z][a-z-]+)\b", "\n".join(code)):
        assert name in COMMANDS, name


def test_makefile_has_the_promised_targets() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("search", "test", "test-all", "lint", "format", "type", "check", "bench"):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target


def test_pages_and_results_name_no_folder_of_the_machine_that_made_them() -> None:
    files = [x for x in (ROOT / "docs").rglob("*") if x.is_file()]
    assert len(files) > 50
    named = [x.name for x in files if re.search(rb"/(root|home|tmp)/\w", x.read_bytes())]
    assert named == []


def _results() -> tuple[object, int]:
    table, settings = read_results(study.RESULTS)
    return table, settings["limit"]
