"""The report of searches as one HTML page: what is read (`data`), its charts, and the page."""
