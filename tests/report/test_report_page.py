"""The page as text: complete in itself, every chart or why not, text escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import make_run, read

from agents.report.data import best_trials
from agents.report.page import Run, page
from agents.search.shown import Shown

NASTY = '<script>alert("x")</script>&\''
CHARTS = (
    "overview",
    "progress-networks",
    "progress-seconds",
    "pareto",
    "shares",
    "times",
    "phases-0",
    "heat-0",
    "parallel-0",
    "tree-0",
    "best-0",
)


class Parsed(HTMLParser):
    """Tags, ids, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read(make_run(tmp_path_factory.mktemp("runs") / "mine"))


def test_every_chart_is_there_once(run: Run) -> None:
    parsed = Parsed(page([run]))
    ids = parsed.all("id")
    assert [x for x in CHARTS if ids.count(x) != 1] == []
    twice = [x for x, count in Counter(ids).items() if count > 1 and not x.startswith("arrow")]
    assert twice == []
    assert "missing" not in parsed.all("class")
    wanted = set(parsed.all("data-drawing"))
    assert wanted and {f"drawing-{x}" for x in wanted} <= set(ids)


def test_nothing_is_loaded_from_anywhere(run: Run) -> None:
    text = page([run])
    parsed = Parsed(text)
    outside = [x for key in ("src", "href", "action", "data") for x in parsed.all(key)]
    assert outside == []
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"http://www.w3.org/2000/svg"}
    assert parsed.all("style") == [] and not [x for x, _ in parsed.attributes if x[:2] == "on"]
    (policy,) = [x for x in parsed.all("content") if "default-src" in x]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for kind in ("style", "script"):
        body = re.search(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_text_from_data_is_shown_as_text(run: Run) -> None:
    data = run.data | {"name": NASTY, "task": NASTY, "space": NASTY, "verdicts": [NASTY]}
    searches = []
    for search in run.data["searches"]:
        trials = [x | {"labels": [NASTY, *x["labels"]]} for x in search["trials"]]
        searches.append(search | {"trials": trials, "reason": NASTY, "name": NASTY})
    nasty = replace(run, data=data | {"searches": searches}, q_table=None)
    plain, changed = Parsed(page([run])), Parsed(page([nasty]))
    assert changed.tags["script"] == plain.tags["script"] == 1
    assert changed.tags.keys() == plain.tags.keys()
    assert not [x for x, _ in changed.attributes if x[:2] == "on"]
    shown = "".join(changed.texts)
    assert shown.count(NASTY) >= 6
    assert any(NASTY in x for x in changed.all("data-tip"))


def test_own_data_are_described_and_their_names_are_text(run: Run) -> None:
    about = f"data: pets\n  2 classes: {NASTY} 50 %, dog 50 %"
    told = replace(run, data=run.data | {"about": about})
    parsed = Parsed(page([told, told]))
    assert parsed.tags["script"] == Parsed(page([run])).tags["script"]
    assert parsed.texts.count(about) == 1 and parsed.all("id").count("data") == 1
    assert "data" not in Parsed(page([run])).all("id")


def test_searches_by_another_metric_are_not_compared_with_it(run: Run) -> None:
    other = [x | {"shown": Shown("mse", fraction=False)} for x in run.data["searches"]]
    mixed = [run, replace(run, data=run.data | {"name": "other", "searches": other})]
    shown = " ".join(Parsed(page(mixed)).texts)
    assert "Left out, for they have another metric: other: q-learning, other: random" in shown


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", "random", reference=False, finished=False)
    run = read(path, "random")
    shown = " ".join(Parsed(page([run])).texts)
    assert "There is no random search to compare with." in shown
    assert "not recorded: the search has no summary yet" in shown
    assert "It is recorded when a search ends" in shown
    assert "Not finished yet: run." in shown
    assert "The agent has no Q-table" in shown
    (search,) = run.data["searches"]
    failed = [x | {"ok": False, "outcome": "crashed", "metrics": {}} for x in search["trials"]]
    all_failed = replace(run, data=run.data | {"searches": [search | {"trials": failed}]})
    parsed = Parsed(page([all_failed]))
    shown = " ".join(parsed.texts)
    assert shown.count("No network was evaluated without failing.") == 4
    assert "No evaluation tells both accuracy and parameters." in shown
    assert {x for x in CHARTS if x not in parsed.all("id")} == set()


def test_several_runs_stand_side_by_side(run: Run, tmp_path: Path) -> None:
    cells = read(
        make_run(tmp_path / "cells", "random", 6, reference=False, space="nasnet-cell"),
        "random",
        "nasnet-cell",
    )
    parsed = Parsed(page([run, cells]))
    ids = parsed.all("id")
    assert {"heat-0", "heat-1", "best-0", "best-1", "phases-1"} <= set(ids)
    texts = [x.strip() for x in parsed.texts]
    for name in ("mine: q-learning", "mine: random search", "cells: random"):
        assert texts.count(name) >= 5
    assert "normal cell" in texts


def test_one_network_of_two_tasks_has_two_drawings(run: Run) -> None:
    spec = replace(run.spec, num_outputs=777)
    text = page([run, replace(run, data=run.data | {"name": "other"}, spec=spec)])
    key = best_trials(run.data["searches"][0], 1)[0]["key"]
    drawn = [text.split(f'id="drawing-{number}-{key}"')[1] for number in range(2)]
    assert ["777, " in x.partition("</template>")[0] for x in drawn] == [False, True]
    parsed = Parsed(text)
    assert {f"drawing-{x}" for x in parsed.all("data-drawing")} <= set(parsed.all("id"))
