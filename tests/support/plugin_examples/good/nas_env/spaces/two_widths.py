"""`two-widths`: two to six fully connected layers, each of one of two widths; 124 walks."""

from typing import Any

from nas_env.architecture import Architecture, Candidate, Layer, Shape
from nas_env.errors import IncompatibleError
from nas_env.spaces.base import SPACES, Choice, Option, SearchSpace, SpaceFactory, Walk

WIDTHS = (8, 16)
FEWEST, MOST = 2, 6
STOP = len(WIDTHS)
OPTIONS = (
    *(Option(f"linear {width}", {"units": (width, width)}) for width in WIDTHS),
    Option("stop", {}),
)


class TwoWidths(SearchSpace):
    """Choose widths until "stop"; the state is the walk itself."""

    name, modality, num_decisions, max_length = "two-widths", "vector", len(OPTIONS), MOST
    additive_cost = distinct = True
    feature_names = ("depth",)

    def __init__(self, input_shape: Shape, num_outputs: int, max_params: int | None) -> None:
        if len(input_shape) != 1:
            raise IncompatibleError(
                f"Space 'two-widths' needs vectors, got shape {input_shape}. Use space='chain'."
            )
        self.input_shape, self.num_outputs, self.max_params = input_shape, num_outputs, max_params

    def start(self) -> Walk:
        """Return the empty walk."""
        return ()

    def choice(self, state: Any) -> Choice | None:
        """Return the widths, and "stop" after two; None after "stop" and after six widths."""
        if len(state) == MOST or STOP in state:
            return None
        legal = tuple(range(len(OPTIONS) if len(state) >= FEWEST else len(WIDTHS)))
        return Choice(f"layer {len(state) + 1}", legal, OPTIONS)

    def follow(self, state: Any, decision: int) -> Walk:
        """Return the longer walk."""
        return (*state, decision)

    def assemble(self, walk: Walk) -> Candidate:
        """Return the network, trained by the default recipe."""
        return Candidate(self.partial(walk), walk=walk)

    def partial(self, walk: Walk) -> Architecture:
        """Return the layers decided so far."""
        return Architecture(tuple(Layer.of("linear", units=WIDTHS[x]) for x in walk if x != STOP))

    def cost(self, state: Any, decision: int) -> int:
        """Return the parameters of a layer, or of the classifier once nothing follows."""
        inputs = WIDTHS[state[-1]] if state else self.input_shape[0]
        if decision == STOP:
            return (inputs + 1) * self.num_outputs
        units = WIDTHS[decision]
        classifier = (units + 1) * self.num_outputs if len(state) + 1 == MOST else 0
        return (inputs + 1) * units + classifier

    def features(self, state: Any) -> tuple[float, ...]:
        """Return the share of the decisions taken."""
        return (len(state) / MOST,)


SPACES.register("two-widths")(SpaceFactory(TwoWidths, "wine", (13,)))
