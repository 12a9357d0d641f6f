"""Surrogates: models fitted to measured networks of a space, which answer for all its networks.

One file per surrogate; it registers itself with `@SURROGATES.register(name)`.
"""

from nas_env.surrogates.base import SURROGATES, Errors, Quadratic, Surrogate, SurrogateTask

__all__ = ["SURROGATES", "Errors", "Quadratic", "Surrogate", "SurrogateTask"]
