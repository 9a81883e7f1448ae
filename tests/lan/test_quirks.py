"""A LAN of twelve cameras, each rude in another way, default settings, the right login: all are online soon.

Each camera counts its own failed logins, as the rudest firmware does (:mod:`tests.peers.rude`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence

import pytest

from tests.lan.lab import REASON, Host, Lab, python
from tests.lan.site import LOGIN, Site, cid
from tests.peers.rude.camera import Camera
from tests.peers.rude.kinds import KINDS, DigestFaced, Endless, Redirecting
from tests.peers.rude.others import OTHERS, Ageing
from tests.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]
#: Who asks for what he does not take, and whose nonce is used up unsaid: that is learnt by one failure.
UNAVOIDABLE = (DigestFaced, Endless, Redirecting, Ageing)
SECONDS = 60.0


def rude(lab: Lab, number: int, kind: str) -> Host:
    host = lab.host(kind.lower(), f"10.77.0.{20 + number}", f"02:00:00:00:0a:{number:02x}")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": LOGIN}
    host.start(*python("-m", "tests.peers.rude", kind, host.address, host.mac), environment=environment)
    return host


@pytest.mark.parametrize("kinds", [KINDS, OTHERS], ids=["kinds", "siblings"])
def test_twelve_rude_cameras(lab: Lab, kinds: Sequence[type[Camera]]) -> None:
    """Online within a minute, none said to refuse the login or to be in trouble, no failed login that is avoidable."""
    hosts = {kind: rude(lab, number, kind.__name__) for number, kind in enumerate(kinds)}
    for host in hosts.values():
        host.processes[0].wait_for("ready", 60)
    site = Site(lab)
    daemon = site.daemon(CAMERA_CREDENTIALS=LOGIN)
    topics = {kind: f"camera/status/{cid(host.mac)}" for kind, host in hosts.items()}

    def not_online() -> list[str]:
        said = {kind.__name__: [heard.json for heard in site.listener.on(topic)] for kind, topic in topics.items()}
        return [
            f"{name}: {[(one['status'], one['reason']) for one in its]}"
            for name, its in said.items()
            if not any(one["status"] == "online" for one in its)
        ]

    wait_until(lambda: not not_online(), SECONDS, lambda: "\n".join(["", *not_online(), daemon.text()]), interval=0.5)
    time.sleep(5)  # nothing that comes at once after it spoils it
    faults = []
    for kind, host in hosts.items():
        statuses = [heard.json for heard in site.listener.on(topics[kind])]
        said = {one["status"] for one in statuses}
        streams = [one for one in statuses[-1]["camera"]["streams"] if one["validated"]]
        if [(one["codec"], one["width"]) for one in streams] != [("H264", 640)]:
            faults.append(f"{kind.__name__} plays {statuses[-1]['camera']['streams']}")
        failed = [line for line in host.processes[0].lines() if line.startswith("failed")]
        if said != {"online"}:
            faults.append(f"{kind.__name__} was said to be {said}")
        if len(failed) > (kind in UNAVOIDABLE):
            faults.append(f"{kind.__name__} counts {failed}")
    assert not faults, "\n".join([*faults, daemon.text()])
    assert "refused the login" not in daemon.text(), daemon.text()
