"""`mobile`: stages of inverted bottlenecks, after MnasNet.

Reference: Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR 2019
(section 4.1), in the form of Ahmad et al., "Accel-NASBench", 2024: stages, strides and widths of
EfficientNet-B0 (Tan and Le, ICML 2019, table 1).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import NamedTuple, cast

from nas_env.architecture import Architecture, Layer, Shape
from nas_env.layers.composite import params_along
from nas_env.spaces._image import ImageSpace
from nas_env.spaces.base import SPACES, Choice, Option, SpaceFactory, Walk

EXPANSIONS, KERNELS, DEPTHS, EXCITED = (1, 4, 6), (3, 5), (1, 2, 3, 4), (False, True)
USUAL_DEPTHS, DEEPEST = 3, 6  # only the sixth stage may have the fourth bottleneck
QUESTIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("expansion", EXPANSIONS),
    ("kernel", KERNELS),
    ("layers", DEPTHS),
    ("squeeze-excite", EXCITED),
)
SQUEEZE = 4  # an excitation has a quarter of the input channels of its bottleneck
FIRST = tuple(sum(len(values) for _, values in QUESTIONS[:i]) for i in range(len(QUESTIONS)))


@dataclass(frozen=True)
class Skeleton:
    """The fixed part of the network.

    Attributes:
        stem: Channels and stride of the first convolution.
        stages: Channels and stride of each stage.
        head: Channels of the 1x1 convolution at the end.
    """

    stem: tuple[int, int]
    stages: tuple[tuple[int, int], ...]
    head: int


B0 = Skeleton(
    stem=(32, 2),
    stages=((16, 1), (24, 2), (40, 2), (80, 2), (112, 1), (192, 2), (320, 1)),
    head=1280,
)
# A quarter of the channels and three reductions instead of five, for images of 14 to 64 pixels.
SMALL = Skeleton(
    stem=(8, 1),
    stages=((8, 1), (8, 2), (10, 1), (20, 2), (28, 1), (48, 2), (80, 1)),
    head=320,
)


class MobileState(NamedTuple):
    """State of a walk: the stage (from 1) and its decided values, 0 if undecided."""

    stage: int
    expansion: int = 0
    kernel: int = 0
    layers: int = 0


class MobileSpace(ImageSpace):
    """Decide expansion, kernel, bottlenecks and squeeze-excite of each of seven stages.

    Decisions: 0-2 expansion 1, 4, 6; 3-4 kernel 3, 5; 5-8 one to three bottlenecks, in the sixth
        stage up to four; 9-10 without and with squeeze-excite; four decisions per stage.
    Observation: given by the environment; the state is the stage and its decided values: 203
        states.
    Reward: given by the environment; MnasNet's are "mnasnet-soft" and "mnasnet-hard".
    Episode end: the last decision of the seventh stage.
    Reference: Tan et al., CVPR 2019; Accel-NASBench. With 1,000 classes the networks of `mobile`
        have the published numbers of parameters of Accel-NASBench. All activations are ReLU.

    Example:
        >>> from nas_env.spaces import SPACES
        >>> space = SPACES.get("mobile")(input_shape=(3, 224, 224), num_outputs=1000)
        >>> space.max_length, space.size() == 36**6 * 48
        (28, True)
    """

    distinct = True

    def __init__(
        self,
        skeleton: Skeleton,
        name: str,
        input_shape: Shape,
        num_outputs: int,
        max_params: int | None = None,
    ) -> None:
        super().__init__(name, input_shape, num_outputs, max_params)
        self.skeleton = skeleton
        self.num_decisions = sum(len(values) for _, values in QUESTIONS)
        self.max_length = len(QUESTIONS) * len(skeleton.stages)
        self.feature_names = ("stage", "expansion", "kernel", "layers")

    def start(self) -> MobileState:
        """Return the state of the empty network."""
        return MobileState(1)

    def choice(self, state: Hashable) -> Choice | None:
        """Return the values of the next choice; None after the last stage."""
        state = cast(MobileState, state)
        if state.stage > len(self.skeleton.stages):
            return None
        step = self._step(state)
        name, values = QUESTIONS[step]
        count = len(values)
        if name == "layers" and state.stage != DEEPEST:
            count = USUAL_DEPTHS
        legal = range(FIRST[step], FIRST[step] + count)
        return Choice(f"stage {state.stage}: {name}", tuple(legal), self._options)

    def follow(self, state: Hashable, decision: int) -> MobileState:
        """Return the state after a decision."""
        state = cast(MobileState, state)
        step = self._step(state)
        if step == len(QUESTIONS) - 1:
            return MobileState(state.stage + 1)
        values = [*state[1 : step + 1], QUESTIONS[step][1][decision - FIRST[step]]]
        return MobileState(state.stage, *values)

    def partial(self, walk: Walk) -> Architecture:
        """Return the stages decided so far, and the end if the last one is decided."""
        channels, stride = self.skeleton.stem
        layers = [_conv(channels, 3, stride)]
        length = len(QUESTIONS)
        for stage, (width, step) in enumerate(self.skeleton.stages):
            own = walk[stage * length : (stage + 1) * length]
            if len(own) < length:
                return Architecture(tuple(layers))
            expansion, kernel, depth, excited = _values(own)
            layers += bottlenecks(width, step, expansion, kernel, depth, bool(excited))
        end = (_conv(self.skeleton.head, 1, 1), Layer.of("global-average-pool"))
        return Architecture((*layers, *end))

    def cost(self, state: Hashable, decision: int) -> int:
        """Return the parameters a decision adds; the last one of a stage adds the whole stage.

        The last decision of the last stage also adds stem, end and classifier.
        """
        state = cast(MobileState, state)
        if self._step(state) < len(QUESTIONS) - 1:
            return 0
        excited = bool(EXCITED[decision - FIRST[-1]])
        widths = [self.skeleton.stem[0], *(width for width, _ in self.skeleton.stages)]
        before, width = widths[state.stage - 1], widths[state.stage]
        total = _params(before, width, state.expansion, state.kernel, state.layers, excited)
        if state.stage == len(self.skeleton.stages):
            total += params_along((_conv(widths[0], 3, 1),), self.input_shape)
            total += params_along((_conv(self.skeleton.head, 1, 1),), (width, 1, 1))
            total += params_along((self.head,), (self.skeleton.head,))
        return total

    def project(self, state: Hashable) -> tuple[int, int]:
        """Return the stage and the number of its decided values."""
        state = cast(MobileState, state)
        return state.stage, self._step(state)

    def features(self, state: Hashable) -> tuple[float, ...]:
        """Return the share of decided stages, and the scaled values of the current stage."""
        state = cast(MobileState, state)
        return (
            (state.stage - 1) / len(self.skeleton.stages),
            state.expansion / max(EXPANSIONS),
            state.kernel / max(KERNELS),
            state.layers / max(DEPTHS),
        )

    def _step(self, state: MobileState) -> int:
        return sum(value > 0 for value in state[1:])

    @cached_property
    def _options(self) -> tuple[Option, ...]:
        fields = {"kernel": "kernel", "expansion": "width"}
        return tuple(
            Option(f"{name} {value}", {fields.get(name, "operation"): (value, order)})
            for name, values in QUESTIONS
            for order, value in enumerate(values)
        )


def bottlenecks(
    channels: int, stride: int, expansion: int, kernel: int, depth: int, excited: bool
) -> list[Layer]:
    """Return the inverted bottlenecks of a stage; the first one has the stride."""
    settings: dict[str, int] = {"channels": channels, "expansion": expansion, "kernel": kernel}
    settings |= {"squeeze": SQUEEZE} if excited else {}
    first = {"stride": stride} if stride != 1 else {}
    kind = "mb-conv"
    return [Layer(kind, _sorted(settings | first)), *[Layer(kind, _sorted(settings))] * (depth - 1)]


def _sorted(settings: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(settings.items()))


def _conv(channels: int, kernel: int, stride: int) -> Layer:
    settings = {"channels": channels, "kernel": kernel}
    return Layer("conv", _sorted(settings | ({"stride": stride} if stride != 1 else {})))


def _values(decisions: Walk) -> Iterator[int]:
    for (_, values), first, decision in zip(QUESTIONS, FIRST, decisions, strict=True):
        yield values[decision - first]


@lru_cache(maxsize=10_000)
def _params(before: int, width: int, expansion: int, kernel: int, depth: int, excited: bool) -> int:
    layers = bottlenecks(width, 1, expansion, kernel, depth, excited)
    return params_along(layers, (before, 1, 1))


_ABOUT = "Stages of inverted bottlenecks, after MnasNet"
for _name, _skeleton, _description in (
    ("mobile", B0, f"{_ABOUT}."),
    ("mobile-small", SMALL, f"{_ABOUT}, with fewer channels for small images."),
):
    _build = partial(MobileSpace, _skeleton, _name)
    SPACES.register(_name)(SpaceFactory(_build, "digits", (3, 32, 32), _description))
