"""Grammar of ``camdetect eye``."""

from __future__ import annotations

from twisted_detector.cli.decisions.grammar import Commands

_PURPOSE = """\
Runs a small process without logins, database and page, for a network where no more is wanted
(a VLAN of cameras). It hears of the cameras of its links (WS-Discovery, mDNS, SSDP, manufacturers'
protocols, DHCP and ARP where it may, the kernel's neighbours), and reports them over the broker to
the camdetect that has its key. It asks no camera.

  1. Here, once:     camdetect eye --new-key barn.key
  2. At the node:    append the line of barn.key to the file that EYE_KEYS_FILE names (mode 0600);
                     you may add the networks that this eye may speak of: barn:… 10.20.0.0/24
                     Then restart the node.
  3. Here:           camdetect eye --broker mqtt.example.org --key-file barn.key

It reports nothing, and sends nothing on its links, until its node has invited it over the broker.
The node asks what it is told of itself, so it needs a route there. What an eye says opens no login:
that takes the network in SCAN_NETWORKS of the node, or your word (camdetect adopt).
docs/operations/eye.md has more.

Login and TLS for the broker, MQTT_TOPIC_PREFIX, SCAN_EXCLUDE, SCAN_RATE, DISCOVERY_INTERVAL,
LOG_LEVEL and the switches of the methods are the settings of `camdetect run`."""


def add_eye(commands: Commands) -> None:
    """Add the subcommand."""
    eye = commands.add(
        "eye",
        "report the cameras of this link to another camdetect",
        _PURPOSE,
        examples=["camdetect eye --new-key barn.key", "camdetect eye --broker mqtt.example.org --key-file barn.key"],
        status="0 stopped, or the key is written; 1 it could not be done; 2 invalid configuration, or no key",
    )
    eye.add_argument("--broker", metavar="HOST[:PORT]", help="the broker (default: MQTT_BROKER and MQTT_PORT)")
    eye.add_argument("--key-file", metavar="FILE", help="file with this eye's key (default: EYE_KEYS_FILE)")
    eye.add_argument("--new-key", metavar="FILE", help="write a new key, mode 0600, and end")
    eye.add_argument("--name", help="with --new-key: the eye's name (default: that of the file)")
