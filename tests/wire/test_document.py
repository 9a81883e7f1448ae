"""Envelopes in answers as they come: when they are whole, and what is taken out of all that came."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.response import Wholeness
from twisted_detector.wire.soap.document import MAX_BEFORE, SoapDocument, envelope_in
from twisted_detector.wire.soap.envelope import SoapFault, parse_response
from twisted_detector.wire.soap.xml import text_at

XML = (
    b'<?xml version="1.0" encoding="utf-8"?>\r\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="x"><SOAP-ENV:Header/><SOAP-ENV:Body>'
    b"<GetResponse><a>hi</a></GetResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>"
)
#: What may stand around an envelope.
MTOM = (
    b"--uuid:1\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\n"
    b"Content-Transfer-Encoding: binary\r\nContent-ID: <root@soap.org>\r\n\r\n%s\r\n--uuid:1--\r\n",
    b"This is a message <in> parts.\r\n--b\r\nContent-Type: text/plain\r\n\r\nplease <wait>\r\n--b\r\n\r\n%s\r\n--c",
    b"\xef\xbb\xbf%s\0\0\0\0<old></s:Envelope",
    b"\r\n\r\n %s\n\n",
    b"200 OK\r\n\r\n%s",
)  # fmt: skip


def judged(data: bytes, step: int = 1) -> Wholeness:
    document = SoapDocument()
    for start in range(0, len(data), step):
        document.feed(data[start : start + step])
    return document.judge()


class Documents(SynchronousTestCase):
    def test_whole(self) -> None:
        """It is whole with the end of the envelope, not one octet before, however it is cut."""
        for around in (b"%s", *MTOM):
            data = around % XML
            end = data.index(b"</SOAP-ENV:Envelope>") + len(b"</SOAP-ENV:Envelope>")
            for step in (1, 10, 4_096):
                document = SoapDocument()
                for start in range(0, end - 1, step):
                    self.assertFalse(document.feed(data[start : min(start + step, end - 1)]))
                self.assertTrue(document.feed(data[end - 1 :]))
                self.assertTrue(document.feed(b"more"))

    def test_judged(self) -> None:
        """What is no envelope is not judged; one whose answer is closed lacks nothing that matters."""
        for data, says in (
            (b"", Wholeness.UNKNOWN),
            (b"<html><body>hello", Wholeness.UNKNOWN),
            (XML.decode().encode("utf-16"), Wholeness.UNKNOWN),
            (b"x" * MAX_BEFORE + XML, Wholeness.UNKNOWN),
            (XML[:20], Wholeness.OPEN),
            (b'<?xml version="1.0"?>\r\n', Wholeness.OPEN),
            (b'\xef\xbb\xbf<?xml version="1.0"?>\r\n<s:Env', Wholeness.OPEN),
            (b"<", Wholeness.OPEN),
            (b"<s:Envelop", Wholeness.OPEN),
            (XML[:90], Wholeness.OPEN),
            (XML[: XML.index(b"</GetResponse>") + 13], Wholeness.OPEN),
            (XML[: XML.index(b"</GetResponse>") + 14], Wholeness.USABLE),
            (XML[:-30], Wholeness.USABLE),
            (XML[:-1], Wholeness.USABLE),
            (XML[:-20] + b"\r\n\0"[:2], Wholeness.USABLE),
            (XML, Wholeness.WHOLE),
        ):
            self.assertIs(judged(data), says, data)

    def test_taken_out(self) -> None:
        """Parts, heads and junk around an envelope go, and closing tags that were cut off come back."""
        for around in (b"%s", *MTOM):
            for cut in (0, 1, 5, 20, 25, 36):
                if cut and not around.endswith(b"%s"):
                    continue
                data = around % XML[: len(XML) - cut]
                self.assertEqual(text_at(parse_response(data), "GetResponse", "a"), "hi", data)

    def test_left_alone(self) -> None:
        """What is no envelope, or is cut within its answer, comes back as it is."""
        for data in (b"", b"<html></html>", XML[:-60], XML[:90], b"</s:Envelope>"):
            self.assertEqual(envelope_in(data), data)
            self.assertRaises(RemoteError, parse_response, data)
        self.assertIs(envelope_in(XML), XML)

    def test_a_fault_cut_off(self) -> None:
        """A fault that lacks the last tags is a fault."""
        data = b"<e:Envelope><e:Body><e:Fault><faultcode>x</faultcode></e:Fault>"
        for cut in (b"", b"</e:Body>", b"</e:Body></e:Env"):
            self.assertRaises(SoapFault, parse_response, data + cut)
