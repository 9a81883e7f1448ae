"""Patience with a broker: short at first, longer for one that is slow whenever it is asked, short again with proof."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.network.patience import PING_ANSWER, QUICK, SILENCE, Patience, Patiences
from twisted_detector.mqtt.network.watchdog import PING_AFTER, Watchdog


class PatienceTests(SynchronousTestCase):
    def test_silences_in_a_row(self) -> None:
        """Two are taken for what they seem to be; with each further one it waits twice as long, up to a bound."""
        patience = Patience(5.0, 30.0)
        limits = []
        for _ in range(6):
            limits.append(patience.limit)
            patience.gave_up()
        self.assertEqual(limits, [5.0, 5.0, 10.0, 20.0, 30.0, 30.0])

    def test_quick_answers(self) -> None:
        """Some in a row begin anew; slow ones among them, as far as they are, leave it as it is."""
        patience = Patience(5.0, 30.0)
        for _ in range(3):
            patience.gave_up()
        for seconds in (*[0.1] * (QUICK - 1), 9.0, *[2.5] * (QUICK - 1)):
            patience.answered(seconds)
        self.assertEqual(patience.limit, 20.0)
        patience.answered(0.1)
        self.assertEqual(patience.limit, 5.0)
        patience.gave_up()
        self.assertEqual(patience.limit, 5.0, "the first of a new row")


class ConnectPatienceTests(SynchronousTestCase):
    def test_every_second_attempt(self) -> None:
        """A broker that is slow at each login is reached; one that is well again is met by a short attempt soon."""
        patience = Patiences().connect
        limits = []
        for _ in range(9):
            limits.append(patience.limit)
            patience.gave_up()
        self.assertEqual(limits, [5.0, 5.0, 10.0, 5.0, 20.0, 5.0, 20.0, 5.0, 20.0])

    def test_slow_login(self) -> None:
        """What is known of it stays, so the next connection is made at once."""
        patience = Patiences().connect
        for _ in range(4):
            patience.gave_up()
        patience.answered(12.0)
        self.assertEqual(patience.limit, 20.0)

    def test_quick_login(self) -> None:
        """One quick answer ends all, the silences too."""
        patience = Patiences().connect
        for _ in range(4):
            patience.gave_up()
        patience.answered(0.01)
        self.assertEqual(patience.limit, 5.0)
        patience.gave_up()
        self.assertEqual(patience.limit, 5.0)


class WatchdogPatienceTests(SynchronousTestCase):
    """Connections of one broker, one after the other, with what is learnt of it."""

    def setUp(self) -> None:
        self.patience = Patiences()

    def give_up(self, oldest: tuple[float, int, int] | None, *, talking: bool = False) -> float:
        """Seconds after which a connection is given up in which nothing is answered."""
        watchdog = Watchdog(0.0, self.patience)
        for tenth in range(1, 1000):
            now = tenth / 10
            if watchdog.wants_ping(now, oldest is not None):
                watchdog.ping_sent(now)
            if talking and not tenth % 10:
                watchdog.received(now)
            if watchdog.verdict(now, oldest):
                return now
        raise AssertionError("never given up")

    def test_slow_acknowledgements(self) -> None:
        """A broker that needs 6 s for each message is not given up for ever, also where it talks meanwhile."""
        for talking in (False, True):
            self.patience = Patiences()
            waits = [self.give_up((0.0, 0, 0), talking=talking) for _ in range(5)]
            self.assertEqual([round(each) for each in waits], [4, 4, 8, 16, 16])
        watchdog = Watchdog(0.0, self.patience)
        for _ in range(QUICK):
            watchdog.acknowledged(0.1)
        self.assertLess(self.give_up((0.0, 0, 0)), SILENCE + 0.2)

    def test_one_message_that_is_never_acknowledged(self) -> None:
        """A broker that is quick with all others is left as soon as ever: that one is found sooner so."""
        for _ in range(4):
            watchdog = Watchdog(0.0, self.patience)
            watchdog.acknowledged(0.01)
            self.assertEqual(watchdog.verdict(SILENCE, (0.0, 0, 0)), "")
            self.assertIn("silent", watchdog.verdict(SILENCE + 0.1, (0.0, 0, 0)))

    def test_slow_pings(self) -> None:
        """The same of an idle broker's answers to pings; the two are learnt apart."""
        waits = [self.give_up(None) for _ in range(4)]
        self.assertEqual([round(each - PING_AFTER - 0.1, 1) for each in waits], [2.5, 2.5, 5.0, 10.0])
        self.assertLess(self.give_up((0.0, 0, 0)), SILENCE + 0.2)
        watchdog, now = Watchdog(0.0, self.patience), 0.0
        for _ in range(QUICK):
            now += PING_AFTER
            watchdog.ping_sent(now)
            watchdog.received(now + 0.1)
        self.assertEqual(self.patience.pings.limit, PING_ANSWER)
