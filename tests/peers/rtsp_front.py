"""A front before an RTSP server on this host, which makes it rude. Runs until it is ended.

python rtsp_front.py any ADDRESS PORT UPSTREAM_PORT PATH      whatever path is asked for, it is PATH
python rtsp_front.py tls ADDRESS PORT UPSTREAM_PORT PEM       TLS only; PEM has the certificate and its key
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys

_LINE = re.compile(rb"^([A-Z_]+ rtsp://[^/ ]+)(/\S*)? (RTSP/1\.0)\r$")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes) -> None:
    """Pass on what comes; with ``path`` it is lines of requests, in which every other path becomes that one."""
    try:
        while data := await (reader.readline() if path else reader.read(65_536)):
            found = _LINE.match(data.rstrip(b"\n")) if path else None
            if found is not None and not (found[2] or b"").startswith(path):
                data = b"%s%s %s\r\n" % (found[1], path, found[3])
            writer.write(data)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(kind: str, address: str, port: str, upstream: str, what: str) -> None:
    path = what.encode() if kind == "any" else b""
    context = None
    if kind == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(what)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(address, int(upstream))
        await asyncio.gather(pump(reader, back, path), pump(there, writer, b""))

    await asyncio.start_server(serve, address, int(port), ssl=context)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
