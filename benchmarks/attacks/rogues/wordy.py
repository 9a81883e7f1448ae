"""Devices that say as much as the parsers take: 256 profiles, names and URIs without end.

Settings: ``cameras`` (list of ``address`` and ``mac``), ``profiles``, ``name_length``, ``uri_length``.
"""

from __future__ import annotations

import asyncio

from benchmarks.attacks.rogues.device import Device, serve, settings


class Wordy(Device):
    per_source = 256

    def source_of(self, token: str) -> str:
        return f"source{int(token[1:]) // self.per_source}"


def main() -> None:
    given = settings()
    devices = []
    for number, one in enumerate(given["cameras"]):
        address = one["address"]
        uri = f"rtsp://{address}:554/" + "u" * given["uri_length"]
        profiles = [(f"p{n}", f"{n} ".ljust(given["name_length"], "n"), f"{uri}{n}") for n in range(given["profiles"])]
        name = f"Wordy {number} ".ljust(given["name_length"], "w")
        devices.append(
            Wordy(
                address, mac=one["mac"], name=name, manufacturer=name, profiles=profiles, snapshot=f"http://{address}/"
            )
        )
    asyncio.run(serve(devices, hello_every=10.0, answers_probes=False, quiet=True))


if __name__ == "__main__":
    main()
