"""Records, entries and writing processes for the tests of the store."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import Entry, EvaluationKey, Record, SearchInfo

CANDIDATE = Candidate(Architecture((Layer.of("linear", units=8),)), Recipe(), (3, 1))
EVALUATION = Evaluation(
    Outcome.OK, {"accuracy": 0.9, "loss": 0.3, "params": 12, "macs": 34}, ({"loss": 0.3},), 1, 2.5
)
FAILED = Evaluation(Outcome.CRASHED, message="it was killed")
BUDGET = Budget(training_seed=7)
OPTIONS = {"env": "NAS-v0", "limits": {"evaluations": 3}}
INFO = SearchInfo("random", {"rate": 0.5}, OPTIONS, 4, {"torch": "2"}, "ab12")

WRITER = """
import sys
from nas_env.architecture import Architecture, Candidate, Layer
from nas_env.evaluation import Budget, Evaluation, Outcome
from nas_env.store import EvaluationKey, Record, SQLStore
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SQLStore(url)
for units in range(1, count + 1):
    candidate = Candidate(Architecture((Layer.of("linear", units=units),)))
    key = EvaluationKey.of(candidate, name, Budget())
    store.put(Record(key, candidate, Evaluation(Outcome.OK, {"accuracy": units / count})))
    print(candidate.key, flush=True)
"""


def record(fingerprint: str = "f", evaluation: Evaluation = EVALUATION) -> Record:
    key = EvaluationKey.of(CANDIDATE, fingerprint, BUDGET)
    return Record(key, CANDIDATE, evaluation, 0.9, "Accuracy()")


def entry(number: int = 1, evaluation: Evaluation = EVALUATION, **changes: Any) -> Entry:
    """Return an entry whose evaluation has the key of `record()`."""
    values = {
        "number": number,
        "episode": number,
        "new": number == 1,
        "key": record().key,
        "candidate": CANDIDATE,
        "evaluation": evaluation,
        "score": 0.9,
        "seconds": 2.5 * number,
    }
    return Entry(**{**values, **changes})


def start_writer(url: Any, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that puts evaluations and prints their keys."""
    command = [sys.executable, "-c", WRITER, str(url), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
