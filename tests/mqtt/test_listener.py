"""Who listens on a port, read from a /proc that the test writes."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.broker.listener import is_embedded_broker

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def hexadecimal(address: str) -> str:
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}"


class ListenerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.proc = Path(self.mktemp())
        (self.proc / "net").mkdir(parents=True)
        (self.proc / "self").mkdir()
        self.listens("127.0.0.1", 1883, inode=77)

    def listens(self, address: str, port: int, *, inode: int, state: str = "0A") -> None:
        row = f"   0: {hexadecimal(address)}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000"
        (self.proc / "net" / "tcp").write_text(f"{HEAD}{row} {os.getuid():5} 0 {inode} 1 0 100 0 0 10 0\n")

    def process(self, pid: int, *arguments: str, inode: int = 77) -> None:
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_bytes(b"".join(one.encode() + b"\0" for one in arguments))
        (folder / "fd" / "5").symlink_to(f"socket:[{inode}]")

    def test_ours(self) -> None:
        """mosquitto, as root and as another user, and amqtt are known by the configuration that only we give them."""
        for number, command in enumerate(
            (
                ("/usr/sbin/mosquitto", "-c", "/var/lib/camdetect/broker/mosquitto.conf"),
                ("/usr/sbin/mosquitto", "-c", "/proc/self/fd/3"),
                ("/usr/bin/python3", "-m", "amqtt.scripts.broker_script", "-c", "/s/broker/amqtt.yaml"),
            )
        ):
            with self.subTest(command=command):
                self.setUp()
                self.process(10 + number, *command)
                self.assertTrue(is_embedded_broker(1883, self.proc))
                self.assertFalse(is_embedded_broker(1884, self.proc))

    def test_another_program(self) -> None:
        """The system's mosquitto is none, nor is another program; that an embedded one runs elsewhere is no matter."""
        self.process(10, "/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf")
        self.process(11, "/usr/sbin/mosquitto")
        self.process(12, "/usr/bin/nginx", "-c", "/x/broker/mosquitto.conf")
        self.process(13, "/usr/sbin/mosquitto", "-c")
        self.assertFalse(is_embedded_broker(1883, self.proc))
        self.process(14, "/usr/sbin/mosquitto", "-c", "/s/broker/mosquitto.conf", inode=78)
        self.assertFalse(is_embedded_broker(1883, self.proc))

    def test_nobody_listens(self) -> None:
        """Who listens on all addresses is none of ours, and a connection is no listener."""
        self.process(10, "/usr/sbin/mosquitto", "-c", "/s/broker/mosquitto.conf")
        self.listens("0.0.0.0", 1883, inode=77)
        self.assertFalse(is_embedded_broker(1883, self.proc))
        self.listens("127.0.0.1", 1883, inode=77, state="01")
        self.assertFalse(is_embedded_broker(1883, self.proc))
        (self.proc / "net" / "tcp").unlink()
        self.assertFalse(is_embedded_broker(1883, self.proc))
