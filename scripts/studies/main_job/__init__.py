"""The study behind docs/main-job.md."""
