"""What is registered, for `nas-env list` and `nas-env describe`: kinds, names, descriptions."""

from nas_env_cli.catalogue.docstrings import Docstring, first_sentence
from nas_env_cli.catalogue.kinds import KINDS, Kind, kinds_of, unknown

__all__ = ["KINDS", "Docstring", "Kind", "first_sentence", "kinds_of", "unknown"]
