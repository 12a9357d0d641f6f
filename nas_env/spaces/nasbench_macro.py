"""`nasbench-macro`: the chains of NAS-Bench-Macro, eight blocks of three kinds.

Reference: Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021,
and its repository xiusu/NAS-Bench-Macro.
"""

from __future__ import annotations

from functools import cache, lru_cache, partial

from nas_env.architecture import Architecture, Candidate, Layer, Recipe, Shape
from nas_env.layers.composite import params_along
from nas_env.spaces._product import ProductSpace
from nas_env.spaces.base import SPACES, SpaceFactory, Walk

BLOCKS = ("identity", "mb-conv 3x3, x3", "mb-conv 5x5, x6")
WINDOWS = ((3, 3), (5, 6))  # kernel and expansion of the two inverted bottlenecks
STEM_CHANNELS = 32
STAGES = ((64, 2), (128, 3), (256, 3))  # channels and number of blocks
PLACES = tuple((c, 2 if i == 0 else 1) for c, count in STAGES for i in range(count))
CACHE_SIZE = 3**8  # all
RECIPE = Recipe()
STEM = Layer.of("conv", channels=STEM_CHANNELS, kernel=3)
END = (Layer.of("conv", channels=1280, kernel=1), Layer.of("global-average-pool"))


class NASBenchMacroSpace(ProductSpace):
    """Append eight blocks, one after the other, to a stem.

    Decisions: 0 identity, 1 inverted bottleneck with kernel 3 and expansion 3, 2 with kernel 5 and
        expansion 6; eight times. All are always legal. The first block of each stage (layers 1, 3
        and 6) has stride 2 and doubles the channels, to 64, 128 and 256; there an identity is a
        normalised 1x1 convolution with stride 2, elsewhere it adds no layer.
    Observation: given by the environment; the state is the walk so far. `project` keeps its length.
    Reward: given by the environment.
    Episode end: the eighth decision.
    Reference: Su et al., CVPR 2021. 6,561 walks lead to 3,969 networks, because the position of an
        identity with stride 1 within a stage makes no difference. The recipe is the default, not
        the paper's.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("nasbench-macro")(input_shape=(3, 32, 32), num_outputs=10)
        >>> space.decode((2, 0, 0, 0, 1, 0, 0, 0)).key == space.decode((2, 0, 0, 1, 0, 0, 0, 0)).key
        True
    """

    def __init__(
        self, name: str, input_shape: Shape, num_outputs: int, max_params: int | None = None
    ) -> None:
        layers = [f"layer {number}" for number in range(1, len(PLACES) + 1)]
        super().__init__(name, input_shape, num_outputs, max_params, layers, BLOCKS)

    def prices(self) -> list[list[int]]:
        """Return the parameters of each block at each layer; the last layer adds the rest."""
        before = [STEM_CHANNELS, *(channels for channels, _ in PLACES)]
        params = [
            [params_along(block(position, d), (before[position], 1, 1)) for d in range(len(BLOCKS))]
            for position in range(len(PLACES))
        ]
        rest = params_along((STEM,), self.input_shape)
        rest += params_along((*END, self.head), (before[-1], 1, 1))
        return [*params[:-1], [price + rest for price in params[-1]]]

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network of a complete walk, with the default recipe."""
        return candidate(walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the stem and the blocks decided so far, and the end after the last one."""
        return network(walk)


@lru_cache(maxsize=CACHE_SIZE)
def candidate(walk: Walk) -> Candidate:
    """Return the candidate of a complete walk."""
    return Candidate(network(walk), RECIPE, walk)


def network(walk: Walk) -> Architecture:
    """Return the layers of a walk; the end follows the last block."""
    layers = [STEM]
    for position, decision in enumerate(walk):
        layers += block(position, decision)
    return Architecture((*layers, *(END if len(walk) == len(PLACES) else ())))


@cache
def block(position: int, decision: int) -> tuple[Layer, ...]:
    """Return the layer of a decision at a position, or no layer."""
    channels, stride = PLACES[position]
    if decision:
        kernel, expansion = WINDOWS[decision - 1]
        shape = {"channels": channels, "stride": stride}
        return (Layer.of("mb-conv", (), kernel=kernel, expansion=expansion, **shape),)
    if stride == 1:
        return ()
    return (Layer.of("conv", channels=channels, kernel=1, stride=stride, activation="none"),)


SPACES.register("nasbench-macro")(
    SpaceFactory(
        partial(NASBenchMacroSpace, "nasbench-macro"),
        "digits",
        (3, 32, 32),
        "The chain of NAS-Bench-Macro: eight blocks of three kinds.",
    )
)
