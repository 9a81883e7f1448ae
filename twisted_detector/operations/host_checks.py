"""Checks of this machine: what hinders the discovery of cameras on it, and what to do about it.

Nothing here needs the daemon to run. Sources: capabilities(7), arp(7) (gc_thresh), proc(5).
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from twisted_detector.model import Interface

OK, WARN, FAIL = "OK", "WARN", "FAIL"

#: capabilities(7): bit numbers of linux/capability.h.
_CAP_NET_RAW = 13
#: linux/if.h.
_IFF_UP, _IFF_LOOPBACK, _IFF_MULTICAST = 0x1, 0x8, 0x1000
#: Descriptors that a sweep with 256 half-open connections, 50 inspections and the rest need, with room to spare.
_ENOUGH_DESCRIPTORS = 1024
#: A /24 and some; the kernel begins to throw entries away at gc_thresh2 and takes no more at gc_thresh3.
_SMALL_TABLE = 1024
_BRIDGES = (ip_network("172.17.0.0/16"),)
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    :ivar level: ``OK``, ``WARN`` or ``FAIL``.
    :ivar text: what was found; ``advice``: what to do about it, or "".
    """

    name: str
    level: str
    text: str
    advice: str = ""


#: Text of a file, or "" when it cannot be read.
ReadText = Callable[[str], str]


def check_machine(interfaces: Sequence[Interface]) -> Iterator[Finding]:
    """All checks of this machine.

    :param interfaces: those of this machine that are up.
    """
    yield from check_interfaces(interfaces)
    yield check_container([one.address for one in interfaces])
    yield check_neighbour_table()
    yield check_descriptors()
    yield check_capabilities()


def read_text(path: str) -> str:
    """A file of /proc or /sys; "" when it is not there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _exists(path: str) -> bool:
    return Path(path).exists()


def bridge_reason(addresses: Sequence[str], *, exists: Callable[[str], bool] = _exists) -> str:
    """Why this machine is taken for a container on a bridge network of its own, or "".

    :param addresses: those of this machine. A container on the host's network has the host's, and is no bridge.
    """
    marker = next((path for path in _CONTAINER_FILES if exists(path)), "")
    outside = [text for text in addresses if not ip_address(text).is_loopback]
    bridged = [text for text in outside if any(ip_address(text) in network for network in _BRIDGES)]
    if marker and bridged and all(text in bridged or ip_address(text).is_link_local for text in outside):
        return f"{marker} exists and the only address is {bridged[0]}"
    return ""


def check_container(addresses: Sequence[str], *, exists: Callable[[str], bool] = _exists) -> Finding:
    """Whether this is a container that its LAN does not reach."""
    why = bridge_reason(addresses, exists=exists)
    if not why:
        return Finding("container", OK, "not a container on a bridge network")
    return Finding(
        "container",
        FAIL,
        f"a container on a bridge network: {why}; neither multicast nor ARP of your LAN reach it",
        "run it with --network host (Docker Compose: network_mode: host)",
    )


def check_interfaces(interfaces: Sequence[Interface]) -> Iterator[Finding]:
    """Each interface, and whether multicast works on it."""
    usable = [one for one in interfaces if not one.loopback]
    if not usable:
        yield Finding("interfaces", FAIL, "no interface but loopback is up", "connect this machine to the network")
    for name in dict.fromkeys(one.name for one in usable):
        mine = [one for one in usable if one.name == name]
        addresses = ", ".join(f"{one.address}/{one.prefix_length}" for one in mine)
        if all(one.multicast for one in mine):
            yield Finding(f"interface {name}", OK, f"up, multicast, {addresses}")
        else:
            yield Finding(
                f"interface {name}",
                WARN,
                f"up, but without multicast (a tunnel?), {addresses}: WS-Discovery is not heard there",
                "name the networks behind it in SCAN_NETWORKS",
            )


def check_neighbour_table(read: ReadText = read_text) -> Finding:
    """Whether the kernel's table of neighbours has room for the LAN."""
    limits = [read(f"/proc/sys/net/ipv4/neigh/default/gc_thresh{number}").strip() for number in (1, 2, 3)]
    entries = max(0, read("/proc/net/arp").count("\n") - 1)
    if not limits[2].isdigit():
        return Finding("neighbour table", OK, f"{entries} IPv4 entries; the limits are the host's, not seen in here")
    most = int(limits[2])
    text = f"{entries} IPv4 entries, gc_thresh {' '.join(limits)}"
    if entries > most * 0.8:
        return Finding(
            "neighbour table",
            FAIL,
            f"{text}: nearly full, new hosts cannot be reached",
            f"sysctl net.ipv4.neigh.default.gc_thresh3={most * 8} (and gc_thresh2={most * 4})",
        )
    if most < _SMALL_TABLE:
        return Finding("neighbour table", WARN, f"{text}: small", "sysctl net.ipv4.neigh.default.gc_thresh3=8192")
    return Finding("neighbour table", OK, text)


def check_descriptors(limits: tuple[int, int] | None = None) -> Finding:
    """RLIMIT_NOFILE of this process (soft, hard)."""
    soft, hard = limits if limits is not None else resource.getrlimit(resource.RLIMIT_NOFILE)
    text = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    if soft != resource.RLIM_INFINITY and soft < _ENOUGH_DESCRIPTORS:
        more = min(hard, 4096) if hard != resource.RLIM_INFINITY else 4096
        return Finding(
            "open files", WARN, f"at most {text} (hard {hard})", f"ulimit -n {more}, or LimitNOFILE={more} in systemd"
        )
    return Finding("open files", OK, f"at most {text}")


def check_capabilities(read: ReadText = read_text) -> Finding:
    """CAP_NET_RAW of this process."""
    line = next((one for one in read("/proc/self/status").splitlines() if one.startswith("CapEff:")), "")
    try:
        effective = int(line.removeprefix("CapEff:"), 16)
    except ValueError:
        return Finding("capabilities", WARN, "they cannot be read")
    if effective >> _CAP_NET_RAW & 1:
        return Finding("capabilities", OK, "CAP_NET_RAW: DHCP and ARP are overheard")
    return Finding(
        "capabilities",
        OK,
        "no CAP_NET_RAW: DHCP and ARP are not overheard; all else works without",
        "to see moves sooner: AmbientCapabilities=CAP_NET_RAW in systemd, --cap-add NET_RAW in Docker",
    )
