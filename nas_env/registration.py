"""The table of environment ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium


class Row(NamedTuple):
    """One environment id: its entry point and what is fixed by the id."""

    id: str
    entry_point: str
    kwargs: dict[str, Any]


TABLE_ENV = "nas_env.table_env:make_table_env"

ENVIRONMENTS = (
    Row("NAS-v0", "nas_env.env:NASEnv", {}),
    Row(
        "NASEdit-v0",
        "nas_env.env:NASEnv",
        {"mdp": "edit", "space": "chain-editable", "objective": "negative-loss"},
    ),
    Row("NASBench201-v0", TABLE_ENV, {"table": "nasbench201"}),
    Row("NASBenchMacro-v0", TABLE_ENV, {"table": "nasbench-macro"}),
    Row("NASBenchGraph-v0", TABLE_ENV, {"table": "nasbench-graph"}),
    Row("NASTable-v0", TABLE_ENV, {"table": "file"}),
)


def register_all() -> None:
    """Enter every row into Gymnasium's registry; a second call changes nothing."""
    for row in ENVIRONMENTS:
        if row.id not in gymnasium.registry:
            gymnasium.register(row.id, row.entry_point, kwargs=row.kwargs)
