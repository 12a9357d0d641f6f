"""The study behind docs/cases.md."""
