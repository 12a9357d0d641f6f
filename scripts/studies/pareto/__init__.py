"""The parts of scripts/pareto.py: problems, methods, the file of results, pictures and the page."""
