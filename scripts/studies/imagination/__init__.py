"""The parts of `study_imagination.py`: which runs answer which question, and their page."""
