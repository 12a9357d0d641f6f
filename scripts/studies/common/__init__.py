"""What scripts that run an experiment and write a page about it share."""
