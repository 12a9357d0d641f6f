"""The study behind docs/compression.md."""
