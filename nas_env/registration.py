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
ENVIRONMENTS = (
    Row("NAS-v0", SINGLE, VECTOR, {}),
    Row(
        "NASEdit-v0",
        SINGLE,
        VECTOR,
        {"mdp": "edit", "space": "chain-editable", "objective": "negative-loss"},
    ),
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
