"""The text of the overrides is edited: what differs is written, all else stays as its author wrote it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType

from hypothesis import example, given, settings
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.decisions.strategies import decisions
from twisted_detector.errors import LocalError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description, StreamAddress
from twisted_detector.operations.decisions.document import parse
from twisted_detector.operations.decisions.editing import edit

BARN = CameraDecisions(Description("Barn"))


def with_camera(before: Decisions, camera_id: str, decided: CameraDecisions) -> Decisions:
    return replace(before, cameras=MappingProxyType({**before.cameras, camera_id: decided}))


def set_of(decided: Decisions) -> object:
    """What is decided, whatever the order of networks and of logins of different headings."""
    cameras = {key: one for key, one in decided.cameras.items() if one != CameraDecisions()}
    return cameras, set(decided.networks), set(decided.logins), dict(decided.settings)


class EditTests(SynchronousTestCase):
    def edited(self, text: str, camera_id: str, decided: CameraDecisions) -> str:
        before = parse(text).decisions
        written, found = edit(text, before, with_camera(before, camera_id, decided))
        self.assertEqual(decided, found.decisions.of(camera_id))
        return written

    @settings(max_examples=100, deadline=None)
    @given(decisions, decisions)
    @example(Decisions(), Decisions())
    def test_there_and_on(self, first: Decisions, second: Decisions) -> None:
        """Any decisions are written into a new file and read back; and from there on to any others."""
        text, found = edit("", Decisions(), first)
        self.assertEqual((set_of(first), ()), (set_of(parse(text).decisions), found.faults))
        text, found = edit(text, found.decisions, second)
        self.assertEqual((set_of(second), ()), (set_of(parse(text).decisions), found.faults))

    def test_a_new_file(self) -> None:
        """It begins with what it is, and says that it has passwords."""
        text = self.edited("", "a", BARN)
        self.assertTrue(text.startswith("# What was decided"))
        self.assertTrue(text.endswith('\n[camera.a]\nname = "Barn"\n'), text)

    def test_comments(self) -> None:
        """Comments, order, blanks and the other cameras stay, to the letter."""
        before = (
            "# mine\n\n[camera.b]   # the back door\nname='Back'# not the front\n\n\n"
            '# the barn\n[ camera . a ]\n# its name\nname = "Old" # since May\narea="Yard"\n# end of the barn\n\n'
            "# what follows is the site's\n[site]\nnetworks = [\n  '10.0.0.0/24', # the yard\n]\n"
        )
        after = self.edited(before, "a", CameraDecisions(Description("Barn", "Yard")))
        self.assertEqual(before.replace('"Old"', '"Barn"'), after)
        after = self.edited(before, "c", BARN)
        self.assertEqual(f'{before}\n[camera.c]\nname = "Barn"\n', after)

    def test_taken_back(self) -> None:
        """What is taken back goes with its line; a table without any goes whole, unless a person commented in it."""
        text = '[camera.a]\nname = "Barn"\n\n[camera.b]\nname = "B"\n'
        self.assertEqual('[camera.b]\nname = "B"\n', self.edited(text, "a", CameraDecisions()).strip() + "\n")
        text = '[camera.a] # the barn\n# call the farmer first\nname = "Barn"\n[camera.b]\nname = "B"\n'
        after = self.edited(text, "a", CameraDecisions())
        self.assertEqual('[camera.a] # the barn\n# call the farmer first\n[camera.b]\nname = "B"\n', after)

    def test_other_spellings(self) -> None:
        """TOML has other ways to write a table; they are edited, too."""
        for text in (
            '[camera]\na = { name = "Old", area = "Yard" }\n',
            '[camera]\na.name = "Old"\na.area = "Yard"\n',
            'camera.a.name = "Old"\ncamera.a.area = "Yard"\n',
            '[camera."a"]\nname = "Old"\narea = "Yard"\n',
            '[camera.\'a\']\nname = "Old"\narea = "Yard"\n',
            '[camera.b]\nname = "B"\n[site]\nnetworks = []\n[camera.a]\nname = "Old"\narea = "Yard"\n',
            '[camera.a]\nname = """\nOld"""\narea = "Yard"\nnote = """\n[camera.a]\n# no comment\n"""\n',
        ):
            before = parse(text).decisions
            decided = replace(before.of("a"), description=replace(before.of("a").description, name="Barn"))
            self.edited(text, "a", decided)
            self.edited(text, "z", BARN)

    def test_faults_stay(self) -> None:
        """Entries with a mistake are for a person to mend: they stay, whatever else changes."""
        text = (
            '[camera.a]\nname = 5\ncolour = "red"\narea = "Yard"\n'
            '[site]\nnetworks = ["10.0.0.0/8", "10.0.0.0/24"]\n[other]\nx = 1\n'
        )
        before = parse(text)
        self.assertEqual(4, len(before.faults))
        changed = with_camera(before.decisions, "a", CameraDecisions(Description(area="Barn")))
        written, found = edit(text, before.decisions, replace(changed, networks=(ip_network("10.3.0.0/24"),)))
        self.assertEqual(before.faults, found.faults)
        self.assertEqual((ip_network("10.3.0.0/24"),), found.decisions.networks)
        self.assertIn('"10.0.0.0/8"', written)
        self.assertNotIn('"10.0.0.0/24"', written)

    def test_lists(self) -> None:
        """Of a list that a person wrote over several lines the others keep their lines and comments."""
        text = '[site]\nnetworks = [\n  "10.1.0.0/24", # the yard\n  "10.2.0.7", # the gate\n]\n'
        before = parse(text).decisions
        more, _ = edit(text, before, replace(before, networks=(*before.networks, ip_network("10.3.0.0/24"))))
        self.assertIn('"10.1.0.0/24", # the yard', more)
        self.assertIn('"10.2.0.7"', more)
        less, found = edit(text, before, replace(before, networks=before.networks[:1]))
        self.assertIn("# the yard", less)
        self.assertEqual(before.networks[:1], found.decisions.networks)

    def test_a_login_in_a_url(self) -> None:
        """A login that a person wrote into a stream's URL goes when it is taken back, and is another when changed."""
        text = '[camera.a]\nmain = "rtsp://viewer:s3cr3t@camera:554/live"\n'
        decided = parse(text).decisions.of("a")
        self.assertEqual(StreamAddress("rtsp", 554, "/live"), decided.main)
        self.assertNotIn("s3cr3t", self.edited(text, "a", replace(decided, login=None)))
        self.assertNotIn("s3cr3t", self.edited(text, "a", replace(decided, login=Login("admin", Secret("x")))))
        self.assertIn("s3cr3t", self.edited(text, "a", replace(decided, main=StreamAddress("rtsp", 554, "/2"))))

    def test_the_order_of_logins(self) -> None:
        """Of one heading the first login is tried first: another order is written, too."""
        text = '[logins]\ndefault = ["a:1", "b:2"]\n'
        before = parse(text).decisions
        _, found = edit(text, before, replace(before, logins=before.logins[::-1]))
        self.assertEqual(before.logins[::-1], found.decisions.logins)

    def test_many(self) -> None:
        """Hundreds at once are written as one is."""
        text = "".join(f'[camera.c{number}] # {number}\nname = "x"\n' for number in range(100))
        before = parse(text).decisions
        after = replace(before, cameras=MappingProxyType(dict.fromkeys(before.cameras, BARN)))
        written, found = edit(text, before, after)
        self.assertEqual(after.cameras, found.decisions.cameras)
        self.assertIn("[camera.c7] # 7\n", written)

    def test_what_would_not_be_read(self) -> None:
        """What the checks of the fields would not let in is not written at all."""
        bad = CameraDecisions(Description("two\nlines"))
        self.assertRaises(LocalError, edit, "", Decisions(), with_camera(Decisions(), "a", bad))
