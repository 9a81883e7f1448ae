"""A network and ports go in; who accepts a connection comes out: a pool of 8 threads with 0.2 s each.

python benchmarks/discovery_peers/pool.py 10.78.0.0/24 554
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network


def is_open(target: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(target, 0.2):
            return True
    except OSError:
        return False


targets = [(str(address), int(port)) for port in sys.argv[2].split(",") for address in ip_network(sys.argv[1]).hosts()]
with ThreadPoolExecutor(8) as pool:
    for (address, port), opened in zip(targets, pool.map(is_open, targets), strict=True):
        if opened:
            print(address, port)
