"""What `scripts/simulate_search.py` is made of: a cluster, searches, figures and pictures."""
