"""What is made of a finished search: an export with its model card, and longer training."""
