"""The study behind docs/walkthrough.md."""
