"""The skeleton of NASNet and ENAS: stages of normal cells with reduction cells between them.

Reference: Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures for Scalable Image
Recognition", CVPR 2018 (section 3, figure 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from nas_env.architecture import Architecture, Layer
from nas_env.skeletons.base import SKELETONS, Skeleton, stem

NORMAL, REDUCTION = 0, 1
STAGES = 3


@SKELETONS.register("nasnet-cell")
@dataclass(frozen=True)
class NASNetSkeleton(Skeleton):
    """A 3x3 convolution and three stages of N normal cells, a reduction cell before the later two.

    For large images (224x224 in the paper) the convolution has stride 2, and two reduction cells
    with a quarter and a half of the channels precede the first stage.

    `cells` are the texts of the normal and the reduction cell.
    """

    def stack(self) -> Architecture:
        """Return the whole network; every cell reads the two previous cells."""
        layers = [stem(self._stem_channels(), 2 if self.large else 1)]
        for kind, width in self._sequence():
            node = len(layers)
            stride: dict[str, Any] = {"stride": 2} if kind == REDUCTION else {}
            layers.append(
                Layer.of(
                    "nasnet-cell",
                    inputs=(max(node - 1, 1), node),
                    cell=self.cells[kind],
                    channels=width,
                    **stride,
                )
            )
        layers += [Layer.of("activation", activation="relu"), Layer.of("global-average-pool")]
        return Architecture(tuple(layers))

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the skeleton; the stride of a cell shows its kind."""
        layers = [layer for layer in architecture.layers if layer.kind == "nasnet-cell"]
        by_kind = {layer.get("stride", 1): layer["cell"] for layer in reversed(layers)}
        normal = [layer["channels"] for layer in layers if layer.get("stride", 1) == 1]
        channels = normal[0] if normal else layers[0]["channels"]
        cells = (by_kind.get(1, ""), by_kind.get(2, ""))
        large = architecture.layers[0].get("stride", 1) != 1
        return cls(cells, max(1, normal.count(channels)), channels, large)

    def _stem_channels(self) -> int:
        return max(1, self.channels // 4) if self.large else self.channels

    def _sequence(self) -> Iterator[tuple[int, int]]:
        """Yield the kind and channels of each cell, in order."""
        if self.large:
            yield REDUCTION, max(1, self.channels // 4)
            yield REDUCTION, max(1, self.channels // 2)
        yield from sequence(self.repeats, self.channels)


def sequence(repeats: int, channels: int) -> Iterator[tuple[int, int]]:
    """Yield the kind and channels of each cell from the first stage on, in order."""
    for stage in range(STAGES):
        if stage:
            yield REDUCTION, channels * 2**stage
        yield from [(NORMAL, channels * 2**stage)] * repeats
