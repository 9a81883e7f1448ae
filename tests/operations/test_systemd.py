"""A service that starts, runs and stops goes in; the datagrams that its supervisor gets come out."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.load import load
from twisted_detector.operations.systemd import STATUS_SECONDS, SystemdNotifier


class Supervised(SynchronousTestCase):
    def setUp(self) -> None:
        """A supervisor listens."""
        self.clock = Clock()
        self.datagrams: list[bytes] = []
        self.status = "cameras: none yet"

    def heard(self) -> list[str]:
        """What came since the last time."""
        datagrams, self.datagrams[:] = [one.decode() for one in self.datagrams], []
        return datagrams

    def supervisor(self, watchdog: float = 0.0) -> SystemdNotifier:
        """One that talks to the socket."""
        return SystemdNotifier(self.clock, self.datagrams.append, watchdog=watchdog, status=lambda: self.status)

    def test_life(self) -> None:
        """It says when it is ready, how it stands when that changes, and that it ends."""
        one = self.supervisor()
        one.startService()
        self.assertEqual(["READY=1", "STATUS=cameras: none yet"], self.heard())
        self.clock.advance(STATUS_SECONDS)
        self.assertEqual([], self.heard())
        self.status = "cameras: 1 online"
        self.clock.advance(STATUS_SECONDS)
        self.assertEqual(["STATUS=cameras: 1 online"], self.heard())
        one.stopService()
        self.assertEqual(["STOPPING=1"], self.heard())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_restart(self) -> None:
        """A stop before a start in the same process is a reload: the supervisor does not wait for an end."""
        one = SystemdNotifier(
            self.clock, self.datagrams.append, watchdog=0.0, status=lambda: self.status, restarts=lambda: True
        )
        one.startService()
        one.stopService()
        self.assertEqual(["READY=1", "STATUS=cameras: none yet", "RELOADING=1"], self.heard())

    def test_watchdog(self) -> None:
        """A supervisor that watches hears from it twice in the time that it bears silence."""
        one = self.supervisor(watchdog=4.0)
        one.startService()
        self.heard()
        for _ in range(3):
            self.clock.advance(2.0)
            self.assertEqual(["WATCHDOG=1"], self.heard())
        one.stopService()

    def test_nobody(self) -> None:
        """A supervisor that is gone costs one warning, not the daemon."""

        def nobody(datagram: bytes) -> None:
            raise ConnectionRefusedError

        one = SystemdNotifier(self.clock, nobody, watchdog=4.0, status=lambda: self.status)
        one.startService()
        self.clock.advance(2.0)
        self.clock.advance(2.0)
        one.stopService()
        self.assertEqual([], self.flushLoggedErrors())

    def test_status_fails(self) -> None:
        """A status line that cannot be made does not end the watchdog's signs of life."""
        one = SystemdNotifier(self.clock, self.datagrams.append, watchdog=4.0, status=lambda: str(1 // 0))
        one.startService()
        self.clock.advance(2.0)
        self.assertEqual(["READY=1", "WATCHDOG=1", "WATCHDOG=1"], self.heard())
        one.stopService()
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))


class Environment(SynchronousTestCase):
    def test_read(self) -> None:
        """Socket and patience come as systemd hands them over; nonsense is no watchdog."""
        environ = {"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "30000000", "STATE_DIR": "/tmp"}
        config = load(environ, hostname="host")
        self.assertEqual(("/run/systemd/notify", 30.0), (config.notify_socket, config.watchdog_seconds))
        for nonsense in ("", "-1", "soon", "9" * 40):
            config = load({**environ, "WATCHDOG_USEC": nonsense}, hostname="host")
            self.assertEqual(0.0, config.watchdog_seconds)
