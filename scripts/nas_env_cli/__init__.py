"""The command `nas-env`, and the applications behind it: search, benchmark, report."""
