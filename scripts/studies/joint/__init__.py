"""The study behind docs/joint.md."""
