"""The skeleton of NAS-Bench-201.

Reference: Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture
Search", ICLR 2020 (section 2.1, figure 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from nas_env.architecture import Architecture, Layer
from nas_env.layers.pooling import local_pool
from nas_env.skeletons.base import SKELETONS, Skeleton, stem

STAGES = 3
END = (Layer.of("batch-norm"), Layer.of("global-average-pool"))


@SKELETONS.register("nasbench201-cell")
@dataclass(frozen=True)
class NASBench201Skeleton(Skeleton):
    """A stem and three stages of cells, with a residual block of stride 2 before the later two.

    For large images, which the paper does not use, the stem has stride 2, and 3x3 max pooling with
    stride 2 follows, as in residual networks. `cells` is one text.
    """

    def stack(self) -> Architecture:
        """Return the whole network."""
        begin, reductions = around(self.channels, self.large)
        own, text = [], self.cells[0]
        for stage in range(STAGES):
            own += [reductions[stage - 1]] if stage else []
            settings = (
                ("cell", text),
                ("channels", self.channels * 2**stage),
                ("repeats", self.repeats),
            )
            own.append(Layer("nasbench201-cell", settings))
        return Architecture((*begin, *own, *END))

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the skeleton with the first layer of cells; `large` if the stem has a stride."""
        first = next(x for x in architecture.layers if x.kind == "nasbench201-cell")
        large = architecture.layers[0].get("stride", 1) != 1
        return cls((first["cell"],), first.get("repeats", 1), first["channels"], large)


@lru_cache(maxsize=100)
def around(channels: int, large: bool) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Return the layers before the first stage, and those between stages."""
    shrink = (stem(channels, 2), local_pool("max", 3, 2))
    reductions = [
        Layer.of("residual-block", channels=channels * 2**stage, stride=2)
        for stage in range(1, STAGES)
    ]
    return (shrink if large else (stem(channels),)), tuple(reductions)
