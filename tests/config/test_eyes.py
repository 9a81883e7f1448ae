"""The keys of eyes, as they are configured."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from twisted_detector.config.eyes import EYE_KEYS, MAX_EYES, MAX_NETWORKS
from twisted_detector.config.kinds import ValueRefused
from twisted_detector.model import Secret
from twisted_detector.model.eyes import EyeKey

ONE, OTHER = "0f" * 32, "1e" * 32


class EyeKeyTests(SynchronousTestCase):
    def test_read(self) -> None:
        """A name, a key, and the networks behind it."""
        found = EYE_KEYS.read(f"barn:{ONE}, shed:{OTHER} 10.20.0.0/24 fd00::/64")
        self.assertEqual(
            (EyeKey("barn", Secret(ONE)), EyeKey("shed", Secret(OTHER), ("10.20.0.0/24", "fd00::/64"))), found
        )
        self.assertEqual(bytes([15]) * 32, found[0].octets)

    def test_file(self) -> None:
        """A file has a line for each; it is masked wherever it would be shown."""
        config = read({"EYE_KEYS_FILE": "/eyes"}, {"/eyes": f"# ours\nbarn:{ONE}\nshed:{OTHER} 10.20.0.0/24\n"})
        self.assertEqual(["barn", "shed"], [one.name for one in config.discovery.eye_keys])
        self.assertNotIn(ONE, repr(config))

    def test_refused(self) -> None:
        """What is none is refused, with the number of its line and without the key."""
        many = ",".join(f"e{number}:{number:064x}" for number in range(MAX_EYES + 1))
        networks = " ".join(f"10.{number}.0.0/24" for number in range(MAX_NETWORKS + 1))
        for text, words in (
            (ONE, "entry 1 does not begin with a name"),
            (f"a/b:{ONE}", "entry 1 does not begin with a name"),
            (f"barn:{ONE}0", "entry 1 has no key"),
            (f"barn:{ONE.upper()}", "entry 1 has no key"),
            ("barn:", "entry 1 has no key"),
            (f"barn:{ONE},barn:{OTHER}", "entry 2 has the name"),
            (f"barn:{ONE},shed:{ONE}", "entry 2 has the key"),
            (f"barn:{ONE} 10.0.0.1/8", "entry 1 has bits set"),
            (f"barn:{ONE} {networks}", "entry 1 has more than"),
            (many, "at most 64 eyes"),
        ):
            refused = self.assertRaises(ValueRefused, EYE_KEYS.read, text)
            self.assertIn(words, str(refused))
            self.assertNotIn(ONE, str(refused))
