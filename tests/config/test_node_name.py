"""The default of NODE_ID: the host name, with the suffix that STATE_DIR keeps."""

from __future__ import annotations

from tests.config.case import ConfigCase, read
from twisted_detector.config.config import Config
from twisted_detector.config.differences import differences
from twisted_detector.config.node_name import FILE, read_suffix, with_suffix

KEPT = f"/s/{FILE}"


def names(config: Config) -> tuple[str, str, bool]:
    return config.node_id, config.mqtt.client_id, config.lacks_suffix


class NodeNameTests(ConfigCase):
    def test_kept_suffix(self) -> None:
        """With the suffix that is kept the node and its client id are the same at each start, and for each program."""
        self.assertEqual(
            ("raspberrypi-4f2a", "camdetect-raspberrypi-4f2a", False),
            names(read({"STATE_DIR": "/s"}, {KEPT: "4f2a\n"}, hostname="raspberrypi")),
        )

    def test_none(self) -> None:
        """Where it is kept that there is none, the host name alone is the node, for its topics must not change."""
        config = read({"STATE_DIR": "/s"}, {KEPT: "none\n"}, hostname="raspberrypi")
        self.assertEqual(("raspberrypi", "camdetect-raspberrypi", False), names(config))

    def test_not_decided(self) -> None:
        """Before STATE_DIR was ever opened, and where its file says neither, the suffix is still to be made."""
        for files in ({}, {KEPT: ""}, {KEPT: "4F2A!"}, {KEPT: "a/b"}, {KEPT: "x" * 17}):
            config = read({"STATE_DIR": "/s"}, files, hostname="raspberrypi")
            self.assertEqual(("raspberrypi", "camdetect-raspberrypi", True), names(config), files)

    def test_given_names(self) -> None:
        """What somebody chose has no suffix: NODE_ID, the id of a device, the client id."""
        files = {KEPT: "4f2a\n", "/c": 'node_id = "attic"\n'}
        state = {"STATE_DIR": "/s"}
        for given, node in (
            ({"NODE_ID": "n"}, "n"),
            ({"BALENA_DEVICE_UUID": "b7"}, "b7"),
            ({"CAMDETECT_CONFIG": "/c"}, "attic"),
        ):
            self.assertEqual((node, f"camdetect-{node}", False), names(read(state | given, files)))
        self.assertEqual(("pine-4f2a", "mine", False), names(read(state | {"MQTT_CLIENT_ID": "mine"}, files)))

    def test_long_host_name(self) -> None:
        """The longest host name is cut, so that the suffix is never lost and the name can be part of a topic."""
        config = read({"STATE_DIR": "/s"}, {KEPT: "4f2a\n"}, hostname="h" * 64)
        self.assertEqual("h" * 59 + "-4f2a", config.node_id)

    def test_reload(self) -> None:
        """A daemon that has just made its suffix sees no change when it reads the configuration again."""
        first = with_suffix(read({"STATE_DIR": "/s"}), "4f2a")
        again = differences(first, read({"STATE_DIR": "/s"}, {KEPT: "4f2a\n"}))
        self.assertEqual(((), ()), (again.changed, again.restart))

    def test_file(self) -> None:
        """Of the file only a suffix or `none` counts."""
        self.assertEqual(["4f2a", "", None], [read_suffix(data) for data in (b" 4f2a\n", b"none", b"\xff\x00")])
