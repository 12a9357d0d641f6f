"""Export of a network: its source code, its weights, and formats for other programs."""

from nas_env.export.folder import Exported, export
from nas_env.export.source import Source, write_source

__all__ = ["Exported", "Source", "export", "write_source"]
