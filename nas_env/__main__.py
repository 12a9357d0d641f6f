"""Let `python -m nas_env` be the command `nas-env`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("nas_env_cli", run_name="__main__")
