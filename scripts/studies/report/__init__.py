"""The study behind docs/report.md."""
