"""Attacks on the login: who gets it, in which form, and how often a wrong one is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.attacks.bed import DAEMON, GENUINE, GENUINE_MAC, LOGIN, WRONG, Bed, Rogue, cid
from benchmarks.attacks.figures import Figure, most_in_window
from tests.lan.farm import plant
from tests.lan.lab import Host
from tests.processes import wait_until

#: Seconds within which at most two refused logins may lie (a camera locks accounts at three to seven).
WINDOW = 1800.0
MAX_REFUSED = 2
#: Seconds for which a rogue that nobody lets in is watched; it says Hello every five.
WATCHED = 40.0

#: What a camera may keep open: what needs no login by the specification, and what some leave open beside it.
_ALWAYS = ("GetSystemDateAndTime",)
_OPEN = (
    ("GetServices",),
    ("GetServices", "GetCapabilities"),
    ("GetServices", "GetHostname", "GetScopes"),
    ("GetCapabilities", "GetEndpointReference"),
    ("GetServices", "GetDeviceInformation"),
    ("GetServices", "GetEndpointReference", "GetDeviceInformation", "GetNetworkInterfaces"),
    ("GetServices", "GetEndpointReference", "GetProfiles"),
    ("GetServices", "GetDeviceInformation", "GetProfiles", "GetStreamUri", "GetSnapshotUri"),
    (),
)
_SCHEMES = ("digest", "wsse", "basic", "both")


def wrong_login(checkout: Path, *, seconds: float = 150.0, restart: bool = True) -> Iterator[Figure]:
    """Cameras that answer some questions to everybody, and refuse the login that is configured.

    Each says Hello every five seconds, which asks for another inspection; half-way the daemon is restarted.
    """
    with Bed(checkout) as bed:
        kinds = list(product(_OPEN, _SCHEMES))
        farm = plant(bed.lab, "farm", "10.98.0.0/24", len(kinds), first=100)
        cameras = [
            {"address": one.address, "scheme": scheme, "open": [*_ALWAYS, *opened]}
            for one, (opened, scheme) in zip(farm.cameras, kinds, strict=True)
        ]
        rogue = bed.rogue(farm.host, "fickle", cameras=cameras, hello_every=5.0)
        settings = {
            "SNAPSHOT_INTERVAL": "5",
            "HEALTH_CHECK_INTERVAL": "10",
            "CAMERA_USERNAME": WRONG.partition(":")[0],
            "CAMERA_PASSWORD": WRONG.partition(":")[2],
        }
        daemon = bed.daemon(**settings)
        time.sleep(seconds / 2)
        if restart:
            daemon.end()
            daemon = bed.daemon(**settings)
        time.sleep(seconds / 2)
        refused = rogue.events("refused")
        worst, worst_kind = 0, ""
        for one in cameras:
            count = most_in_window([each["at"] for each in refused if each["camera"] == one["address"]], WINDOW)
            if count > worst:
                worst, worst_kind = count, f"{one['scheme']}, open: {', '.join(one['open'][1:]) or 'nothing'}"
        yield Figure(
            f"a wrong login, {len(kinds)} cameras that keep some operations open (ONVIF, RTSP, pictures)",
            f"most refused logins at one camera in any 30 minutes ({seconds:.0f} s, a Hello each 5 s, one restart)",
            worst,
            MAX_REFUSED,
            remark=worst_kind,
            void="" if refused else "no camera was ever asked with the login",
        )


_ADMIN = "/cgi-bin/userManager.cgi?action=addUser&user.Name=evil&user.Password=evil&user.Group=admin"
_YEAR = 365 * 86_400.0


def newcomers(checkout: Path, *, watched: float = WATCHED, restart: bool = True) -> Iterator[Figure]:
    """Rogues that come after the first run, each wanting the login in its way; Frigate's and go2rtc's files are kept.

    One wants Basic, one takes any Digest, one wants a UsernameToken and has its clock a year ahead, one relays the
    genuine camera's challenge and names a picture that adds an administrator. Each has a stream that works, so that
    nothing but trust is missing.
    """
    with Bed(checkout) as bed:
        genuine = bed.genuine()
        frigate, go2rtc = bed.directory / "frigate.yml", bed.directory / "go2rtc.yaml"
        frigate.write_text("mqtt:\n  enabled: false\ncameras: {}\n")
        go2rtc.write_text("streams: {}\n")
        settings = {
            "FRIGATE_CONFIG_PATH": str(frigate),
            "GO2RTC_CONFIG_PATH": str(go2rtc),
            "SNAPSHOT_INTERVAL": "5",
        }
        daemon = bed.daemon(**settings)
        bed.wait_for_status(GENUINE_MAC)
        bed.first_run_is_over()
        # A genuine camera that gets no login proves nothing about the rogues.
        wait_until(lambda: genuine.events("granted"), 30, "the genuine camera lets the login in")
        rogues: dict[str, Rogue] = {}
        wanted: dict[str, dict[str, Any]] = {
            "clear": {"scheme": "basic"},
            "digest": {"scheme": "digest"},
            "lister": {"scheme": "digest", "open": ["GetProfiles", "GetStreamUri", "GetSnapshotUri"]},
            "token": {"scheme": "token", "clock_ahead": _YEAR},
            "relay": {"victim": GENUINE},
            "rtsp": {"scheme": "basic"},
            "rtsp-digest": {"scheme": "digest"},
        }
        for number, (name, chosen) in enumerate(wanted.items()):
            address, mac = f"10.98.0.{60 + number}", f"02:00:00:00:00:{60 + number}"
            host = bed.plug(f"rogue{number}", address, mac)
            module = {"relay": "relay", "rtsp": "rtsp_door", "rtsp-digest": "rtsp_door"}.get(name, "newcomer")
            stream = "" if module == "rtsp_door" else bed.stream(host)
            facts = {"stream": stream, "snapshot": f"http://{address}{_ADMIN}", **chosen}
            rogues[name] = bed.rogue(host, module, address=address, mac=mac, **facts)
        bed.command(command="rescan")
        void = _not_found(bed, rogues)
        time.sleep(watched / 2)
        if restart:
            daemon.end()
            bed.daemon(**settings)
            bed.first_run_is_over()
        time.sleep(watched / 2)

        title = "newcomer after the first run"
        in_clear = [one for rogue in rogues.values() for one in rogue.logins("clear")]
        yield Figure(f"{title} that wants Basic", "passwords in clear", len(in_clear), 0, void=void.get("clear", ""))
        given = rogues["digest"].logins() + rogues["lister"].logins()
        lost = void.get("digest", "") or void.get("lister", "")
        yield Figure(f"{title} that takes any Digest", "logins given to it", len(given), 0, void=lost)
        over_rtsp = rogues["rtsp"].logins() + rogues["rtsp-digest"].logins()
        lost = void.get("rtsp", "") or void.get("rtsp-digest", "")
        yield Figure(f"{title} that knows RTSP alone", "logins given to it", len(over_rtsp), 0, void=lost)
        tokens = rogues["token"].logins()
        postdated = len([one for one in tokens if one.get("postdated")])
        yield Figure(
            f"{title} that wants a UsernameToken, its clock a year ahead",
            "logins given to it",
            len(tokens),
            0,
            remark=f"{postdated} of them dated more than 15 h ahead" * bool(tokens),
            void=void.get("token", ""),
        )
        relay = rogues["relay"]
        through = [one for one in genuine.events("granted") if one["peer"] == relay.host.address]
        admin = [one for one in through if "action=" in one["target"]]
        yield Figure(
            f"{title} that relays the genuine camera's challenge",
            "logins given to it",
            len(relay.logins()),
            0,
            remark=f"the genuine camera granted it {len(through)} requests, {len(admin)} with an admin's action",
            void=void.get("relay", ""),
        )
        refused = [one["at"] for one in genuine.events("refused") if one["peer"] == DAEMON]
        yield Figure(
            "the genuine camera beside them", "refused logins of ours", most_in_window(refused, WINDOW), MAX_REFUSED
        )
        yield from _in_files(bed, (frigate, go2rtc), rogues["lister"], genuine)


def _not_found(bed: Bed, rogues: Mapping[str, Rogue]) -> dict[str, str]:
    """Which rogues were not published: what they were not given is no evidence."""
    void = {}
    for name, rogue in rogues.items():
        try:
            bed.wait_for_status(rogue.host.mac, seconds=45)
        except AssertionError:
            void[name] = "the rogue was not found"
    return void


def _in_files(bed: Bed, files: Sequence[Path], rogue: Rogue, genuine: Rogue) -> Iterator[Figure]:
    """What stands in Frigate's and go2rtc's files for a rogue that tells its streams, and takes any Digest for more."""

    def lines_of(host: Host) -> list[str]:
        return [line for path in files for line in path.read_text().splitlines() if f"{host.address}:" in line]

    void = ""
    try:
        wait_until(lambda: lines_of(rogue.host), 45, "an entry of the rogue", interval=0.5)
        time.sleep(3)
    except AssertionError:
        void = "the rogue has no entry"
    password = LOGIN.partition(":")[2]
    named = [line for line in lines_of(rogue.host) if "@" in line or password in line]
    kept = [
        line
        for path in bed.directory.rglob("*.env")
        for line in path.read_text().splitlines()
        if cid(rogue.host.mac).upper() in line.upper() and password in line
    ]
    of_genuine = [line for line in lines_of(genuine.host) if "@" in line]
    yield Figure(
        "the same, in Frigate's and go2rtc's files",
        "lines with a login for it",
        len(named) + len(kept),
        0,
        remark=f"{len(lines_of(rogue.host))} lines name it; {len(of_genuine)} of the genuine camera have a login",
        void=void or ("" if of_genuine else "the genuine camera's entry has no login either"),
    )


def first_run(checkout: Path, *, watched: float = WATCHED) -> Iterator[Figure]:
    """Rogues that are there at the first run, and so are adopted: what they are not given even then.

    One names targets with an action, one has its clock a year ahead, one wants the password in clear.
    """
    with Bed(checkout) as bed:
        rogues = {}
        wanted: dict[str, dict[str, Any]] = {
            "deputy": {"scheme": "digest", "snapshot": _ADMIN, "media": "/cgi-bin/magicBox.cgi?action=reboot"},
            "clock": {"scheme": "token", "clock_ahead": _YEAR},
            "clear": {"scheme": "basic"},
        }
        for number, (name, settings) in enumerate(wanted.items()):
            address, mac = f"10.98.0.{70 + number}", f"02:00:00:00:00:{70 + number}"
            host = bed.plug(f"rogue{number}", address, mac)
            chosen = {
                key: f"http://{address}{value}" if key in ("snapshot", "media") else value
                for key, value in settings.items()
            }
            rogues[name] = bed.rogue(host, "newcomer", address=address, mac=mac, stream=bed.stream(host), **chosen)
        bed.daemon(SNAPSHOT_INTERVAL="5")
        void = _not_found(bed, rogues)
        time.sleep(watched)
        title = "rogue that was there at the first run"
        steered = [one for one in rogues["deputy"].logins() if "action=" in str(one["target"])]
        asked = {one["target"] for one in rogues["deputy"].events("asked")}
        yield Figure(
            title,
            "authenticated requests to a target with an action",
            len(steered),
            0,
            remark=", ".join(sorted({str(one["target"])[:40] for one in steered})),
            void=void.get("deputy", "" if rogues["deputy"].logins() or len(asked) > 1 else "it was asked nothing"),
        )
        dated = [one for one in rogues["clock"].logins("token") if one["postdated"]]
        yield Figure(title, "tokens dated more than 15 h ahead", len(dated), 0, void=void.get("clock", ""))
        yield Figure(title, "passwords in clear", len(rogues["clear"].logins("clear")), 0, void=void.get("clear", ""))
