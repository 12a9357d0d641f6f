"""The study behind docs/metaqnn.md."""
