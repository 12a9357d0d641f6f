"""Benchmark tables: published evaluations of all networks of a search space.

Each file defines one benchmark and registers it with `@TABLES.register(name)`.
"""

from nas_env.tables.base import TABLES, Table, TableTask

__all__ = ["TABLES", "Table", "TableTask"]
