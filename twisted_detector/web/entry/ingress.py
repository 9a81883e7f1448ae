"""Recognition of Home Assistant's ingress: requests of people who are signed in there already.

The Supervisor's proxy passes the requests of a signed-in browser on to an add-on. It always comes from one address of
the network of add-ons, which is internal to the machine, and names the path under which the browser sees the page
(developers.home-assistant.io/docs/add-ons/presentation, "Ingress": "Only connections from 172.30.32.2 must be
allowed").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PROXY = "172.30.32.2"
#: The machine itself in that network, where an add-on on the machine's own network is asked.
GATEWAY = "172.30.32.1"
HEADER = "x-ingress-path"
_PATH = re.compile(r"/[A-Za-z0-9/_.-]{1,255}")


def is_ingress(peer: str, headers: Mapping[str, str]) -> bool:
    """Whether the Supervisor's proxy sent a request for a browser; its own, of the watchdog, name no path.

    :param headers: names in lower case.
    """
    return peer.removeprefix("::ffff:") == PROXY and _PATH.fullmatch(headers.get(HEADER, "")) is not None
