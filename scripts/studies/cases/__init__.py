"""The parts of scripts/cases.py."""
