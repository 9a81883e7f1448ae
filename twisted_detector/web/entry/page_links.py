"""Directory of the URLs by which browsers reach the page, with links that sign in once.

On loopback the page is for browsers on this machine, and what is told is how to change that.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted_detector.model import Interface
from twisted_detector.model.addresses import host_for_url
from twisted_detector.web.entry.ingress import GATEWAY
from twisted_detector.web.entry.login_codes import LIFETIME, LoginCodes

#: Bridges and cables to containers and virtual machines: a laptop is not there, so their addresses come last.
_VIRTUAL = re.compile(r"docker|br-|veth|virbr|vnet|cni|flannel|podman|lxc|lxd|hassio")
#: URLs in a line of the log; `camdetect page` has all.
_IN_LOG = 3


class PageLinks:
    """URLs of the page on this machine's addresses.

    :param listen: address and port.
    :param interfaces: of this machine, as they are now.
    :param codes: None where no token is needed.
    :param token_file: the file that has the token; None where WEB_TOKEN is set, or none is needed.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        interfaces: Callable[[], Awaitable[Sequence[Interface]]],
        *,
        codes: LoginCodes | None,
        token_file: Path | None,
    ) -> None:
        self._host, self._port = listen
        self._interfaces = interfaces
        self._codes = codes
        self._token_file = token_file
        self._problem = ""

    def record_problem(self, text: str) -> None:
        """There is no page, for this reason."""
        self._problem = text

    @property
    def own_url(self) -> str:
        """With the address that is listened on, whatever it is."""
        return self._url(self._host)

    async def urls(self) -> list[str]:
        """For a browser on another machine, the likeliest first; on loopback, for one on this machine."""
        address = ip_address(self._host)
        if not address.is_unspecified:
            return [self.own_url]
        found = [
            one
            for one in await self._interfaces()
            if not one.loopback
            and not ip_address(one.address).is_link_local
            and (address.version == 6 or ":" not in one.address)
        ]
        found.sort(key=lambda one: (":" in one.address, _VIRTUAL.match(one.name) is not None))
        return list(dict.fromkeys(self._url(one.address) for one in found))

    async def announcement(self) -> str:
        """One line for the log."""
        urls = await self.urls()
        if ip_address(self._host).is_loopback:
            return f"The web page is at {self.own_url} for browsers on this machine only. {self._from_elsewhere()}"
        if self._host == GATEWAY:  # no browser comes there but through Home Assistant
            return "The web page is in Home Assistant: Open web UI, or Show in sidebar, on the page of the add-on"
        if not urls:
            return f"The web page is on port {self._port} of every address of this machine, which has none yet"
        shown = ", ".join(urls[:_IN_LOG])
        more = f" and {len(urls) - _IN_LOG} more addresses" if len(urls) > _IN_LOG else ""
        link = self._link(urls[0])
        once = f". This link signs in once, within {LIFETIME // 60} minutes: {link}" if link else ""
        return f"The web page is at {shown}{more}{once}"

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of the request ``page``: a fresh link each time."""
        urls = await self.urls()
        link = self._link(urls[0] if urls else self.own_url)
        return {
            "problem": self._problem,
            "urls": urls,
            "link": link,
            "link_minutes": LIFETIME // 60 if link else 0,
            "token_file": str(self._token_file) if self._token_file else "",
            "from_elsewhere": self._from_elsewhere() if ip_address(self._host).is_loopback else "",
        }

    def _url(self, host: str) -> str:
        return f"http://{host_for_url(host)}:{self._port}/"

    def _link(self, url: str) -> str:
        # What stands after "#" is sent to no server: not to a proxy, not in a Referer.
        return f"{url}#login={self._codes.issue()}" if self._codes is not None and not self._problem else ""

    def _from_elsewhere(self) -> str:
        anywhere = "[::]" if ":" in self._host else "0.0.0.0"
        return (
            f"From a laptop: set WEB_LISTEN={anywhere}:{self._port}, or run ssh -L {self._port}:"
            f"{host_for_url(self._host)}:{self._port} THIS_MACHINE there and open http://localhost:{self._port}/"
        )
