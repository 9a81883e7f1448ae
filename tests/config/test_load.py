"""Defaults that are derived, and what every root does with the outcome."""

from __future__ import annotations

import io
from pathlib import Path

from tests.config.case import HOME, ConfigCase, read
from twisted_detector.config.load import config_or_exit


class Derived(ConfigCase):
    """Defaults that depend on the machine or on another setting."""

    def test_node_id(self) -> None:
        """NODE_ID wins over BALENA_DEVICE_UUID, which wins over the host name."""
        self.assertEqual("pine", read().node_id)
        self.assertEqual("b7", read({"BALENA_DEVICE_UUID": "b7"}).node_id)
        self.assertEqual("n1", read({"BALENA_DEVICE_UUID": "b7", "NODE_ID": "n1"}).node_id)

    def test_unusable_host_name(self) -> None:
        """A host name that cannot be part of a topic is a fault that says what to set."""
        self.assertIn("NODE_ID", self.faults({}, hostname="two words")[0])
        self.assertEqual("n1", read({"NODE_ID": "n1"}, hostname="two words").node_id)

    def test_names_from_it(self) -> None:
        """The client id follows NODE_ID, so that it is the same after a restart; the service is the predecessor's."""
        config = read({"NODE_ID": "n1"})
        self.assertEqual(("camdetect-n1", "camera_detector"), (config.mqtt.client_id, config.service_id))
        config = read({"NODE_ID": "n1", "MQTT_CLIENT_ID": "c", "SERVICE_ID": "s"})
        self.assertEqual(("c", "s"), (config.mqtt.client_id, config.service_id))

    def test_longest_names(self) -> None:
        """The longest NODE_ID gives names that need no setting of their own."""
        self.assertEqual("camdetect-" + "n" * 64, read({"NODE_ID": "n" * 64}).mqtt.client_id)

    def test_tls_port(self) -> None:
        """With TLS the port is 8883 unless it is given."""
        tls = {"MQTT_TLS": "true", "MQTT_BROKER": "b"}
        self.assertEqual(8883, read(tls).mqtt.port)
        self.assertEqual(1883, read({**tls, "MQTT_PORT": "1883"}).mqtt.port)

    def test_state_dir(self) -> None:
        """State belongs to root in /var/lib, to others in XDG_STATE_HOME or below HOME."""
        self.assertEqual(Path("/var/lib/camdetect"), read(superuser=True).state_dir)
        self.assertEqual(Path("/home/somebody/.local/state/camdetect"), read().state_dir)
        self.assertEqual(Path("/x/camdetect"), read({"XDG_STATE_HOME": "/x"}).state_dir)
        self.assertEqual(Path("/y"), read({"STATE_DIR": "/y"}, superuser=True).state_dir)
        self.assertIn("STATE_DIR", self.faults({"HOME": ""})[0])


class TheRoot(ConfigCase):
    """What every root does with the outcome."""

    def test_faults_end_the_process(self) -> None:
        """Wrong configuration: one message with every fault on standard error, and exit status 2."""
        stderr = io.StringIO()
        environ = {**HOME, "MQTT_PORT": "0", "SCAN_RATE": "0"}
        stopped = self.assertRaises(SystemExit, config_or_exit, environ, hostname="h", stderr=stderr)
        self.assertEqual(2, stopped.code)
        self.assertIn("MQTT_PORT = '0'", stderr.getvalue())
        self.assertIn("SCAN_RATE = '0'", stderr.getvalue())

    def test_sound(self) -> None:
        """Right configuration: the Config, and not a word."""
        stderr = io.StringIO()
        # A folder of its own: in that of the machine a daemon may have left its suffix (root's is not below HOME).
        environ = {**HOME, "STATE_DIR": str(Path(self.mktemp()).absolute())}
        self.assertEqual("h", config_or_exit(environ, hostname="h", stderr=stderr).node_id)
        self.assertEqual("", stderr.getvalue())
