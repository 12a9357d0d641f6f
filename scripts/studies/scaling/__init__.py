"""The study behind docs/scaling.md."""
