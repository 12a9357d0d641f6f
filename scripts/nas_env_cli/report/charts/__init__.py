"""The charts of a report, one module each; each returns a card with the chart or a reason."""
