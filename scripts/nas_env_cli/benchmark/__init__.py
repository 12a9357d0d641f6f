"""A benchmark: agents x environments x seeds, one tidy file of results, and pages made from it."""

from nas_env.extras import require

require("Benchmarks need", "benchmark")  # now: rliable is imported for the page, hours later
