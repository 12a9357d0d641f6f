"""Benchmark tables: what published networks, trained once and for all, were found to score.

One file per benchmark; it registers itself with `@TABLES.register(name)`.
"""

from nas_env.tables.base import TABLES, Table, TableTask

__all__ = ["TABLES", "Table", "TableTask"]
