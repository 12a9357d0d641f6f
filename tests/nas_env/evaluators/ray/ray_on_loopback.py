"""`ray start` with 127.0.0.1 as the machine's address.

Ray replaces 127.0.0.1 by the machine's address in the network, listens on every interface then, and
has a switch against it for a head only.
"""

from ray._private import services

services.get_node_ip_address = lambda address=None: "127.0.0.1"

from ray.scripts.scripts import main  # noqa: E402

if __name__ == "__main__":
    main()
