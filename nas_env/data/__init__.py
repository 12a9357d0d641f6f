"""Data sets that the package carries; sources and licences in `README.md` beside this file."""
