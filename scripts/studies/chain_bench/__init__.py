"""The study behind docs/chain-bench.md."""
