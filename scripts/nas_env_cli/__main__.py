"""Let `python -m nas_env_cli` be the command `nas-env`."""

import sys

from nas_env_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
