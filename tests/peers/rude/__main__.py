"""A kind, an address and a MAC go in; a rude camera comes out, until it is ended. Its login is in SIMULATOR_LOGIN.

python -m tests.peers.rude KIND ADDRESS MAC
"""

from __future__ import annotations

import asyncio
import os
import sys

from tests.peers.rude.kinds import KINDS
from tests.peers.rude.others import OTHERS


async def main(kind: str, address: str, mac: str) -> None:
    made = next(one for one in (*KINDS, *OTHERS) if one.__name__ == kind)
    await made(address, mac, os.environ["SIMULATOR_LOGIN"]).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
