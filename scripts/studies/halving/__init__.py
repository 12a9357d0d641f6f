"""The study behind docs/halving.md."""
