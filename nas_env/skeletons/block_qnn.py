"""The skeleton of BlockQNN: stages of one block with pooling between them.

Reference: Zhong, Yan, Wu, Shao, Liu, "Practical Block-wise Neural Network Architecture Generation",
CVPR 2018 (figure 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nas_env.architecture import Architecture, Layer
from nas_env.layers.pooling import local_pool
from nas_env.skeletons.base import SKELETONS, Skeleton, stem

STAGES = 3


@SKELETONS.register("nsc-block")
@dataclass(frozen=True)
class BlockQNNSkeleton(Skeleton):
    """A 3x3 convolution and three stages of blocks, with 3x3 max pooling of stride 2 between them.

    For large images the convolution has stride 2, and the same pooling follows it. `cells` is one
    text, the code of the block.
    """

    def stack(self) -> Architecture:
        """Return the whole network."""
        pool = local_pool("max", 3, 2)
        layers = [stem(self.channels, 2), pool] if self.large else [stem(self.channels)]
        for stage in range(STAGES):
            block = Layer.of("nsc-block", code=self.cells[0], channels=self.channels * 2**stage)
            layers += [pool] if stage else []
            layers += [block] * self.repeats
        layers += [Layer.of("activation", activation="relu"), Layer.of("global-average-pool")]
        return Architecture(tuple(layers))

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the skeleton with the first block, repeated as in the first stage."""
        blocks = [layer for layer in architecture.layers if layer.kind == "nsc-block"]
        first = blocks[0]
        large = architecture.layers[0].get("stride", 1) != 1
        return cls((first["code"],), blocks.count(first), first["channels"], large)
