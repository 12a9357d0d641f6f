"""`enas-cell`: the cells of ENAS, after Pham et al.

Reference: Pham, Guan, Zoph, Le, Dean, "Efficient Neural Architecture Search via Parameter Sharing",
ICML 2018 (section 2.4, the micro search space).
"""

from __future__ import annotations

from functools import partial

from nas_env.spaces.base import SPACES, SpaceFactory
from nas_env.spaces.nasnet_cell import CellGrammar, NASNetSpace

ENAS = CellGrammar(
    operations=("identity", "sep-3x3", "sep-5x5", "avg-pool-3x3", "max-pool-3x3"),
    combines=("add",),
    blocks=5,
    steps=("state 1", "operation 1", "state 2", "operation 2"),
    repeats=2,
    channels=4,
)


class ENASCellSpace(NASNetSpace):
    """Decide the blocks of a normal cell, then those of a reduction cell.

    Decisions: for each of five blocks, two times a state and an operation on it; the results are
        added. One number for each of the six states and five operations. Otherwise equal to
        `nasnet-cell`.
    Observation: given by the environment; see `nasnet-cell`. `project` has 41 states.
    Reward: given by the environment.
    Episode end: the last decision of the reduction cell.
    Reference: Pham et al., ICML 2018. Here each network is trained separately, without shared
        weights; stages and channels are those of `nasnet-cell`.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("enas-cell")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.max_length, space.num_decisions
        (40, 11)
    """


SPACES.register("enas-cell")(
    SpaceFactory(
        partial(ENASCellSpace, ENAS, "enas-cell"),
        "digits",
        (3, 32, 32),
        "The normal and the reduction cell of ENAS.",
    )
)
