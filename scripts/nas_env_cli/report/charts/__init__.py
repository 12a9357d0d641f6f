"""The charts of a report, one file each; every one returns a card, or says what is missing."""
