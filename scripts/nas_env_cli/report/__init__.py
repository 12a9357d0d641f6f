"""The report of searches as one HTML page: its data (`data`), its charts, and the page."""
