"""The study behind docs/spaces.md."""
