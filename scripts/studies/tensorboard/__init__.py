"""The study behind docs/tensorboard.md."""
