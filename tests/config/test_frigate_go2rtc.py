"""Tables of consumers: ``[frigate.NAME]`` and ``[go2rtc.NAME]`` in the configuration file."""

from __future__ import annotations

from pathlib import Path

from tests.config.case import ConfigCase, read
from twisted_detector.config.config import TABLES, Config
from twisted_detector.config.frigate_go2rtc import variables_path
from twisted_detector.config.reader import MAX_TABLES

SECRET = "hunter2-swordfish"
TWO = """
mqtt_broker = "b"

[frigate.north]
url = "https://10.20.0.5:8971/"
user = "admin"
password_file = "/s"
network = ["10.20.0.0/16", "fd00::/8"]
restart = true
objects = ["person"]
tls_insecure = true

[frigate.yard]
config_path = "/yard/config.yml"
cameras = ["024000000001", "Front, door"]
version = "0.16"

[go2rtc.north]
url = "http://127.0.0.1:1984"
cameras = "all"
prefix = "n-"
onvif = "never"
"""


class Case(ConfigCase):
    def toml(self, text: str, mode: int = 0o600, **environ: str) -> Config:
        return read({"CAMDETECT_CONFIG": "/c.toml", **environ}, {"/c.toml": (text, mode), "/s": SECRET})

    def told(self, text: str, mode: int = 0o600, **environ: str) -> tuple[str, ...]:
        return self.faults({"CAMDETECT_CONFIG": "/c.toml", **environ}, {"/c.toml": (text, mode), "/s": SECRET})


