"""The study behind docs/sweep.md."""
