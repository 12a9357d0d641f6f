"""The study behind docs/nb201-protocol.md."""
