"""Run the command `nas-env` with `python -m nas_env`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("nas_env_cli", run_name="__main__")
