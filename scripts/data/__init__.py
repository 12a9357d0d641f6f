"""Programs that make the files in nas_env/data."""
