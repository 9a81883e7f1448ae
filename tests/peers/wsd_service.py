"""A foreign WS-Discovery service: the WSDiscovery package, publishing a camera at one XAddr.

python wsd_service.py XADDR [EPR]
"""

import sys
import time

from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing


def main() -> None:
    service = ThreadedWSPublishing()
    service.start()
    service.publishService(
        types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
        scopes=[Scope("onvif://www.onvif.org/name/Foreign"), Scope("onvif://www.onvif.org/hardware/WSD1")],
        xAddrs=[sys.argv[1]],
    )
    print("ready", flush=True)
    while True:
        time.sleep(60)


main()
