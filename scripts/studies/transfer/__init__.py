"""The study behind docs/transfer.md."""
