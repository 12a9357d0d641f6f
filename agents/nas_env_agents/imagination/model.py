"""The reward model: all evaluations, and the posterior after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_env.spaces import SearchSpace, Walk
from nas_env_agents.imagination.kernel import Inputs, Kernel
from nas_env_agents.imagination.process import Data, GaussianProcess, Posterior
from nas_env_agents.imagination.targets import TARGETS, Numbers

FIRST_STEPS, STEPS = 15, 5  # of the optimiser, at the first fit and at each one after
EVERY, SHARE = 2, 0.05  # a fit is due after two more walks, or 5 % more where that is more


class RewardModel:
    """Learns from walks and scores; repeated evaluations of a walk are averaged.

    Args:
        space: The space of the walks.
        target: Transformation of the scores, a name in `TARGETS`.
        learn: Whether to fit the kernel.
        described: Whether to compare walks also by the descriptors of the space.
    """

    def __init__(
        self, space: SearchSpace, target: str = "rank", learn: bool = True, described: bool = False
    ) -> None:
        self.process = GaussianProcess(Kernel(space, described))
        self.target, self.learn = TARGETS[target], learn
        self.walks: dict[Walk, int] = {}  # in order of their first evaluation
        self.sums: list[float] = []
        self.counts: list[int] = []
        self.fitted = 0  # walks at the last fit
        self._posterior: Posterior | None = None
        self._expected: Numbers | None = None

    def __len__(self) -> int:
        return len(self.walks)

    @property
    def scores(self) -> Numbers:
        """(n,) mean score of each walk."""
        return np.asarray(np.array(self.sums) / np.array(self.counts))

    def tell(self, walk: Walk, score: float) -> None:
        """Add an evaluation."""
        self._forget()
        row = self.walks.setdefault(walk, len(self.walks))
        if row == len(self.sums):
            self.sums.append(0.0)
            self.counts.append(0)
        self.sums[row] += score
        self.counts[row] += 1

    def fit(self) -> None:
        """Fit the kernel if a fit is due."""
        if self.learn and len(self) - self.fitted >= max(EVERY, int(SHARE * self.fitted)):
            self.process.fit(self.data(), STEPS if self.fitted else FIRST_STEPS)
            self.fitted = len(self)
            self._forget()

    def posterior(self) -> Posterior:
        """Return the posterior; does not change the model."""
        if self._posterior is None:
            self._posterior = self.process.posterior(self.data())
        return self._posterior

    def encode(self, walks: Sequence[Walk]) -> Inputs:
        """Return walks as inputs of the posterior."""
        return self.process.kernel.encode(walks)

    def data(self) -> Data:
        """Return all walks with their targets."""
        counts = np.array(self.counts, dtype=float)
        return Data(self.encode(list(self.walks)), self.target(self.scores), counts)

    def expected(self) -> Numbers:
        """Return (n,) predicted means of the evaluated walks."""
        if self._expected is None:
            posterior = self.posterior()
            self._expected = posterior.predict(posterior.data.inputs)[0]
        return self._expected

    def _forget(self) -> None:
        """Drop the cached posterior after a change of data or parameters."""
        self._posterior = self._expected = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return data and parameters."""
        longest = self.process.kernel.positions
        rows = [[*walk, *[-1] * (longest - len(walk))] for walk in self.walks]
        return {
            "walks": np.array(rows, dtype=np.int64).reshape(len(rows), longest),
            "sums": np.array(self.sums),
            "counts": np.array(self.counts, dtype=np.int64),
            "fitted": np.array(self.fitted),
            "vector": self.process.vector,
            "moments": self.process.adam.moments,
            "updates": np.array(self.process.adam.updates),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        rows = [tuple(x for x in row if x >= 0) for row in arrays["walks"].tolist()]
        self.walks = {walk: number for number, walk in enumerate(rows)}
        self.sums, self.counts = arrays["sums"].tolist(), arrays["counts"].tolist()
        self.fitted = int(arrays["fitted"])
        self.process.vector, self.process.adam.moments = arrays["vector"], arrays["moments"]
        self.process.adam.updates = int(arrays["updates"])
        self._forget()
