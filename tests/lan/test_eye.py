"""An eye on a link that its node cannot see, with a router between: what it reports, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, PORT, Site, cid
from tests.processes import ROOT, Process, wait_until
from twisted_detector.operations.eyes.quota import NODE_BURST
from twisted_detector.wire.eyes.envelope import MAX_MESSAGE, Envelope, EnvelopeKind
from twisted_detector.wire.eyes.topics import EyeTopics

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]

BARN = EyeTopics("", "barn")
#: MiB of memory of its own (RssAnon) that an eye may have; docs/benchmarks.md has what it has.
MOST_MIB = 30.0
#: Publishes each line of a file, in hexadecimal digits, as fast as the broker takes it.
FLOOD = """
import sys
import paho.mqtt.client as paho
client = paho.Client(paho.CallbackAPIVersion.VERSION2)
client.max_queued_messages_set(0)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
sent = [client.publish(sys.argv[2], bytes.fromhex(line), 1) for line in open(sys.argv[3])]
for one in sent:
    one.wait_for_publish(30)
client.disconnect()
"""


class OpenSite(Site):
    """One whose broker can be reached from other hosts."""

    def start_broker(self) -> Process:
        # It is flooded, and the node and our listener are to get all of it.
        settings = self.lab.directory / "mosquitto.conf"
        settings.write_text(f"listener {PORT} 0.0.0.0\nallow_anonymous true\nmax_queued_messages 0\n", "ascii")
        return self.host.start("mosquitto", "-c", str(settings))


class Barn:
    """A site, a router, and behind it a link with an eye, whose key the node has."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        router = lab.host("router", "10.77.0.254", "02:00:00:00:00:fe")
        lab.another_bridge("br1", router, "10.78.0.1")
        self.site = OpenSite(lab)
        self.site.host.run("ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.254")
        self.eye_host = self.host("eye", "10.78.0.2", "02:00:00:00:78:02")
        self.key_file = lab.directory / "barn.key"
        self.eye_command("--new-key", str(self.key_file)).wait(20)
        self.key = bytes.fromhex(self.key_file.read_text("ascii").strip().partition(":")[2])

    def host(self, name: str, address: str, mac: str) -> Host:
        """A host on the link behind the router."""
        host = self.lab.plugged(name, address, mac, bridge="br1")
        host.run("ip", "link", "set", "eth0", "address", mac)
        for link in ("lo", "eth0"):
            host.run("ip", "link", "set", link, "up")
        host.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        host.run("ip", "route", "add", "default", "via", "10.78.0.1")
        return host

    def camera(self, address: str, mac: str, *options: str) -> Host:
        """A simulated camera there."""
        host = self.host(f"cam{address.rpartition('.')[2]}", address, mac)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": LOGIN}
        command = python("-m", "twisted_detector.cli", "simulate", "--bind", address, "--rtsp-port", "554", *options)
        host.start(*command, environment=environment).wait_for("camera", 20)
        return host

    def eye_command(self, *options: str) -> Process:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.lab.directory)}
        command = python("-m", "twisted_detector.cli", "eye", *options)
        return self.eye_host.start(*command, environment=environment)

    def start_eye(self) -> Process:
        eye = self.eye_command("--broker", f"10.77.0.1:{PORT}", "--key-file", str(self.key_file))
        eye.wait_for("connected to ", 20)
        return eye

    def start_node(self, **settings: str) -> Process:
        return self.site.daemon(EYE_KEYS_FILE=str(self.key_file), HEALTH_REPORT_INTERVAL="1", **settings)

    def at(self, address: str, **expected: Any) -> dict[str, Any]:
        """The latest status document of the camera at an address, once it has these values."""
        found: dict[str, Any] = {}

        def look() -> bool:
            for heard in self.site.listener.heard():
                if heard.topic.startswith("camera/status/") and heard.payload:
                    document = heard.json
                    if document["camera"]["ip"] == address:
                        found.clear()
                        found.update(document)
            return bool(found) and all(found[name] == value for name, value in expected.items())

        wait_until(look, 40, lambda: f"{address} {expected}; last: {found}", interval=0.2)
        return found

    def publish(self, topic: str, payload: bytes, *more: str) -> None:
        """As anybody on the broker may."""
        file = self.lab.directory / "payload"
        file.write_bytes(payload)
        self.site.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", topic, "-f", str(file), *more)

    def counts(self, **expected: int) -> dict[str, int]:
        """What the node counted of the eye, once it has at least these."""
        found: dict[str, int] = {}

        def accept(health: Any) -> bool:
            found.clear()
            found.update(health.get("eyes", {}).get("barn", {}).get("counts", {}))
            return all(found.get(name, 0) >= count for name, count in expected.items())

        self.site.health(accept, 30)
        return found


