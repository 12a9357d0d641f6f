"""One file for each sub-command of `nas-env`."""
