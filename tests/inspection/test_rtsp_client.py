"""The RTSP client: logins, nonces and lost connections; no sockets."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.doubles.rtsp_camera import SDP, result_of
from tests.inspection.test_rtsp import LOGIN, URL, WRONG, RtspTestCase
from twisted_detector.errors import LoginWithheld, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.connection import RtspEndpoint, RtspTimeouts
from twisted_detector.inspection.rtsp.nonces import NONCE_LIFE, NonceHabits
from twisted_detector.model import Login
from twisted_detector.wire.rtsp.messages import RtspRequest, RtspResponse


class ClientTests(RtspTestCase):
    """Logins and lost connections."""

    def client(self, login: Login | None = LOGIN, **settings: Any) -> RtspClient:
        client = RtspClient(
            self.camera,
            RtspEndpoint("10.0.0.5", 554),
            timeouts=RtspTimeouts(5, response=5),
            login=login,
            cnonce=lambda: "c",
            **settings,
        )
        self.addCleanup(lambda: (client.close(), self.clock.advance(0)))
        return client

    def tearDown(self) -> None:
        for connection in self.camera.connections:
            connection.session.close()
        super().tearDown()

    def ask(self, client: RtspClient, method: str = "DESCRIBE") -> RtspResponse:
        return result_of(self.clock, client.request(method, URL))

    def test_the_first_request_is_plain(self) -> None:
        """Nothing is sent that was not asked for: a camera without login never sees the credential."""
        self.assertEqual(self.ask(self.client()).status, 200)
        self.assertEqual(self.camera.described(), ["/stream1"])

    def test_challenge(self) -> None:
        """A challenge is answered once, and the login then comes along at once."""
        for algorithm in ("MD5", "SHA-256"):
            self.camera.password, self.camera.algorithm = LOGIN.password.reveal(), algorithm
            client = self.client()
            self.assertEqual((self.ask(client).status, client.accepted), (200, True))
            self.assertEqual(self.ask(client).status, 200)
            self.assertEqual(self.camera.described(), ["/stream1", "+/stream1", "+/stream1"])
            self.camera.asked.clear()

    def test_refused(self) -> None:
        """A credential that was refused is not sent again."""
        self.camera.password = LOGIN.password.reveal()
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(WRONG))
        self.assertTrue(caught.exception.attempted)
        self.assertEqual((self.camera.wrong_logins, self.camera.described()), (1, ["/stream1", "+/stream1"]))
        self.assertNotIn("wrong", str(caught.exception))

    def test_refused_after_it_was_accepted(self) -> None:
        """A password that changes costs one failure, on every connection and in TEARDOWN; two while a nonce is used."""
        for pause, failures in ((NONCE_LIFE + 0.1, 1), (0.0, 2)):
            self.camera.password, self.camera.wrong_logins = LOGIN.password.reveal(), 0
            client = self.client()
            self.assertEqual(self.ask(client).status, 200)
            self.camera.password = "changed"
            self.clock.advance(pause)
            for attempted in (True, False):  # it is not sent again, and that time not refused
                with self.assertRaises(Unauthorized) as caught:
                    self.ask(client)
                self.assertEqual(attempted, caught.exception.attempted)
                self.camera.connections[-1].hang_up()
            self.assertTrue(client.refused)
            result_of(self.clock, client.request_and_ignore("TEARDOWN", URL, timeout=1.0))
            client.send("TEARDOWN", URL)
            self.assertEqual(self.camera.wrong_logins, failures)

    def test_counts_down_or_locks(self) -> None:
        """A refusal that counts down, in its status line or below, lets no other login follow, whatever the count."""
        challenge = b'WWW-Authenticate: Digest realm="a", nonce="b"\r\n'
        for status, reason, body in (
            (401, b"Unauthorized, 26 attempts left", b""),
            (401, b"Unauthorized", b"You still have 5 attempt(s)"),
            (403, b"Forbidden", b"The account is locked"),
            (401, b"Illegal Login Lock", b""),
        ):
            head = b"RTSP/1.0 %d %s\r\n" % (status, reason)
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            answers = [b"RTSP/1.0 401 No\r\n" + challenge + b"\r\n", head + challenge + length + body]
            self.camera.script["DESCRIBE"] = lambda request, answers=answers: answers.pop(0)
            client = self.client()
            with self.assertRaises(Unauthorized) as caught:
                self.ask(client)
            self.assertEqual((caught.exception.attempted, caught.exception.locked), (True, True), reason)
            self.assertTrue("locked" in str(caught.exception) or "counts" in str(caught.exception))

    def test_a_server_that_hangs_up_on_credentials(self) -> None:
        """A server that hangs up instead of refusing gets two credentials at most."""
        plain = b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n'
        self.camera.script["DESCRIBE"] = lambda request: "close" if request.header("Authorization") else plain
        with self.assertRaises(Unreachable):
            self.ask(self.client())
        self.assertEqual(["/stream1", "+/stream1", "+/stream1"], self.camera.described())

    def test_words_of_locking(self) -> None:
        """A refusal that speaks of locks or of attempts left ends it at once, and says so; stale or not."""
        challenge = b'WWW-Authenticate: Digest realm="a", nonce="b", stale=true\r\n'
        for status, body, sent in (
            (b"401 Unauthorized", b"You still have 4 attempt(s)", False),
            (b"401 User is locked", b"", False),
            (b"403 Forbidden", b"illegal login lock", False),
        ):
            self.camera.asked.clear()
            answer = b"RTSP/1.0 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, challenge, len(body), body)
            self.camera.script["DESCRIBE"] = answer
            with self.assertRaises(Unauthorized) as caught:
                self.ask(self.client())
            self.assertEqual((caught.exception.locked, caught.exception.attempted), (True, sent))
            self.assertEqual(len(self.camera.asked), 1)
        self.camera.password, told = LOGIN.password.reveal(), b"RTSP/1.0 401 1 attempt left\r\n" + challenge + b"\r\n"
        self.camera.script["DESCRIBE"] = lambda request: told if request.header("Authorization") else ...
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(WRONG))
        self.assertEqual((caught.exception.locked, caught.exception.attempted), (True, True))

    def test_no_login(self) -> None:
        """Without a login nothing was attempted."""
        self.camera.password = "x"
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client(None))
        self.assertFalse(caught.exception.attempted)

    def test_basic(self) -> None:
        """A password in clear is sent only where that is allowed."""
        self.camera.password, self.camera.scheme = LOGIN.password.reveal(), "basic"
        with self.assertRaises(Unauthorized) as caught:
            self.ask(self.client())
        self.assertFalse(caught.exception.attempted)
        self.assertEqual(self.camera.described(), ["/stream1"])
        self.assertEqual(self.ask(self.client(allow_basic=True)).status, 200)

    def test_stale_nonce(self) -> None:
        """A nonce that is too old costs one more request, not the login."""
        self.camera.password, self.camera.stale_after = LOGIN.password.reveal(), 1
        client = self.client()
        for _ in range(3):
            self.assertEqual(self.ask(client).status, 200)
        self.assertEqual(self.camera.wrong_logins, 0)

    def test_always_stale(self) -> None:
        """A server that calls every nonce stale gets two credentials and no more; the login is not called wrong."""
        self.camera.script["DESCRIBE"] = lambda request: (
            b'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="a", nonce="b", stale=true\r\n\r\n'
        )
        with self.assertRaises(LoginWithheld):
            self.ask(self.client())
        self.assertEqual(self.camera.described(), ["/stream1", "+/stream1", "+/stream1"])

    def test_an_aged_nonce(self) -> None:
        """A nonce that the server forgot without a word costs no login, on a connection that it keeps or closes."""
        for hangs_up in (False, True):
            self.camera.password, self.camera.nonce_life = LOGIN.password.reveal(), 5.0
            self.camera.hangs_up = hangs_up
            client = self.client()
            for pause in (0.0, 6.0, 60.0):
                self.clock.advance(pause)
                self.assertEqual(self.ask(client).status, 200)
            self.assertEqual((0, False), (self.camera.wrong_logins, client.refused))

    def test_a_nonce_that_ages_in_no_time(self) -> None:
        """One that is forgotten sooner than that costs one failure, and the login is asked for anew, not refused."""
        self.camera.password, self.camera.nonce_life = LOGIN.password.reveal(), 0.3
        for hangs_up in (False, True):
            self.camera.hangs_up, self.camera.wrong_logins = hangs_up, 0
            client = self.client()
            for _ in range(4):
                self.assertEqual(self.ask(client).status, 200)
                self.clock.advance(0.5)
            self.assertEqual((hangs_up is False, False), (self.camera.wrong_logins == 1, client.refused))

    def test_a_nonce_for_one_request(self) -> None:
        """A server that makes a nonce for each request costs one failure; what was seen holds for the next client."""
        self.camera.password, self.camera.single_use = LOGIN.password.reveal(), True
        habits = NonceHabits()
        for failures in (1, 1):
            client = self.client(habits=habits)
            for method in ("DESCRIBE", "SETUP", "PLAY"):
                self.assertEqual(self.ask(client, method).status, 200)
            result_of(self.clock, client.request_and_ignore("TEARDOWN", URL, timeout=1.0))
            self.assertEqual(failures, self.camera.wrong_logins)
            self.assertTrue(self.camera.asked[-1].authorized)

    def test_a_nonce_that_ages_while_it_plays(self) -> None:
        """TEARDOWN comes seconds after the nonce: it carries none that may have aged, for that would be a failure."""
        self.camera.password, self.camera.nonce_life = LOGIN.password.reveal(), 2.0
        client = self.client()
        for method in ("DESCRIBE", "SETUP", "PLAY"):
            self.assertEqual(self.ask(client, method).status, 200)
        self.clock.advance(3.0)
        self.camera.asked.clear()
        client.send("TEARDOWN", URL)
        result_of(self.clock, client.request_and_ignore("TEARDOWN", URL, timeout=1.0))
        self.assertEqual([False, False, True], [asked.authorized for asked in self.camera.asked])
        self.assertEqual(0, self.camera.wrong_logins)

    def test_twice_in_doubt(self) -> None:
        """Refused with an old nonce, then with another question: it was not refused for sure, and is not sent again."""
        self.camera.password = LOGIN.password.reveal()
        client = self.client()
        self.ask(client)
        refusals = ["first", "second"]

        def refuse(request: RtspRequest) -> bytes:
            realm = refusals.pop(0)
            return f'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="{realm}", nonce="n"\r\n\r\n'.encode()

        self.camera.script["DESCRIBE"] = refuse
        self.camera.asked.clear()
        with self.assertRaises(Unauthorized) as caught:
            self.ask(client)
        self.assertEqual((False, True), (caught.exception.attempted, caught.exception.unsure))
        self.assertEqual(["+/stream1", "+/stream1"], self.camera.described())

    def test_an_old_nonce_stays_on_its_connection(self) -> None:
        """A server that closes after its 401 is not sent the nonce of one connection on the next unasked."""
        self.camera.password, self.camera.hangs_up = LOGIN.password.reveal(), True
        client = self.client()
        for _ in range(3):
            self.camera.asked.clear()
            self.assertEqual(self.ask(client).status, 200)
            self.assertFalse(self.camera.asked[0].authorized)
            self.camera.connections[-1].hang_up()

    def test_another_question(self) -> None:
        """A refusal with another realm than that which was answered is not one of the login."""
        self.camera.password = LOGIN.password.reveal()
        asked: list[RtspRequest] = []

        def challenge(text: str) -> str:
            asked.append(self.camera.asked[-1].request)
            self.camera.realm = "second"
            return text

        self.camera.challenge = challenge
        client = self.client()
        self.assertEqual((200, True), (self.ask(client).status, client.accepted))
        self.assertEqual(2, len(asked))

    def test_nothing_but_no(self) -> None:
        """An old nonce that is refused without a challenge is asked for anew."""
        self.camera.password, self.camera.nonce_life = LOGIN.password.reveal(), 0.5
        client = self.client()
        self.ask(client)
        self.clock.advance(0.8)
        bare = [b"RTSP/1.0 401 No\r\n\r\n"]
        self.camera.script["DESCRIBE"] = lambda request: bare.pop() if bare else ...
        self.assertEqual(200, self.ask(client).status)

    def test_realms(self) -> None:
        """A realm is hashed as the octets that came, whatever they are."""
        self.camera.password = LOGIN.password.reveal()
        for octets in ("海康".encode("gbk"), "Caméra".encode("latin-1"), "Kamera ä".encode(), b'a \\"b\\" c'):
            self.camera.realm = octets.decode("utf-8", "surrogateescape")
            client = self.client()
            self.assertEqual((200, 0), (self.ask(client).status, self.camera.wrong_logins), octets)
            self.assertTrue(client.realm.isprintable())

    def test_challenges(self) -> None:
        """A challenge in the words of any firmware is answered."""
        self.camera.password = LOGIN.password.reveal()
        for wording in (
            lambda text: text.replace(", ", " "),
            lambda text: text.replace(", ", ""),
            lambda text: text.replace(", ", "\t"),
            lambda text: text + ", algorithm=md5",
            lambda text: text + ' algorithm="MD5" stale=FALSE',
            lambda text: 'Basic realm="x" ' + text,
        ):
            self.camera.challenge = wording
            client = self.client()
            self.assertEqual((200, 0), (self.ask(client).status, self.camera.wrong_logins), wording("Digest a, b"))

    def test_silence_with_a_login(self) -> None:
        """A login that is not answered is reported as such before anything else happens."""
        told: list[str] = []

        class Permit:
            async def acquire(self, realm: str = "") -> bool:
                return True

            def accepted(self, scheme: str = "") -> None:
                told.append("accepted")

            def unanswered(self) -> None:
                told.append("unanswered")

        self.camera.password = LOGIN.password.reveal()
        self.camera.script["DESCRIBE"] = lambda request: None if request.header("Authorization") else ...
        client = self.client(Login(LOGIN.name, LOGIN.password, permit=Permit()))
        with self.assertRaises(Unreachable):
            result_of(self.clock, client.request("DESCRIBE", URL), wait=6)
        self.assertEqual(["unanswered"], told)

    def test_redirects(self) -> None:
        """A redirect to another path of the same server is followed; the login goes where it is asked for."""
        self.camera.password = LOGIN.password.reveal()
        elsewhere = "/else?where=1"
        self.camera.paths[elsewhere] = SDP
        self.clock.advance(1)
        for status, location in (
            (301, f"rtsp://10.0.0.5:554{elsewhere}"),
            (302, f"rtsp://u:p@10.0.0.5{elsewhere}"),
            (305, elsewhere),
        ):
            moved = f"RTSP/1.0 {status} Moved\r\nLocation: {location}\r\n\r\n".encode()
            self.camera.script["DESCRIBE"] = lambda request, moved=moved: moved if request.url == URL else ...
            self.camera.asked.clear()
            response, url = result_of(self.clock, self.client().describe(URL))
            self.assertEqual((200, "rtsp://10.0.0.5:554" + elsewhere), (response.status, url))
            self.assertEqual(["/stream1", elsewhere, "+" + elsewhere], self.camera.described())

    def test_redirects_of_redirects(self) -> None:
        """From there too, up to three times, and to no URL twice."""
        path = "rtsp://10.0.0.5:554/s"
        for status, targets in ((200, "123"), (302, "1234"), (302, "1212")):
            self.camera.paths = {f"/s{targets[-1]}": SDP} if status == 200 else {}
            following = iter(targets)
            self.camera.script["DESCRIBE"] = lambda _, following=following: next(
                (f"RTSP/1.0 302 Moved\r\nLocation: {path}{one}\r\n\r\n".encode() for one in following), ...
            )
            self.camera.asked.clear()
            response, url = result_of(self.clock, self.client().describe(URL))
            self.assertEqual(status, response.status, targets)
            asked = ["/stream1", *(f"/s{one}" for one in dict.fromkeys(targets[:3]))]
            self.assertEqual(asked, self.camera.described(), targets)
            self.assertEqual(f"rtsp://10.0.0.5:554{asked[-1]}", url)

    def test_redirects_that_want_the_login_each(self) -> None:
        """The last of them is the answer where no further login may be sent; else that stays the reason."""
        said = iter(range(9))

        def redirect(request: RtspRequest, *, first_is_open: bool) -> Any:
            if request.header("Authorization") or (request.url == URL and first_is_open):
                return f"RTSP/1.0 302 Moved\r\nLocation: /s{next(said)}\r\n\r\n".encode()
            return ...

        class Permit:
            def __init__(self, count: int) -> None:
                self.count = count

            async def acquire(self, realm: str = "") -> bool:
                self.count -= 1
                return self.count >= 0

            def accepted(self, scheme: str = "") -> None:
                """Never here."""

            def unanswered(self) -> None:
                """Never here."""

        self.camera.password, self.camera.any_path = LOGIN.password.reveal(), True
        for first_is_open, count in ((False, 2), (True, 1)):
            self.camera.script["DESCRIBE"] = partial(redirect, first_is_open=first_is_open)
            client = self.client(Login(LOGIN.name, LOGIN.password, permit=Permit(count)))
            response, url = result_of(self.clock, client.describe(URL))
            self.assertEqual((302, self.camera.asked[-2].url), (response.status, url))
        client = self.client(Login(LOGIN.name, LOGIN.password, permit=Permit(0)))
        with self.assertRaises(LoginWithheld):
            result_of(self.clock, client.describe(URL))

    def test_redirects_elsewhere(self) -> None:
        """One to another host, port or scheme, to itself, or to what is none is an answer like any other."""
        for location in (
            "rtsp://10.9.9.9/stream2",
            "rtsp://10.0.0.5:8554/stream2",
            "rtsps://10.0.0.5:554/stream2",
            "http://10.0.0.5:554/stream2",
            "//10.9.9.9/stream2",
            URL,
            "rtsp://10.0.0.5:554/\x01",
            "",
        ):
            self.camera.asked.clear()
            self.camera.script["DESCRIBE"] = f"RTSP/1.0 302 Moved\r\nLocation: {location}\r\n\r\n".encode()
            response, url = result_of(self.clock, self.client().describe(URL))
            self.assertEqual((302, URL, 1), (response.status, url, len(self.camera.asked)), location)

    def test_closed_after_401(self) -> None:
        """A server that hangs up after its 401 gets the answer on a new connection, and one credential."""
        self.camera.password, self.camera.hangs_up = LOGIN.password.reveal(), True
        self.assertEqual(self.ask(self.client()).status, 200)
        self.assertEqual((self.camera.wrong_logins, self.camera.accepted, self.camera.most_open), (0, 1, 1))

    def test_nonce_of_one_connection(self) -> None:
        """A connection lost between requests does not make a right login wrong where each has its own nonces."""
        self.camera.password, self.camera.nonce_per_connection = LOGIN.password.reveal(), True
        client = self.client()
        result_of(self.clock, client.request_without_login("DESCRIBE", URL))
        self.camera.connections[0].hang_up()
        self.assertEqual(self.ask(client).status, 200)
        self.camera.connections[1].hang_up()
        self.assertEqual(self.ask(client).status, 200)
        self.assertEqual(self.camera.wrong_logins, 0)

    def test_connection_close_header(self) -> None:
        """A server that announces the end of its connection is asked on a new one."""
        self.camera.script["OPTIONS"] = b"RTSP/1.0 200 OK\r\nConnection: Close\r\n\r\n"
        client = self.client()
        result_of(self.clock, client.request_without_login("OPTIONS", URL))
        self.ask(client)
        self.assertEqual([asked.connection for asked in self.camera.asked], [0, 1])

    def test_connection_close_that_means_nothing(self) -> None:
        """Where each answer says so, what is set up on a connection is played there."""
        for method, answer in (("SETUP", b"Session: 4\r\n"), ("PLAY", b"")):
            self.camera.script[method] = b"RTSP/1.0 200 OK\r\nConnection: close\r\n" + answer + b"\r\n"
        client = self.client()
        for method in ("SETUP", "PLAY", "TEARDOWN"):
            result_of(self.clock, client.request(method, URL, reconnect=method == "SETUP"))
        self.assertEqual([0, 0, 0], [asked.connection for asked in self.camera.asked])
        client.close()

    def test_a_server_that_only_hangs_up(self) -> None:
        """A server that hangs up on every request is asked once."""
        self.camera.script["DESCRIBE"] = "close"
        with self.assertRaises(Unreachable):
            self.ask(self.client())
        self.assertEqual(len(self.camera.connections), 1)