def memory_of(pid: int) -> dict[str, float]:
    """MiB by name, of the interpreter that runs below a process."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return {
        line.partition(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "RssAnon"))
    }


def test_a_link_that_only_the_eye_sees(lab: Lab) -> None:
    """A camera is known by the eye's word, and played; one that wants a login is given none before a person says so.

    The eye is as small as was promised, has loaded nothing that asks cameras, and is heard of in the health document.
    """
    barn = Barn(lab)
    barn.camera("10.78.0.21", "02:00:00:00:78:21")
    barn.camera("10.78.0.22", "02:00:00:00:78:22", "--auth", "digest", "--seed", "two")
    eye = barn.start_eye()
    node = barn.start_node(CAMERA_CREDENTIALS=LOGIN)
    camera = barn.at("10.78.0.21", status="online")["camera"]
    assert camera["mac"] is None, "a MAC that another machine saw is hearsay"
    assert cid("02:00:00:00:78:21") in json.dumps(camera["evidence"]).replace(":", ""), camera["evidence"]
    refused = barn.at("10.78.0.22", status="auth_required")
    assert (refused["camera"]["mac"], refused["camera"]["adopted"]) == (None, "no")
    assert "its MAC is not seen from here" in refused["reason"]
    eye.wait_for("A node listens", 10)
    health = barn.site.health(lambda health: health["eyes"]["barn"]["state"] == "there")
    assert health["eyes"]["barn"]["own_counts"], health["eyes"]
    memory = memory_of(eye.pid)
    print(f"eye: {memory}")
    assert memory["RssAnon"] <= MOST_MIB, memory
    loaded = Path(f"/proc/{eye.pid}/maps").read_text("utf-8")
    assert not [one for one in ("_sqlite3", "cryptography", "libav") if one in loaded]
    barn.site.command("adopt", camera_id=refused["camera"]["id"])
    barn.at("10.78.0.22", status="online")
    for process in (eye, node):
        assert "Traceback" not in process.text()
    eye.signal(15)
    assert eye.wait(20) == 0
    barn.site.listener.wait(BARN.lwt, lambda heard: heard.json["status"] == "offline")


def test_what_is_refused(lab: Lab) -> None:
    """Forged, replayed, stale and oversized messages, and the node's own link: refused and counted."""
    barn = Barn(lab)
    node = barn.start_node(SCAN_NETWORKS="interfaces")
    invitation = barn.site.listener.wait(BARN.invitation).payload.encode()
    opened = Envelope.open(barn.key, BARN.invitation, invitation)
    assert opened is not None
    assert opened.kind is EnvelopeKind.INVITATION

    def report(counter: int, address: str, *, key: bytes = barn.key, session: str = opened.session) -> bytes:
        body = json.dumps({"k": "seen", "m": "wsdiscovery", "a": address, "epr": f"urn:uuid:{address}"}).encode()
        return Envelope(EnvelopeKind.REPORT, session, "ab" * 16, counter, body).seal(key, BARN.report)

    barn.publish(BARN.report, report(5, "10.78.0.66"))
    barn.counts(accepted=1)
    barn.publish(BARN.report, report(5, "10.78.0.66"))
    barn.publish(BARN.report, report(4, "10.78.0.66"))
    barn.counts(replayed=2)
    barn.publish(BARN.report, report(6, "10.78.0.66", key=b"x" * 32))
    barn.publish(BARN.report, report(6, "10.78.0.66").replace(b"10.78.0.66", b"10.78.0.67"))
    barn.counts(forged=2)
    barn.publish(BARN.report, report(7, "10.78.0.66", session="cd" * 16))
    barn.publish(BARN.report, b"x" * (MAX_MESSAGE + 1))
    barn.publish(BARN.report, b"nonsense")
    barn.counts(stale=1, oversized=1, malformed=1)
    barn.publish(BARN.report, report(8, "10.77.0.254"))
    barn.site.health(lambda health: health["discovery"]["methods"]["eyes"].get("own_link") == 1)
    accepted = barn.counts()["accepted"]
    count = int(NODE_BURST) + 600
    flood = lab.directory / "flood"
    flood.write_text("".join(report(10 + number, "10.78.0.66").hex() + "\n" for number in range(count)), "ascii")
    barn.site.host.run(sys.executable, "-c", FLOOD, str(PORT), BARN.report, str(flood))
    counts = barn.counts(accepted=int(NODE_BURST) - 100, flooded=1)
    barn.site.health(lambda health: sum(health["eyes"]["barn"]["counts"].values()) >= count)
    counts = barn.counts()
    assert accepted + count == counts["accepted"] + counts["flooded"], counts
    assert counts["flooded"] > 100, counts
    assert barn.site.health()["stats"]["devices"] <= 1
    assert "Traceback" not in node.text()


def test_restarts(lab: Lab) -> None:
    """After a restart of the node, and of its own, the eye tells it all again; what was recorded is refused."""
    barn = Barn(lab)
    barn.camera("10.78.0.21", "02:00:00:00:78:21")
    eye = barn.start_eye()
    node = barn.start_node()
    barn.at("10.78.0.21", status="online")
    recorded = [heard.payload for heard in barn.site.listener.on(BARN.report)]
    assert recorded
    node.end()
    node = barn.start_node()
    wait_until(lambda: eye.text().count("A node listens") == 2, 30, eye.text)
    barn.counts(accepted=2)
    for payload in recorded[:3]:
        barn.publish(BARN.report, payload.encode())
    barn.counts(stale=min(3, len(recorded)))
    eye.kill_group()
    eye.wait()
    accepted = barn.counts()["accepted"]
    again = barn.start_eye()
    again.wait_for("A node listens", 10)
    barn.counts(accepted=accepted + 2)
    before = barn.counts().get("replayed", 0)
    sent = [heard.payload for heard in barn.site.listener.on(BARN.report)]
    barn.publish(BARN.report, sent[-1].encode())
    barn.counts(replayed=before + 1)
    for process in (node, again):
        assert "Traceback" not in process.text()
