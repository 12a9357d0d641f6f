"""A search: one agent on one environment until its limit, its record and its report."""

from nas_env_cli.search.session import SearchResult, run_search

__all__ = ["SearchResult", "run_search"]
