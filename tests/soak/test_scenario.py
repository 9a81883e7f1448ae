"""A seed and a length go in; that the deeds are fair to what they are done to comes out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.bed import SoakBed
from tests.soak.scenario import CAMERA_REST, DOOR_REST, KINDS, REST, Deed, Plan, plan

SEEDS = range(20)


def plans(seconds: float) -> list[Plan]:
    return [plan(seed, seconds, cameras=27, doors=3) for seed in SEEDS]


class ScenarioTests(SynchronousTestCase):
    def test_the_same_again(self) -> None:
        """A seed gives one scenario, another seed another."""
        self.assertEqual(plan(7, 1200, cameras=27, doors=3), plan(7, 1200, cameras=27, doors=3))
        self.assertNotEqual(plan(7, 1200, cameras=27, doors=3).deeds, plan(8, 1200, cameras=27, doors=3).deeds)

    def test_every_kind_comes(self) -> None:
        """In twenty minutes each kind comes at least twice, and in two hours at least five times."""
        for seconds, least in ((1200, 2), (7200, 5)):
            for one in plans(seconds):
                for kind in KINDS:
                    self.assertGreaterEqual(sum(deed.kind == kind for deed in one.deeds), least, (one.seed, kind))

    def test_calm_at_both_ends(self) -> None:
        """Nothing is done in the calm at the start, and everything is over before the calm at the end."""
        for one in plans(1200):
            self.assertGreaterEqual(min(deed.at for deed in one.deeds), one.calm)
            self.assertLessEqual(max(deed.until for deed in one.deeds), one.seconds - one.cool)

    def test_one_at_a_time(self) -> None:
        """No camera and no thing has a second deed before the rest after the first one is over."""
        for one in plans(1200):
            free: dict[object, float] = {}
            for deed in one.deeds:
                thing = KINDS[deed.kind].thing
                long = DOOR_REST if thing == "door" else CAMERA_REST
                takes: list[tuple[object, float]] = [(number, long) for number in deed.cameras]
                if thing not in ("camera", "door"):
                    takes.append((thing, REST))
                for what, rest in takes:
                    self.assertLessEqual(free.get(what, 0.0), deed.at, (one.seed, str(deed)))
                    free[what] = deed.until + rest

    def test_passwords_change_at_doors_only(self) -> None:
        for one in plans(1200):
            for deed in one.deeds:
                wanted = range(27, 30) if deed.kind == "password" else range(27)
                self.assertTrue(all(number in wanted for number in deed.cameras), str(deed))

    def test_moments(self) -> None:
        """What takes time begins and ends, in the order of the times; what takes none only begins."""
        deeds = (Deed("move", 5, 5, (1,)), Deed("disk", 1, 7))
        told = [(at, deed.kind, begins) for at, deed, begins in Plan(1, 10, 0, 0, deeds).moments]
        self.assertEqual([(1, "disk", True), (5, "move", True), (7, "disk", False)], told)

    def test_the_bed_can_do_them(self) -> None:
        """Each kind is a deed of the bed, and what takes time and is no process of its own is undone there."""
        for kind, facts in KINDS.items():
            name = kind.replace("-", "_")
            self.assertTrue(hasattr(SoakBed, f"_{name}"), kind)
            by_itself = facts.lasts == (0.0, 0.0) or kind in ("flood", "rubbish", "visit")
            self.assertEqual(by_itself, not hasattr(SoakBed, f"_end_{name}"), kind)

    def test_warm(self) -> None:
        """A process is warm after a tenth, or after each kind came once, whichever is later; in time to be watched."""
        deeds = (Deed("disk", 1, 7), Deed("clock", 3, 50), Deed("disk", 80, 90))
        self.assertEqual((50, 100), (Plan(1, 100, 0, 0, deeds).warm, Plan(1, 1000, 0, 0, deeds).warm))
        for one in plans(1200):
            self.assertLess(one.warm, one.seconds / 2, one.seed)

    def test_words(self) -> None:
        """A plan can be read: time, deed, cameras, duration, amount."""
        self.assertEqual(
            "0:02:05  Wi-Fi loss at cameras 3, 7 for 60 s (+25 % of frames lost)",
            str(Deed("wifi", 125, 185, (3, 7), 25)),
        )
