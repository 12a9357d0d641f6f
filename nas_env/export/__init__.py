"""A found network to take away: its source, its weights, and formats that others read."""

from nas_env.export.folder import Exported, export
from nas_env.export.source import Source, write_source

__all__ = ["Exported", "Source", "export", "write_source"]
