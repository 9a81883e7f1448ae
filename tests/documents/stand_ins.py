"""What stands in for what the documents name and a test does not have: all of it, in three tables.

The machine is :class:`tests.documents.world.World`. ``SCENES`` says what is around it, page by page, where the bare
machine with its cameras is not enough; ``PROOFS`` how a command that never ends is known to work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: The user who types: nobody's real home.
HOME = "/home/you"
LOGIN = "viewer:look"

#: What is named → (what is there, why it may stand for it). The test prints it.
STAND_INS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "the file system": ("an overlay over this machine's, in memory", "what a command writes goes with the test"),
        "mqtt.example.org": ("a mosquitto on another host of the lab", "a name of nobody"),
        "barn.lan": ("a camera of the lab, in /etc/hosts", "a name that a router would give"),
        "192.168.1.5": ("the machine's address", "an address of examples"),
        "192.168.1.20, 10.0.0.20, 10.20.0.0/24": ("simulated cameras in network namespaces", "addresses of examples"),
        "front-door, garden": ("the names that 192.168.1.20 and 10.0.0.20 were given", "names of examples"),
        "the host's name": ("camdetect", "the documents' example"),
        "the package index": ("wheels made of this environment's packages", "the lab has no Internet"),
        "python3": (
            "this environment's, at /usr/local/python if it is not below /usr",
            "it may lie in a home, which the unit does not see",
        ),
        "a terminal": ("Python's pty, for `--watch`", "what is written into a pipe comes when it ends"),
        "systemctl": ("tests/documents/systemctl.py", "the first process of the lab is not systemd"),
        "a person's typing": (f"{LOGIN.partition(':')[2]!r} on the standard input", "there is no terminal"),
        "url.txt": ("a file with rtsp://10.0.0.20:5566/live/1", "the user's own"),
        "$TOKEN": ("the text of STATE_DIR/web_token", "the user's own"),
        "curl": ("curl with `fail` in its ~/.curlrc", "else an answer 403 would be none of its faults"),
        "make's stamps": (".venv counts as up to date", "the checkout is installed already"),
    }
)

#: Name in /etc/hosts → address.
NAMES = MappingProxyType(
    {
        "mqtt.example.org": "192.168.1.6",
        "barn.lan": "10.20.0.20",
        "camdetect": "127.0.1.1",
    }
)


@dataclass(frozen=True)
class Scene:
    """What a page takes for granted.

    :ivar daemon: its commands ask a daemon.
    :ivar settings: of that daemon, and of the commands.
    :ivar when: words of a command → further settings; the daemon is started anew with them.
    :ivar configuration: the page's first block of TOML is the daemon's configuration file.
    :ivar far: there is a network 10.20.0.0/24 behind a router.
    :ivar installed: `camdetect` is the one that this page or packages.md installs, not the checkout's.
    :ivar after: the page that was read at the same machine before: what it installed is there.
    """

    daemon: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    when: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    configuration: bool = False
    far: bool = False
    installed: bool = False
    after: str = ""


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "docs/operations/adding.md": Scene(far=True),
        "docs/operations/networks.md": Scene(far=True),
        "docs/cli.md": Scene(daemon=False),
        "docs/operations/frigate.md": Scene(configuration=True),
        "docs/operations/keeping.md": Scene(daemon=False, installed=True, after="docs/operations/packages.md"),
        "docs/operations/packages.md": Scene(daemon=False, installed=True),
        "docs/operations/web.md": Scene(when={"192.168.1.5:8787": {"WEB_LISTEN": "0.0.0.0:8787"}}),
        "docs/plugins.md": Scene(daemon=False),
        "plugins/README.md": Scene(daemon=False),
    }
)

#: Words of a command that does not end by itself → what its output has when it works.
PROOFS: Mapping[str, str] = MappingProxyType(
    {
        "MQTT_BROKER=mqtt.example.org": "connected to mqtt.example.org",
        "WEB_LISTEN=0.0.0.0:8787 make run": "This link signs in once",
        "make run": " is online: ",
        "--watch": "192.168.1.20",
        "curl -N": "event: reset",
    }
)
