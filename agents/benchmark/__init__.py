"""A benchmark: agents x environments x seeds, one tidy file of results, and pages made from it."""
