"""The study behind docs/imagination.md."""
