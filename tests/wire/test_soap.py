"""Envelopes, faults and UsernameTokens: what we write is what others read, and what others write is judged rightly."""

from __future__ import annotations

import base64
import math

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.wire.soap import (
    fault_envelope,
    parse_request,
    parse_time,
    read_username_token,
    verify_username_token,
)
from twisted_detector.wire.soap.envelope import (
    SoapFault,
    envelope,
    format_time,
    parse_response,
    username_token,
)
from twisted_detector.wire.soap.xml import local, text_at

NOW = 1_700_000_000.0


def fault_of(data: bytes):  # type: ignore[no-untyped-def]
    try:
        parse_response(data)
    except SoapFault as error:
        return error.fault
    raise AssertionError("no fault")


class Envelope(SynchronousTestCase):
    def test_one_line(self) -> None:
        """A message is one line: some devices answer a line break with a fault."""
        data = envelope("<a/>", header_xml="<b/>")
        self.assertNotIn(b"\n", data)
        self.assertEqual(
            data,
            b'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
            b"<s:Header><b/></s:Header><s:Body><a/></s:Body></s:Envelope>",
        )

    def test_response(self) -> None:
        """The Body of an answer is found whatever prefix or SOAP version it has."""
        for data in (
            envelope("<r><x>1</x></r>"),
            b'<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><r><x>1</x></r></Body></Envelope>',
            b"<E:Envelope><E:Header/><E:Body><r><x>1</x></r></E:Body></E:Envelope>",
        ):
            self.assertEqual(text_at(parse_response(data), "r", "x"), "1")

    def test_no_envelope(self) -> None:
        """What is no envelope is the device's error."""
        for data in (b"<html><body/></html>", b"<Envelope/>", b"404", b""):
            with self.assertRaises(RemoteError):
                parse_response(data)

    def test_request(self) -> None:
        """A request tells operation, namespace and header."""
        request = parse_request(envelope('<t:Get xmlns:t="urn:t"><t:x>1</t:x></t:Get>', header_xml="<h/>"))
        self.assertEqual((request.operation, request.namespace), ("Get", "urn:t"))
        self.assertEqual(text_at(request.element, "x"), "1")
        self.assertEqual(local(next(iter(request.header))), "h")
        self.assertIsNone(parse_request(envelope("<a/>")).header)
        with self.assertRaises(RemoteError):
            parse_request(envelope(""))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_mutated(self, data: st.DataObject) -> None:
        """A changed or cut message gives a body or a RemoteError, never another exception."""
        whole = fault_envelope("ter:NotAuthorized", "You still have 5 attempt(s)", detail="d")
        cut = data.draw(st.integers(0, len(whole)))
        changed = whole[:cut] + data.draw(st.binary(max_size=4)) + whole[cut + data.draw(st.integers(0, 40)) :]
        for parse in (parse_response, parse_request):
            try:
                parse(changed)
            except RemoteError:
                continue

    def test_truncated(self) -> None:
        """A message cut before its answer is closed is refused; closing tags after it may be missing."""
        whole = envelope("<rResponse><x>1</x></rResponse>")
        closed = whole.index(b"</rResponse>") + len(b"</rResponse>")
        for end in range(len(whole)):
            if end < closed:
                with self.assertRaises(RemoteError):
                    parse_response(whole[:end])
            else:
                self.assertEqual(text_at(parse_response(whole[:end]), "rResponse", "x"), "1")


class Faults(SynchronousTestCase):
    def test_written_and_read(self) -> None:
        """A fault that we write is read with all its parts."""
        fault = fault_of(fault_envelope("ter:ActionNotSupported", "no <such> action", code="s:Receiver", detail="why"))
        self.assertEqual(fault.subcode, "ActionNotSupported")
        self.assertEqual(fault.codes, ("s:Receiver", "ter:ActionNotSupported"))
        self.assertEqual((fault.reason, fault.text), ("no <such> action", "no <such> action why"))
        self.assertEqual((fault.is_auth, fault.attempts_left, fault.locked), (False, None, False))

    def test_soap_11(self) -> None:
        """A fault of SOAP 1.1 is read too."""
        fault = fault_of(
            b"<e:Envelope><e:Body><e:Fault><faultcode>SOAP-ENV:Client</faultcode>"
            b"<faultstring>Wsse authorized time check failed</faultstring></e:Fault></e:Body></e:Envelope>"
        )
        self.assertEqual((fault.subcode, fault.is_auth), ("Client", True))

    def test_about_the_login(self) -> None:
        """Codes and texts that mean the login are told from those that do not."""
        for code, text, expected in (
            ("ter:NotAuthorized", "", True),
            ("wsse:FailedAuthentication", "", True),
            ("ter:InvalidArgVal", "Authority failure", True),
            ("ter:InvalidArgVal", "The username or password is wrong", True),
            ("ter:InvalidArgVal", "Sender not Authorized", True),
            ("ter:NoProfile", "The requested profile token does not exist", False),
            ("ter:WellFormed", "Well-formed error", False),
            ("InternalServerError", "TypeError: method is not a function", False),
            ("ter:InvalidArgVal", "author unknown", False),
        ):
            self.assertEqual(fault_of(fault_envelope(code, text)).is_auth, expected, f"{code} {text}")

    def test_about_the_time(self) -> None:
        """Words about the login's time are told from those about its password, and from other uses of the word."""
        for code, text, expected in (
            ("ter:NotAuthorized", "Wsse authorized time check failed", True),
            ("wsse:MessageExpired", "", True),
            ("ter:NotAuthorized", "Timestamp is invalid", True),
            ("ter:NotAuthorized", "The device's clock differs", True),
            ("ter:NotAuthorized", "Sender not Authorized", False),
            ("ter:NotAuthorized", "Wrong password", False),
            ("ter:NotAuthorized", "Password expired", False),
            ("ter:NotAuthorized", "Locked for the first time, try another time", False),
        ):
            fault = fault_of(fault_envelope(code, text))
            self.assertEqual((fault.about_time, fault.is_auth), (expected, True), f"{code} {text}")

    def test_shown(self) -> None:
        """The error says what the device said."""
        with self.assertRaises(SoapFault) as caught:
            parse_response(fault_envelope("ter:NotAuthorized", "no"))
        self.assertIn("NotAuthorized: no", str(caught.exception))


