"""The study behind README.md."""
