"""A search: one agent on one environment until its limit, its record and its summary."""
