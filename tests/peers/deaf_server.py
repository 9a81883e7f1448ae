"""A server that takes connections and never says a word: python deaf_server.py ADDRESS PORT."""

import socket
import sys
import time

with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print("ready", flush=True)
    held = []
    while len(held) < 1000:
        held.append(server.accept())
    time.sleep(60)
