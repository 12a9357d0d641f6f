"""The page as text: complete in itself, every chart or why not, text escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from nas_env_cli.metric_format import MetricFormat
from nas_env_cli.report.charts.best import best_of_run
from nas_env_cli.report.data import best_trials
from nas_env_cli.report.page import Run, page
from tests.support.report_runs import make_run, read

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


LONGER = {
    "plan": {"top": 1, "seeds": 2, "epochs": 2, "device": "cpu"},
    "training_seeds": [1, 2],
    "search_epochs": 1,
    "sizes": [60, 20, 20],
    "metric": "accuracy",
    "fraction": True,
    "test_openings": 1,
    "networks": [
        {
            "found_by": NASTY,
            "search_score": 0.75,
            "params": 1234,
            "failed": 0,
            "validation_curves": [[0.7, 0.8], [0.8, 0.9]],
            "measured": [{"validation": 0.8, "test": 0.7}, {"validation": 0.9, "test": 0.8}],
        }
    ],
    "ensemble_by_seed": [{"validation": 0.8, "test": 0.7}, {"validation": 0.9, "test": 0.8}],
    "ensemble_of_all": {"validation": 0.9, "test": 0.8},
}


def section(text: str, name: str) -> str:
    """Return a card of the page as text."""
    (card,) = [
        x for x in text.split("<section")[1:] if x.partition(">")[0].endswith(f'id="{name}"')
    ]
    return card.partition("</section>")[0]


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
    other = [
        x | {"metric_format": MetricFormat("mse", fraction=False)} for x in run.data["searches"]
    ]
    mixed = [run, replace(run, data=run.data | {"name": "other", "searches": other})]
    shown = " ".join(Parsed(page(mixed)).texts)
    assert "Left out because they have another metric: other: q-learning, other: random" in shown


@pytest.mark.parametrize(
    "what", [{"metric_format": MetricFormat("mse", fraction=False)}, {"objective": NASTY}]
)
def test_scores_that_mean_different_things_share_no_axis(run: Run, what: dict[str, Any]) -> None:
    other = [x | what for x in run.data["searches"]]
    text = page([run, replace(run, data=run.data | {"name": "other", "searches": other})])
    for name in ("progress-networks", "progress-seconds"):
        first, second = (section(text, x) for x in (name, f"{name}-1"))
        assert "mine: q-learning" in first and "other: q-learning" not in first
        assert "other: q-learning" in second and "mine: q-learning" not in second
        assert "Other scores have their own charts" in first and "(accuracy)" in first
    alone = page([run, replace(run, data=run.data | {"name": "other"})])
    assert 'id="progress-networks-1"' not in alone and "their own charts" not in alone


def test_the_best_networks_are_those_of_all_searches(run: Run) -> None:
    ours, theirs = run.data["searches"]
    key = ours["trials"][0]["key"]
    both = theirs["trials"][0] | {"key": key, "score": -1.0, "ok": True}
    worst = [x | {"score": x["score"] - 5} for x in ours["trials"]]
    searches = [ours | {"trials": worst}, theirs | {"trials": [both, *theirs["trials"][1:]]}]
    changed = replace(run, data=run.data | {"searches": searches})
    found = best_of_run(searches, 1000)
    scores = [x.trial["score"] for x in found]
    assert scores == sorted(scores, reverse=True)
    assert len({x.trial["key"] for x in found}) == len(found)
    (shared,) = [x for x in found if x.trial["key"] == key]
    assert (shared.by, shared.trial["score"]) == (["q-learning", "random search"], -1.0)
    captions = re.findall(r"<figcaption>([^<]*)", section(page([changed]), "best-0"))
    assert len(captions) == 10 and captions[0].endswith(", found by random search")
    top = max(x["score"] for x in theirs["trials"][1:])
    assert captions[0].startswith(f"1. score {top:.4f}")
    one = replace(run, data=run.data | {"searches": [ours]})
    assert "found by" not in section(page([one]), "best-0")


def test_networks_trained_longer_have_their_table(run: Run) -> None:
    assert 'id="longer' not in page([run])
    told = replace(run, data=run.data | {"longer": LONGER})
    text = page([told])
    shown = section(text, "longer-0")
    cells = re.findall(r"<t[hd](?: [^>]*)?>([^<]*)", shown)
    assert cells[5:8] == ["validation accuracy, %", "test accuracy, %", "validation - test"]
    name = escape(NASTY)
    row = ["1", name, "0.7500", "1,234", "+10.00", "85.00 ± 7.07", "75.00 ± 7.07", "+10.00"]
    assert cells[8:16] == row
    assert cells[16] == "ensemble of the 1, each seed" and cells[21:23] == [row[5], row[6]]
    assert "each trained for up to 2 epochs (1 in the search)" in shown and "better than" in shown
    assert Parsed(text).tags["script"] == Parsed(page([run])).tags["script"]
    several = page([run, told])
    assert "Networks trained longer: mine" in section(several, "longer-1")
    assert 'id="longer-0"' not in several


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", "random", reference=False, finished=False)
    run = read(path, "random")
    shown = " ".join(Parsed(page([run])).texts)
    assert "There is no random search to compare with." in shown
    assert "not recorded: the search has no summary yet" in shown
    assert "Times are recorded when a search ends" in shown
    assert "Not finished yet: run." in shown
    assert "The agent has no Q-table" in shown
    (search,) = run.data["searches"]
    failed = [x | {"ok": False, "outcome": "crashed", "metrics": {}} for x in search["trials"]]
    all_failed = replace(run, data=run.data | {"searches": [search | {"trials": failed}]})
    parsed = Parsed(page([all_failed]))
    shown = " ".join(parsed.texts)
    assert shown.count("No network was evaluated successfully.") == 4
    assert "No evaluation has both accuracy and parameters." in shown
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
