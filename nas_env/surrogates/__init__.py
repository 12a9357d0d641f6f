"""Surrogates: models fitted to measured networks, which predict all networks of a space.

Each file defines one surrogate and registers it with `@SURROGATES.register(name)`.
"""

from nas_env.surrogates.base import SURROGATES, Errors, Quadratic, Surrogate, SurrogateTask

__all__ = ["SURROGATES", "Errors", "Quadratic", "Surrogate", "SurrogateTask"]
