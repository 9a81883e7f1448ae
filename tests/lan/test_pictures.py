"""Pictures in the whole daemon, on a LAN of namespaces: who is taken for frozen, and who is photographed."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, Site, cid, gstreamer, simulated
from tests.processes import wait_until
from twisted_detector.inspection.pictures.decoder import available

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def test_the_frozen_one_is_told_from_the_others(lab: Lab) -> None:
    """One of four cameras shows the same picture for ever: it alone is said to be frozen; all are photographed."""
    gst = gstreamer(lab, "gst", "10.77.0.10", "02:00:00:00:00:10", "/stream1")
    live = simulated(lab, "sim1", "10.77.0.21", "02:00:00:00:00:21", "--auth", "digest")
    denied = simulated(lab, "sim2", "10.77.0.22", "02:00:00:00:00:22", "--auth", "digest", "--quirk", "snapshot=denied")
    frozen = simulated(lab, "sim3", "10.77.0.23", "02:00:00:00:00:23", "--auth", "none", "--quirk", "frozen")
    for host in (gst, live, denied, frozen):
        host.processes[0].wait_for("ready" if host is gst else "camera", 20)
    site = Site(lab)
    file, settings = lab.directory / "events.jsonl", lab.directory / "camdetect.toml"
    settings.write_text(f'[plugins.jsonl]\npath = "{file}"\n', "utf-8")
    # The simulator's clip of four keyframes, one a second, comes again every 4 s. A picture is the next keyframe after
    # the interval: with an interval of 3 s each fourth second, always the same; with 4 s each fifth.
    daemon = site.daemon(
        CAMERA_CREDENTIALS=LOGIN, HEALTH_CHECK_INTERVAL="1", FROZEN_AFTER="15", SNAPSHOT_INTERVAL="4",
        CAMDETECT_CONFIG=str(settings),
    )  # fmt: skip
    for host in (gst, live, denied, frozen):
        site.online(host.mac, 30)
    told = site.listener.wait(
        f"camera/status/{cid(frozen.mac)}", lambda heard: heard.json["status"] == "stream_error", 60
    ).json
    assert told["reason"] == "frozen"

    def photographed() -> set[str]:
        events = [json.loads(line) for line in file.read_text("utf-8").split("\n")[:-1]]
        return {event["camera"]["id"] for event in events if event["event"] == "PictureTaken"}

    wanted = {cid(host.mac) for host in ((live, frozen, gst, denied) if available() else (live, frozen))}
    wait_until(lambda: wanted <= photographed(), 30, lambda: f"pictures, not only {photographed()}", interval=0.2)
    for host in (gst, live, denied):
        said = [heard.json for heard in site.listener.on(f"camera/status/{cid(host.mac)}")]
        statuses = [(one["status"], one.get("reason")) for one in said]
        assert not [one for one in statuses if one[0] == "stream_error"], (host.mac, statuses)
    assert "locked" not in daemon.text()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(10) == 0
    kept = list((site.state / "pictures").iterdir())
    assert wanted <= {path.name.partition(".")[0] for path in kept}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    everything = daemon.text() + "".join(heard.payload for heard in site.listener.heard())
    assert LOGIN.partition(":")[2] not in everything
