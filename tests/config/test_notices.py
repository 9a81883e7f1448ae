"""Settings of notices go in; their values, or what is wrong with them, come out."""

from __future__ import annotations

from tests.config.case import ConfigCase, read
from twisted_detector.config.notices import KIND_WORDS

MAIL = {"NOTICE_MAIL_HOST": "smtp.example.org", "NOTICE_MAIL_FROM": "c@example.org", "NOTICE_MAIL_TO": "a@example.org"}


class Values(ConfigCase):
    def test_defaults(self) -> None:
        """Five minutes, every kind, no quiet hours, MQTT; no other way."""
        notices = read({}).notices
        self.assertEqual((5, KIND_WORDS, None), (notices.offline_minutes, notices.kinds, notices.quiet_hours))
        self.assertEqual((30, True), (notices.per_hour, notices.mqtt))
        self.assertFalse(notices.webhook.url or notices.ntfy.url or notices.mail.host or notices.telegram.token)

    def test_values(self) -> None:
        """Each as it is written."""
        notices = read({"NOTICE_QUIET_HOURS": "22:00-07:30", "NOTICE_KINDS": "Offline, back",
                        "NTFY_URL": "https://ntfy.sh/my_topic-1", "NTFY_TAGS": "warning, cctv",
                        "TELEGRAM_TOKEN": "1:aB_c-d", "TELEGRAM_CHAT_ID": "-5",
                        **MAIL, "NOTICE_MAIL_TO": "a@example.org, b@mail.example.org"}).notices  # fmt: skip
        self.assertEqual(((1320, 450), ("warning", "cctv")), (notices.quiet_hours, notices.ntfy.tags))
        self.assertEqual(("offline", "back"), notices.kinds)
        self.assertEqual(("a@example.org", "b@mail.example.org"), notices.mail.recipients)
        self.assertEqual("https://ntfy.sh/my_topic-1", notices.ntfy.url.reveal())

    def test_port(self) -> None:
        """Mail goes to the port of its kind of TLS, unless another is given."""
        for environ, port in (({}, 587), ({"NOTICE_MAIL_TLS": "tls"}, 465),
                              ({"NOTICE_MAIL_TLS": "tls", "NOTICE_MAIL_PORT": "2465"}, 2465)):  # fmt: skip
            self.assertEqual(port, read({**MAIL, **environ}).notices.mail.port)

    def test_secret_file(self) -> None:
        """The addresses that are secrets may stand in a file."""
        config = read({"NOTICE_WEBHOOK_URL_FILE": "/s"}, {"/s": "https://hooks.example/T0/B0?key=canary\n"})
        self.assertEqual("https://hooks.example/T0/B0?key=canary", config.notices.webhook.url.reveal())
        self.assertNotIn("canary", repr(config))

    def test_refused(self) -> None:
        """What is none is refused, by its name; a secret is not shown."""
        for name, value in (
            ("NOTICE_OFFLINE_MINUTES", "0"), ("NOTICE_QUIET_HOURS", "22-7"), ("NOTICE_QUIET_HOURS", "24:00-07:00"),
            ("NOTICE_QUIET_HOURS", "07:00-07:00"), ("NOTICE_KINDS", "offline,fire"), ("NOTICE_PER_HOUR", "0"),
            ("NOTICE_WEBHOOK_URL", "ftp://canary"), ("NOTICE_WEBHOOK_URL", "http://h:canary/"),
            ("NOTICE_WEBHOOK_URL", "http://h/canary path"), ("NOTICE_WEBHOOK_URL", "http://h/#canary"),
            ("NOTICE_WEBHOOK_URL", "https://me:canary@host/"),
            ("NTFY_URL", "https://ntfy.sh"), ("NTFY_URL", "https://ntfy.sh/canary/b"), ("NTFY_URL", "canary"),
            ("NTFY_TOKEN", "canary with\ttab"), ("NTFY_PRIORITY", "6"), ("NTFY_TAGS", "a b"),
            ("NOTICE_MAIL_HOST", "smtp://x"), ("NOTICE_MAIL_FROM", "nobody"), ("NOTICE_MAIL_TO", "a@b\nBcc: c@d"),
            ("NOTICE_MAIL_TO", ",".join(f"a{one}@b.example" for one in range(21))), ("NOTICE_MAIL_TLS", "ssl"),
            ("TELEGRAM_TOKEN", "canary/../x"), ("TELEGRAM_CHAT_ID", "me"), ("TELEGRAM_URL", "api.telegram.org"),
        ):  # fmt: skip
            found = [one for one in self.faults({name: value}) if one.startswith(name)]
            self.assertEqual(1, len(found), (name, value))
            self.assertNotIn("canary", found[0])
            self.assertNotIn("MQTT", found[0])


class Together(ConfigCase):
    def test_faults(self) -> None:
        """A way of which a part is missing, and a login that would go over the network in clear."""
        mail = {**MAIL, "NOTICE_MAIL_USER": "u", "NOTICE_MAIL_PASSWORD": "canary"}
        for environ, fault in (
            ({"NOTICE_MAIL_HOST": "h"}, "NOTICE_MAIL_HOST = 'h': must not be set without NOTICE_MAIL_FROM"),
            ({**MAIL, "NOTICE_MAIL_USER": "u"},
             "NOTICE_MAIL_USER is set: must not be set without NOTICE_MAIL_PASSWORD"),
            ({**MAIL, "NOTICE_MAIL_PASSWORD": "canary"},
             "NOTICE_MAIL_PASSWORD is set: must not be set without NOTICE_MAIL_USER"),
            ({"TELEGRAM_TOKEN": "1:x"}, "TELEGRAM_TOKEN is set: must not be set without TELEGRAM_CHAT_ID"),
            ({"TELEGRAM_CHAT_ID": "1"}, "TELEGRAM_CHAT_ID is set: must not be set without TELEGRAM_TOKEN"),
            ({**mail, "NOTICE_MAIL_TLS": "none"},
             "NOTICE_MAIL_TLS = 'none': must not be set with NOTICE_MAIL_USER, except for a server on this machine"),
        ):  # fmt: skip
            found = self.faults(environ)
            self.assertIn(fault, found)
            self.assertNotIn("canary", "".join(found))
        read({**mail, "NOTICE_MAIL_TLS": "none", "NOTICE_MAIL_HOST": "localhost"})
        self.assertIn("NOTICE_CA_PATH", "".join(self.faults({"NOTICE_CA_PATH": "/nowhere.pem"})))

    def test_warnings(self) -> None:
        """A token over http:// to another machine; settings of a way without its address."""
        for environ, warning in (
            ({"NTFY_URL": "http://ntfy.lan/a", "NTFY_TOKEN": "t"},
             "NTFY_URL is http:// to another machine: the token goes over the network in clear; use https://"),
            ({"NOTICE_WEBHOOK_SECRET": "s", "NTFY_TOKEN": "t"},
             "NOTICE_WEBHOOK_SECRET, NTFY_TOKEN has no effect: the address of that way is not set"),
        ):  # fmt: skip
            self.assertIn(warning, read(environ).warnings)
        self.assertEqual((), read({"NTFY_URL": "http://127.0.0.1/a", "NTFY_TOKEN": "t"}).warnings)
