"""Two sites with a broker each, joined by a bridge: cut apart and healed."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.lan.lab import REASON, Lab
from tests.lan.site import PORT, cid, listen, run_broker, simulated
from tests.lan.test_nodes import node
from tests.listener import Listener
from tests.processes import wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.alone,  # it measures seconds
]

MAC = "02:00:00:00:00:21"
SITES = {"north": "10.77.0.1", "south": "10.77.0.2"}


def broker(lab: Lab, name: str, bridge: str = "") -> Listener:
    """A broker on the host of a site, and what is heard there."""
    host = next(one for one in lab.hosts if one.name == name)
    run_broker(host, bridge)
    return listen(host)


def test_split_and_healed(lab: Lab) -> None:
    """A site's broker passes its states on. One voice, each its own while they are apart, and one again."""
    simulated(lab, "sim21", "10.77.0.21", MAC, "--auth", "none").processes[0].wait_for("camera", 20)
    for number, (name, address) in enumerate(SITES.items(), 1):
        lab.host(name, address, f"02:00:00:00:01:{number:02d}")
    bridge = f"connection joint\naddress {SITES['north']}:{PORT}\nkeepalive_interval 5\nrestart_timeout 1\n"
    bridge += (
        "topic system/camera_detector/# both 1\ntopic system/camera_detector_health/# both 1\ntopic camera/# out 1\n"
    )
    heard = {"north": broker(lab, "north"), "south": broker(lab, "south", bridge)}
    status = f"camera/status/{cid(MAC)}"

    def voices() -> dict[str, str]:
        return {
            site: listener.on(status)[-1].json["node_id"] for site, listener in heard.items() if listener.on(status)
        }

    def bidders(site: str) -> list[str]:
        """The nodes with a bid in what stands on the broker of a site."""
        documents = {name: heard[site].on(f"system/camera_detector/{name}/node") for name in SITES}
        return [name for name, said in documents.items() if said and len(said[-1].json["claims"].get(cid(MAC), ())) > 1]

    hosts = {one.name: one for one in lab.hosts}
    node(lab, hosts["north"], "north", "127.0.0.1")
    wait_until(lambda: voices() == {"north": "north"}, 40, lambda: f"north speaks: {voices()}")
    node(lab, hosts["south"], "south", "127.0.0.1")
    known = "system/camera_detector/south/node"
    wait_until(
        lambda: heard["north"].on(known) and cid(MAC) in heard["north"].on(known)[-1].json["claims"],
        40,
        "south knows the camera, and north hears of it",
    )
    assert voices() == {"north": "north"}, "who comes later takes nothing"

    # The two brokers do not reach each other any more; both sites reach the camera.
    hosts["south"].run("nft", "add", "table", "ip", "cut")
    hosts["south"].run("nft", "add", "chain", "ip", "cut", "in", "{ type filter hook input priority 0; }")
    hosts["south"].run("nft", "add", "rule", "ip", "cut", "in", "ip", "saddr", SITES["north"], "drop")
    at = time.monotonic()
    wait_until(lambda: voices() == {"north": "north", "south": "south"}, 20, lambda: f"one each: {voices()}")
    print(f"cut: south speaks on its side after {time.monotonic() - at:.1f} s")
    time.sleep(12.0)  # mosquitto looks for silent clients every six seconds: by then both have given the bridge up

    hosts["south"].run("nft", "delete", "table", "ip", "cut")
    at = time.monotonic()
    wait_until(
        lambda: len(bidders("north")) == 1 and bidders("north") == bidders("south"), 30, "one bid on both brokers"
    )
    (owner,) = bidders("north")
    wait_until(lambda: voices()["north"] == owner, 10, lambda: f"the voice of {owner}: {voices()}")
    print(f"healed: {owner} has it after {time.monotonic() - at:.1f} s")
    time.sleep(3.0)
    assert bidders("north") == bidders("south") == [owner]
    assert voices()["north"] == owner, voices()
