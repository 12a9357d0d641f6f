"""Sources of data, and the `DataSet` that they are read into.

One file per kind of source; each source registers itself with `@SOURCES.register(name)`.
"""

from nas_env.sources.base import (
    COLUMN_KINDS,
    SOURCES,
    DataSet,
    Encoded,
    ReadOptions,
    Samples,
    Source,
)
from nas_env.sources.reading import read_data
from nas_env.sources.suggestions import Suggestion, suggest
from nas_env.sources.summary import Summary, summarise

__all__ = [
    "COLUMN_KINDS",
    "SOURCES",
    "DataSet",
    "Encoded",
    "ReadOptions",
    "Samples",
    "Source",
    "Suggestion",
    "Summary",
    "read_data",
    "suggest",
    "summarise",
]
