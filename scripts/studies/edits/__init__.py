"""The study behind docs/edits.md."""
