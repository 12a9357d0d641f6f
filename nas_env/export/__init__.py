"""A found network to take away: its source, its weights, and formats that others read."""

from nas_env.export.source import Source, write_source

__all__ = ["Source", "write_source"]