class Tables(Case):
    def test_values(self) -> None:
        """Each table has what the plain settings have, with defaults of its own; the plain ones stay as they are."""
        config = self.toml(TWO, FRIGATE_URL="http://127.0.0.1:5000", FRIGATE_RESTART="0", FRIGATE_OBJECTS="dog")
        plain, north, yard = config.frigates
        self.assertEqual(("", "north", "yard"), (plain.name, north.name, yard.name))
        self.assertEqual(("http://127.0.0.1:5000", False, ("dog",)), (plain.url, plain.restart, plain.objects))
        self.assertEqual(("https://10.20.0.5:8971", True, ("person",)), (north.url, north.restart, north.objects))
        self.assertEqual(("admin", SECRET), (north.user, north.password.reveal()))
        self.assertEqual(("10.20.0.0/16", "fd00::/8"), north.choice.networks)
        self.assertEqual((Path("/yard/config.yml"), "0.16", ""), (yard.config_path, yard.version, yard.url))
        self.assertEqual(("024000000001", "Front, door"), yard.choice.names)
        self.assertEqual(("fire", "smoke", "person"), yard.objects)
        _, streams = config.go2rtcs
        self.assertEqual(("n-", "never", ()), (streams.prefix, streams.onvif, streams.choice.names))
        self.assertNotIn(SECRET, repr(config))

    def test_plain(self) -> None:
        """The plain settings choose cameras too; without tables there is one consumer of each program, as before."""
        config = read({"FRIGATE_CAMERAS": "Front door, 024000000002", "GO2RTC_NETWORK": "10.0.0.0/8"})
        self.assertEqual(("Front door", "024000000002"), config.frigate.choice.names)
        self.assertEqual(("10.0.0.0/8",), config.go2rtc.choice.networks)
        self.assertEqual(((config.frigate,), (config.go2rtc,)), (config.frigates, config.go2rtcs))
        self.assertEqual((), read({"FRIGATE_CAMERAS": "All"}).frigate.choice.names)

    def test_pages(self) -> None:
        """The page may frame what has an API, at the address that is meant for browsers; what has none, or is switched
        off, may not be.
        """
        text = TWO.replace('prefix = "n-"', 'page_url = "http://nvr.example.org:1984/"').replace(
            "restart = true", 'page_url = "https://nvr.example.org/"'
        )
        self.assertEqual(("http://nvr.example.org:1984", "https://nvr.example.org"), self.toml(text).pages)
        self.assertEqual(("http://127.0.0.1:1984", "https://10.20.0.5:8971"), self.toml(TWO).pages)
        self.assertEqual((), self.toml('mqtt_broker = "b"', FRIGATE_PAGE_URL="http://nvr").pages)
        off = {"FRIGATE_URL": "http://nvr", "FRIGATE_UPDATE_ENABLED": "false"}
        self.assertEqual((), self.toml('mqtt_broker = "b"', **off).pages)

    def test_where_the_logins_stand(self) -> None:
        """Each has a file of its own for the logins; that of the plain settings is where it was."""
        config = self.toml(TWO, STATE_DIR="/state")
        files = [str(variables_path(one, config.state_dir)) for one in (*config.frigates, *config.go2rtcs)]
        self.assertEqual(
            ["frigate.env", "frigate.north.env", "frigate.yard.env", "go2rtc.env", "go2rtc.north.env"],
            [path.removeprefix("/state/") for path in files],
        )

    def test_every_fault_at_once(self) -> None:
        """A mistake is told with the table and the key, all in one message, beside those of other settings."""
        text = """
        mqtt_port = 0
        [frigate.north]
        url = "ftp://10.20.0.5"
        restart = "perhaps"
        pasword = "x"
        area = []
        network = "10.20.0.1/16"
        [go2rtc.south]
        url = "http://u:p@10.0.0.1"
        cameras = []
        """
        found = self.told(text)
        for head in (
            "MQTT_PORT = 0: must be",
            "[frigate.north] url = 'ftp://10.20.0.5': must be http:// or",
            "[frigate.north] restart = 'perhaps': must be true or false",
            "[frigate.north] pasword: unknown in /c.toml; is password meant?",
            "[frigate.north] area = []: must be areas",
            "[frigate.north] network = '10.20.0.1/16': must be networks",
            "[go2rtc.south] url = 'http://***@10.0.0.1': must be",
            "[go2rtc.south] cameras = []: must be all, or ids or names",
        ):
            self.assertEqual(1, sum(one.startswith(head) for one in found), (head, found))
        self.assertEqual(8, len(found), found)

    def test_names(self) -> None:
        """A name is letters, digits, dash and underscore, at most 32; what stands in no table is told what is meant."""
        for name in ('""', '"a b"', '"a/b"', '"né"', "x" * 33, '"..\\u0000"'):
            (found,) = self.told(f'[frigate.{name}]\nurl = "http://10.0.0.1"')
            self.assertIn("a name must be 1 to 32 letters, digits, '-' and '_'", found)
            self.assertTrue(found.isprintable())
        (found,) = self.told('[frigate]\nurl = "http://10.0.0.1"')
        self.assertEqual(
            "[frigate] url: stands in a table without a name: [frigate.NAME]; is frigate_url meant?", found
        )
        for text in ("go2rtc = 1", '[[go2rtc]]\nurl = "x"'):
            self.assertEqual(("go2rtc: must hold tables only: [go2rtc.NAME]",), self.told(text))
        many = "\n".join(f'[frigate.n{number}]\nurl = "http://10.0.0.{number}"' for number in range(MAX_TABLES + 1))
        self.assertIn(f"at most {MAX_TABLES} tables", self.told(many)[0])

    def test_lists_without_a_camera(self) -> None:
        """A list that names nothing is a fault, not all cameras."""
        for line in ("cameras = []", "cameras = ['']", "network = []", "cameras = ['all', 'Gate']", "cameras = 7"):
            (found,) = self.told(f'[frigate.a]\nurl = "http://10.0.0.1"\n{line}')
            self.assertTrue(found.startswith(f"[frigate.a] {line.partition(' ')[0]}"), found)

    def test_what_a_table_has_not(self) -> None:
        """Only the plain settings publish the topic, so its name is theirs; every other setting is in every table."""
        (found,) = self.told('[frigate.a]\nurl = "http://10.0.0.1"\nreload_topic = "x"')
        self.assertTrue(found.startswith("[frigate.a] reload_topic: unknown in /c.toml"), found)
        plain = {key for key in Config.settings() if key.startswith(("frigate_", "go2rtc_"))}
        tables = {f"{program}_{key}" for program, settings in TABLES.settings.items() for key in settings}
        self.assertEqual({"frigate_reload_topic"}, plain - tables)

    def test_a_place_is_needed(self) -> None:
        """A table that leads nowhere is a fault; when its URL is faulty, that is the only one."""
        self.assertEqual(("[frigate.a]: must have url or config_path",), self.told("[frigate.a]\nrestart = true"))
        self.assertEqual(1, len(self.told('[frigate.a]\nurl = "nonsense"')))

    def test_one_place_twice(self) -> None:
        """Two consumers with one URL or one file are refused, with both names, however they are spelled."""
        north = '[frigate.a]\nurl = "http://nvr"\n'
        for text, environ, names in (
            (f'{north}[frigate.b]\nurl = "http://NVR:80/"', {}, ("[frigate.b] url", "[frigate.a] url")),
            (
                '[frigate.a]\nurl = "http://localhost:5000"',
                {"FRIGATE_URL": "http://127.0.0.1:5000"},
                ("[frigate.a] url", "FRIGATE_URL"),
            ),
            (
                '[go2rtc.a]\nconfig_path = "/x/../y/g.yaml"',
                {"GO2RTC_CONFIG_PATH": "/y/g.yaml"},
                ("[go2rtc.a] config_path", "GO2RTC_CONFIG_PATH"),
            ),
            (
                f'{north}env_path = "/s/frigate.env"',
                {"FRIGATE_URL": "http://other", "STATE_DIR": "/s"},
                ("[frigate.a] env_path", "FRIGATE_ENV_PATH"),
            ),
        ):
            (found,) = self.told(text, **environ)
            reason = f"{names[0]}: must not be the same as {names[1]}; each consumer has a place of its own"
            self.assertEqual(reason, found)
        apart = '[frigate.a]\nurl = "http://nvr:5000"\n[frigate.b]\nurl = "http://nvr:5001"\n'
        apart += '[go2rtc.a]\nurl = "http://nvr:5000"'
        self.assertEqual(3, len(self.toml(apart).frigates))
        off = {"FRIGATE_URL": "http://nvr:5000", "FRIGATE_UPDATE_ENABLED": "0"}
        self.assertEqual("http://nvr:5000", self.toml(apart, **off).frigates[1].url)

    def test_secrets(self) -> None:
        """A password in a table is a secret: masked, by a file too, and not in a file that others may read."""
        text = f'[frigate.a]\nurl = "http://10.0.0.1"\nuser = "u"\npassword = "{SECRET}"'
        self.assertEqual(SECRET, self.toml(text).frigates[1].password.reveal())
        (found,) = self.told(text, mode=0o644)
        self.assertIn("[frigate.a] password", found)
        self.assertNotIn(SECRET, found)
        (found,) = self.told(text + '\npassword_file = "/s"')
        self.assertEqual("[frigate.a] password: give this or [frigate.a] password_file, not both", found)
        (found,) = self.told('[go2rtc.a]\nurl = "http://10.0.0.1"\npassword_file = "/gone"')
        self.assertIn("[go2rtc.a] password_file = '/gone': cannot be read", found)
        (found,) = self.told(f'[frigate.a]\nurl = "http://10.0.0.1"\ntoken = "{SECRET}\\u0001"')
        self.assertIn("[frigate.a] token = ***", found)

    def test_logins_in_clear(self) -> None:
        """A login that goes to another machine by http is warned of with the table's name."""
        text = (
            '[frigate.a]\nurl = "http://10.0.0.1"\nuser = "u"\npassword_file = "/s"\n'
            '[go2rtc.b]\nurl = "http://10.0.0.2"\nuser = "u"'
        )
        frigate, go2rtc = self.toml(text).warnings
        self.assertIn("[frigate.a] url is http:// to another machine: [frigate.a] user and password go", frigate)
        self.assertIn("[go2rtc.b] url is http:// to another machine", go2rtc)
        self.assertIn("[go2rtc.b] config_path", go2rtc)
