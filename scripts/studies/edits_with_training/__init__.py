"""The study behind docs/edits-with-training.md."""
