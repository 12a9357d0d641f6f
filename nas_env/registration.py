"""The table of environment ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium


class Row(NamedTuple):
    """One environment id: its entry points and what is fixed by the id."""

    id: str
    entry_point: str
    vector_entry_point: str
    kwargs: dict[str, Any]


SINGLE, VECTOR = "nas_env.env:NASEnv", "nas_env.vector:NASVectorEnv"
TABLE = "nas_env.table_env:make_table_env"
TABLE_VECTOR = "nas_env.table_env:make_table_vector_env"
SURROGATE = "nas_env.surrogate_env:make_surrogate_env"
SURROGATE_VECTOR = "nas_env.surrogate_env:make_surrogate_vector_env"

ENVIRONMENTS = (
    Row("NAS-v0", SINGLE, VECTOR, {}),
    Row(
        "NASEdit-v0",
        SINGLE,
        VECTOR,
        {"mdp": "edit", "space": "chain-editable", "objective": "negative-loss"},
    ),
    Row("NASChain-v0", TABLE, TABLE_VECTOR, {"table": "chain-bench"}),
    Row("NASBench201-v0", TABLE, TABLE_VECTOR, {"table": "nasbench201"}),
    Row("NASBenchMacro-v0", TABLE, TABLE_VECTOR, {"table": "nasbench-macro"}),
    Row("NASBenchGraph-v0", TABLE, TABLE_VECTOR, {"table": "nasbench-graph"}),
    Row("NASTable-v0", TABLE, TABLE_VECTOR, {"table": "file"}),
    Row("NASMobile-v0", SURROGATE, SURROGATE_VECTOR, {"surrogate": "accel-nasbench"}),
)


def register_all() -> None:
    """Enter every row into Gymnasium's registry; a second call changes nothing."""
    for row in ENVIRONMENTS:
        if row.id not in gymnasium.registry:
            gymnasium.register(
                row.id,
                row.entry_point,
                vector_entry_point=row.vector_entry_point,
                kwargs=row.kwargs,
            )
