"""Skeletons: the networks in which cells are stacked, also at a larger size.

One file per kind of cell; a skeleton registers itself under the kind of its cell's layer.
"""

from nas_env.skeletons.base import SKELETONS, Skeleton, is_large, scaled, skeleton_of, stem

__all__ = ["SKELETONS", "Skeleton", "is_large", "scaled", "skeleton_of", "stem"]
