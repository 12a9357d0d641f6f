"""The table of environment ids."""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium

from nas_env.plugins import load_plugins, plugin_environments
from nas_env.registry import unknown_name

GENERAL, TABLE, SURROGATE = "general", "table", "surrogate"
ENTRY_POINTS = {  # of the single and the vector environment, by family
    GENERAL: ("nas_env.env:NASEnv", "nas_env.vector:NASVectorEnv"),
    TABLE: ("nas_env.known_env:make_table_env", "nas_env.known_env:make_table_vector_env"),
    SURROGATE: (
        "nas_env.known_env:make_surrogate_env",
        "nas_env.known_env:make_surrogate_vector_env",
    ),
}


class Row(NamedTuple):
    """One environment id.

    Attributes:
        id: The id.
        family: "general": any space, task and evaluator. "table" and "surrogate": the id fixes the
            space and the source of the evaluations, and nothing is trained.
        kwargs: Arguments that the id fixes.
    """

    id: str
    family: str
    kwargs: dict[str, Any]

    @property
    def trains(self) -> bool:
        """Whether networks are trained, unless another evaluator is chosen."""
        return self.family == GENERAL


ENVIRONMENTS = (
    Row("NAS-v0", GENERAL, {}),
    Row(
        "NASEdit-v0",
        GENERAL,
        {"mdp": "edit", "space": "chain-editable", "objective": "negative-loss"},
    ),
    Row("NASChain-v0", TABLE, {"table": "chain-bench"}),
    Row("NASBench201-v0", TABLE, {"table": "nasbench201"}),
    Row("NASBenchMacro-v0", TABLE, {"table": "nasbench-macro"}),
    Row("NASBenchGraph-v0", TABLE, {"table": "nasbench-graph"}),
    Row("NASTable-v0", TABLE, {"table": "file"}),
    Row("NASMobile-v0", SURROGATE, {"surrogate": "accel-nasbench"}),
)


def environment_ids() -> list[str]:
    """Import the plug-ins, and return all environment ids in sorted order."""
    load_plugins()
    return sorted({row.id for row in ENVIRONMENTS} | set(plugin_environments()))


def row_of(env_id: str) -> Row:
    """Return the row of an environment id.

    Raises:
        UnknownNameError: No such id; the message lists the known ones.
    """
    for row in ENVIRONMENTS:
        if row.id == env_id:
            return row
    raise unknown_name("environment", env_id, [row.id for row in ENVIRONMENTS])


def register_all() -> None:
    """Register all ids with Gymnasium; a second call has no effect."""
    for row in ENVIRONMENTS:
        if row.id not in gymnasium.registry:
            single, vector = ENTRY_POINTS[row.family]
            # The entry point uses the id to check that the table or surrogate is not replaced.
            known_by = {} if row.trains else {"env_id": row.id}
            gymnasium.register(
                row.id, single, vector_entry_point=vector, kwargs={**row.kwargs, **known_by}
            )
