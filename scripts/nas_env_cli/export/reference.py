"""A hand-made network as a reference for the networks that a search finds."""

from __future__ import annotations

from nas_env.architecture import Architecture, Candidate, Layer, Recipe
from nas_env.tasks.base import TaskSpec


def reference_candidate(spec: TaskSpec, recipe: Recipe) -> Candidate:
    """Return two convolutions and a fully connected layer (after LeNet) for images.

    Other tasks get two fully connected layers. The network was designed once for 8x8 images and
    about 10,000 parameters, and never tuned; for 14x14 images it has 14,426. Maps that are too
    small to be halved are not pooled.
    """
    if spec.modality != "image":
        layers = [Layer.of("linear", units=64), Layer.of("linear", units=32)]
        return Candidate(Architecture(tuple(layers)), recipe)
    side, layers = min(spec.input_shape[1:]), []
    for channels in (16, 32):
        layers.append(Layer.of("conv", channels=channels, kernel=3))
        if side >= 4:
            layers.append(Layer.of("max-pool", kernel=2, stride=2))
            side //= 2
    layers.append(Layer.of("linear", units=32))
    return Candidate(Architecture(tuple(layers)), recipe)
