"""`nasbench201`: the cells of NAS-Bench-201 in the published skeleton.

Reference: Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020 (section 2.1, figure 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import pairwise, product

from nas_env.architecture import Architecture, Candidate, Recipe, Shape
from nas_env.layers.cells import EDGES, OPERATIONS, cell_text, edge_chain
from nas_env.layers.composite import params_along
from nas_env.skeletons.nasbench201 import NASBench201Skeleton
from nas_env.spaces._product import ProductSpace
from nas_env.spaces.base import SPACES, SpaceFactory, Walk

CHANNELS = (16, 32, 64)  # of the three stages
CELLS = 5  # in each stage
NONE, SKIP = OPERATIONS.index("none"), OPERATIONS.index("skip_connect")
CACHE_SIZE = 5**6  # all
PATHS = ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3))  # nodes from input to output
COMPUTING = [x for x in range(len(OPERATIONS)) if x not in (NONE, SKIP)]
SEQUENCES = [x for length in range(4) for x in product(COMPUTING, repeat=length)]  # 40
RECIPE = Recipe()


class NASBench201Space(ProductSpace):
    """Choose an operation for each of the six edges of a cell, which is repeated fifteen times.

    Decisions: 0 none, 1 skip_connect, 2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3; six times,
        for the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3. All are always legal. The network around the
        cell is the published one: stem of 16 channels, three stages of five cells with 16, 32 and
        64 channels, a residual block with stride 2 between stages.
    Observation: given by the environment; the state is the walk so far. `project` keeps its length.
    Reward: given by the environment.
    Episode end: the sixth decision.
    Reference: Dong and Yang, ICLR 2020. 15,625 cells; the cells in each of the paper's 6,466
        classes (see `expression`) have the same key. The recipe is the default, not the paper's.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("nasbench201")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.decode((3, 0, 3, 1, 0, 1)).architecture.layers[1]["cell"]
        '|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|'
    """

    def __init__(
        self, name: str, input_shape: Shape, num_outputs: int, max_params: int | None = None
    ) -> None:
        edges = [f"edge {source}-{target}" for source, target in EDGES]
        super().__init__(name, input_shape, num_outputs, max_params, edges, OPERATIONS)

    def prices(self) -> list[list[int]]:
        """Return the parameters of each operation in all cells; the last edge adds the rest."""
        own = [sum(CELLS * _edge_params(o, c) for c in CHANNELS) for o in range(len(OPERATIONS))]
        rest = params_along((*network(()).layers, self.head), self.input_shape)
        return [*([own] * (len(EDGES) - 1)), [price + rest for price in own]]

    def descriptors(self, walk: Walk) -> dict[str, tuple[float, ...]]:
        """Return "paths": the number of paths with each sequence of operations."""
        counts = Counter(paths(walk))
        return {"paths": tuple(float(counts[sequence]) for sequence in SEQUENCES)}

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network of a complete walk, with the default recipe."""
        return candidate(walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the whole network; undecided edges have no operation."""
        return network(walk)


@lru_cache(maxsize=CACHE_SIZE)
def candidate(walk: Walk) -> Candidate:
    """Return the candidate of a complete walk."""
    return Candidate(network(walk), RECIPE, walk, function=f"nasbench201 {expression(walk)}")


def network(walk: Walk) -> Architecture:
    """Return the network with the cell of a walk; edges beyond its end have no operation."""
    cell = cell_text(walk + (NONE,) * (len(EDGES) - len(walk)))
    return NASBench201Skeleton((cell,), CELLS, CHANNELS[0]).stack()


def paths(walk: Walk) -> Iterator[tuple[int, ...]]:
    """Yield the operations along each path from the input to the output of a cell.

    Skip connections and paths with a missing edge are omitted.
    """
    operation = dict(zip(EDGES, walk, strict=True))
    for nodes in PATHS:
        along = [operation[edge] for edge in pairwise(nodes)]
        if NONE not in along:
            yield tuple(x for x in along if x != SKIP)


def expression(walk: Walk) -> str:
    """Return the output node of a cell as a formula over the input "0"; equal for isomorphic cells.

    A missing edge is "#", a skip connection is the formula of its source, and the terms of a sum
    are sorted as text. This gives exactly the paper's 6,466 classes. Some of these classes still
    compute the same function: removing zeros from sums and flattening nested sums gives 4,930.
    """
    nodes, decisions = ["0"], iter(walk)
    for target in range(1, EDGES[-1][1] + 1):
        terms = [_term(nodes[source], next(decisions)) for source in range(target)]
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


def _term(source: str, operation: int) -> str:
    if operation == NONE or source == "#":
        return "#"
    return source if operation == SKIP else f"({source})@{OPERATIONS[operation]}"


def _edge_params(operation: int, channels: int) -> int:
    return params_along(edge_chain(operation, channels), (channels, 1, 1))


SPACES.register("nasbench201")(
    SpaceFactory(
        partial(NASBench201Space, "nasbench201"),
        "digits",
        (3, 32, 32),
        "The cell of NAS-Bench-201: an operation on each of six edges.",
    )
)
