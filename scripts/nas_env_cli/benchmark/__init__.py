"""Benchmarks: agents x environments x seeds, one tidy results file, and pages generated from it."""

from nas_env.extras import require

require("Benchmarks need", "benchmark")  # fail now, not hours later when the page needs rliable
