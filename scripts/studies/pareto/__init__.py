"""The study behind docs/pareto.md."""
