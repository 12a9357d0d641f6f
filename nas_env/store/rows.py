"""Conversion between records and table rows."""

from __future__ import annotations

import json
from typing import Any

from nas_env.architecture import Candidate, canonical_json
from nas_env.evaluation import Evaluation
from nas_env.store.base import Entry, EvaluationKey, Record, Search, SearchInfo
from nas_env.store.schema import METRICS

MOST = 2**63 - 1  # maximum of a BIGINT
WHOLE = ("params", "macs", "activation_bytes")
JSON_COLUMNS = ("settings", "environment", "versions")


def evaluation_row(record: Record) -> dict[str, Any]:
    """Return the row of `evaluations` for a record."""
    evaluation = record.evaluation
    return {
        **record.key._asdict(),
        "outcome": str(evaluation.outcome),
        "message": _text(evaluation.message),
        "score": record.score,
        "objective": _text(record.objective),
        **{name: _number(name, evaluation) for name in METRICS},
        "epochs": evaluation.epochs,
        "seconds": evaluation.seconds,
        "candidate": _candidate_text(record.candidate),
        "evaluation": json.dumps(evaluation.to_json()),
        "created": record.created,
    }


def search_row(info: SearchInfo) -> dict[str, Any]:
    """Return the row of `searches` for a new search."""
    return {
        "token": info.token,
        "agent": info.agent,
        **{name: json.dumps(dict(getattr(info, name)), default=str) for name in JSON_COLUMNS},
        "seed": info.seed,
        "git_commit": info.git_commit,
        "started": info.started,
    }


def search_from(row: Any) -> Search:
    """Return the search of a row of `searches`."""
    values = dict(row)
    number, ended, reason = (values.pop(name) for name in ("id", "ended", "reason"))
    for name in JSON_COLUMNS:
        values[name] = json.loads(values[name])
    return Search(number, SearchInfo(**values), ended, reason)


def trial_row(search: int, entry: Entry, stored: Any) -> dict[str, Any]:
    """Return the row of `trials` for an entry.

    Args:
        search: Number of the search.
        entry: The entry.
        stored: Stored candidate and evaluation with the entry's key as texts, or None. Equal values
            are not stored again.
    """
    texts = {
        "candidate": _candidate_text(entry.candidate),
        "evaluation": json.dumps(entry.evaluation.to_json()),
    }
    stored_texts = {} if stored is None else dict(stored._mapping)
    return {
        "search": search,
        "number": entry.number,
        "episode": entry.episode,
        "new": entry.new,
        **entry.key._asdict(),
        **{
            name: None if stored_texts.get(name) == value else value
            for name, value in texts.items()
        },
        "score": entry.score,
        "seconds": entry.seconds,
        "created": entry.created,
    }


def entry_from(row: Any) -> Entry:
    """Return the entry of a row of `trials` that includes candidate and evaluation."""
    return Entry(
        row["number"],
        row["episode"],
        bool(row["new"]),
        EvaluationKey(*(row[name] for name in EvaluationKey._fields)),
        Candidate.from_json(json.loads(row["candidate"])),
        Evaluation.from_json(json.loads(row["evaluation"])),
        row["score"],
        row["seconds"],
        row["created"],
    )


def _candidate_text(candidate: Candidate) -> str:
    return canonical_json(candidate.to_json())


def _number(name: str, evaluation: Evaluation) -> float | None:
    """Return a metric for its column, or None if it is missing or too large for the column."""
    value = evaluation.metrics.get(name)
    if value is None or name not in WHOLE:
        return value
    return int(value) if abs(value) <= MOST else None  # None for NaN too


def _text(text: str) -> str:
    """Replace the characters that a database does not accept: NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