class Tokens(SynchronousTestCase):
    def header(self, **changes: object):  # type: ignore[no-untyped-def]
        said = {"name": "admin", "password": "p<&w", "nonce": b"1234", "created": format_time(NOW), **changes}
        name, password = said.pop("name"), said.pop("password")
        return parse_request(envelope("<a/>", header_xml=username_token(name, password, **said))).header  # type: ignore

    def test_onvif_example(self) -> None:
        """The example of the ONVIF Application Programmer's Guide (section 6.1.1.3) is ours."""
        xml = username_token(
            "user",
            "userpassword",
            nonce=base64.b64decode("LKqI6G/AikKCQrN0zqZFlg=="),
            created="2010-09-16T07:50:45Z",
        )
        self.assertIn(">tuOSpGlFlIXsozq4HFNeeGeFLEI=<", xml)
        self.assertIn(">LKqI6G/AikKCQrN0zqZFlg==<", xml)
        self.assertIn("<wsse:Username>user</wsse:Username>", xml)  # some firmware looks for just that

    def test_verified(self) -> None:
        """The right password within the window is accepted; a wrong one, another user, a stale time are not."""
        passwords = {"admin": "p<&w"}.get
        self.assertTrue(verify_username_token(self.header(), passwords, now=NOW + 299))
        self.assertFalse(verify_username_token(self.header(), passwords, now=NOW + 301))
        self.assertTrue(verify_username_token(self.header(), passwords, now=NOW + 301, window=math.inf))
        self.assertFalse(verify_username_token(self.header(password="other"), passwords, now=NOW))
        self.assertFalse(verify_username_token(self.header(name="root"), passwords, now=NOW))
        self.assertFalse(verify_username_token(self.header(created="yesterday"), passwords, now=NOW))
        self.assertFalse(verify_username_token(None, passwords, now=NOW))

    def test_plain(self) -> None:
        """A password in clear is understood on the server's side."""
        data = (
            b"<Envelope><Header><Security><UsernameToken><Username>u</Username>"
            b'<Password Type="x#PasswordText">p</Password></UsernameToken></Security></Header>'
            b"<Body><a/></Body></Envelope>"
        )
        header = parse_request(data).header
        self.assertTrue(verify_username_token(header, {"u": "p"}.get, now=NOW))
        self.assertFalse(verify_username_token(header, {"u": "q"}.get, now=NOW))

    def test_no_secret(self) -> None:
        """The password stands nowhere in the message, the digest does."""
        xml = username_token("admin", "p4ssw0rd", nonce=b"1234", created="2010-09-16T07:50:45Z")
        self.assertNotIn("p4ssw0rd", xml)
        token = read_username_token(self.header())
        self.assertEqual((token.name, token.nonce, token.plain), ("admin", b"1234", False))

    def test_broken(self) -> None:
        """A token whose nonce is no base64, or without a password, is none."""
        for inner in (b"<Username>u</Username>", b"<Password>p</Password><Nonce>\xc3\xa9</Nonce>"):
            data = (
                b"<Envelope><Header><UsernameToken>" + inner + b"</UsernameToken></Header><Body><a/></Body></Envelope>"
            )
            self.assertIsNone(read_username_token(parse_request(data).header))


class Times(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """A time is written in UTC to the second and read back."""
        self.assertEqual(format_time(1_284_623_445.9), "2010-09-16T07:50:45Z")
        self.assertEqual(parse_time("2010-09-16T07:50:45Z"), 1_284_623_445.0)
        self.assertEqual(parse_time(" 2010-09-16T09:50:45+02:00 "), 1_284_623_445.0)
        self.assertEqual(parse_time("2010-09-16T07:50:45"), 1_284_623_445.0)

    def test_refused(self) -> None:
        """What is no time is the device's error when read, and ours when written."""
        for text in ("", "now", "2010-13-01T00:00:00Z", "9" * 100):
            with self.assertRaises(RemoteError):
                parse_time(text)
        for seconds in (-1.0, math.nan, math.inf, 1e12):
            with self.assertRaises(LocalError):
                format_time(seconds)
