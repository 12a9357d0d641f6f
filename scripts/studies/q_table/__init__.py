"""The study behind docs/q-table.md."""
