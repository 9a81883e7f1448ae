"""XML of devices: what is repaired, what is refused, and that nothing else can happen."""

from __future__ import annotations

import time

from hypothesis import example, given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.wire.soap.xml import (
    FEW_QUOTES,
    FEW_TAGS,
    MAX_DEPTH,
    MAX_QUOTES,
    MAX_TAGS,
    MAX_TEXT,
    attribute,
    children,
    clean,
    descendants,
    escape,
    find,
    local,
    namespace,
    parse_xml,
    text_at,
    text_of,
)

SMALL = b'<?xml version="1.0" encoding="utf-8"?><a:r xmlns:a="urn:x"><a:b k="v">1</a:b><c>2</c></a:r>'

READ = [
    (b"<a>x&amp;y</a>", "x&y"),
    (b"<a>x&nbsp;y</a>", "xy"),
    (b"<a>rtsp://h/?a=1&b=2&amp;c=3&&</a>", "rtsp://h/?a=1&b=2&c=3&&"),
    (b"<a>&#0;1&#x1F;</a>", "1"),
    (b"<a>1&#xD800;&#56320;&#x00000dfff;&#xFFFE;&#x110000;2&#x1F600;</a>", "12\U0001f600"),
    (b"<p:a><q:b>1</q:b></p:a>", "1"),
    (b"<a>1</a>\0\0\r\n", "1"),
    (b"<a>1</a> trailing <b", "1"),
    (b"\r\n  \xef\xbb\xbf <a>1</a>", "1"),
    ("\n<?xml version=“1.0” ?><a>é</a>".encode(), "é"),
    ("<a>é</a>".encode("utf-16"), "é"),
    ('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16-le"), "é"),
    ("<a>é</a>".encode("utf-16-be"), "é"),
    ('<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode(), "é"),
    (b"<s:a xmlns:s='x'><s:b>1</s:b></SOAP:a>", "1"),
    (b"<a><s:b>1</s:b></s:a> trailing", "1"),
    ('<?xml version="1.0" encoding="GB2312"?><a>摄像机</a>'.encode("gb2312"), "摄像机"),
    ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"), "é"),
    ('<?xml version="1.0" encoding="unicode-9000"?><a>é</a>'.encode(), "é"),
    (b'<?xml version="1.0" encoding="rot13"?><a>x</a>', "x"),
    (b"<a>\xff\xfe1</a>", "��1"),
    ('<?xml version="1.0" encoding="utf-8"?><a>Caméra ‚Süd‘ à côté</a>'.encode("cp1252"), "Caméra ‚Süd‘ à côté"),
    ("<a>Süd</a>".encode("latin-1"), "Süd"),
    ("<a>摄像机</a>".encode("gb2312"), "�����"),
    ("<a>Haustür</a>".encode()[:-6] + b"</a>", "Haust�"),
    (b"<a><![CDATA[ 1 < 2 ]]></a>", "1 < 2"),
    (b"<a><!-- no -->1<?no no?></a>", "1"),
    (b"<a>one\n   two\x0b</a>", "one two�"),
    ("<a>a\u202egnp.exe\u0085b</a>".encode(), "agnp.exe b"),
]

REFUSED = [
    b"",
    b"   ",
    b"hello",
    b"<",
    b"</a>",
    b"<a>",
    b"<a><b></b>",
    b"<a><b>cut",
    b"<!DOCTYPE html><html></html>",
    b"<!doctype html><html></html>",
    b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'.encode("utf-16"),
    b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
    b"<a>" * 3000 + b"</a>" * 3000,
    b"<a>" + b"<b/>" * 200_000 + b"</a>",
    b"<a>" + b"x" * 1_048_576 + b"</a>",
]


class ParseXml(SynchronousTestCase):
    def test_read(self) -> None:
        """Each document gives the text beside it, however badly it is written."""
        for data, expected in READ:
            root = parse_xml(data)
            self.assertEqual((local(root), text_of(root)), ("a", expected), data)

    def test_refused(self) -> None:
        """What is cut, too large, too deep, or brings a document type is the device's error."""
        for data in REFUSED:
            with self.assertRaises(RemoteError, msg=data[:60]):
                parse_xml(data)

    def test_limit(self) -> None:
        """The bound is the caller's where he gives one."""
        self.assertEqual(text_of(parse_xml(b"<a>12</a>", limit=9)), "12")
        with self.assertRaises(RemoteError):
            parse_xml(b"<a>12</a>", limit=8)

    def test_truncated(self) -> None:
        """A document cut anywhere before its end is refused: half an answer must not pass for a whole one."""
        for end in range(len(SMALL)):
            with self.assertRaises(RemoteError):
                parse_xml(SMALL[:end])

    def test_deep_enough(self) -> None:
        """The deepest document that is allowed is read."""
        self.assertEqual(text_of(parse_xml(b"<a>" * MAX_DEPTH + b"1" + b"</a>" * MAX_DEPTH)), "1")

    def test_bounded_in_number(self) -> None:
        """A document about one thing has few tags and attributes; a list may have many, and has an end too."""
        for few, most, element in (
            (FEW_TAGS, MAX_TAGS, b"<b/>"),
            (FEW_QUOTES // 2, MAX_QUOTES // 2, b'<b c="1"/>'),
            (FEW_QUOTES // 2, MAX_QUOTES // 2, b"<b c = '1'/>"),
        ):
            with self.subTest(element=element):
                room = 10
                parse_xml(b"<a>" + element * (few - room) + b"</a>")
                large = b"<a>" + element * (most - room) + b"</a>"
                parse_xml(large, limit=10**7, large=True)
                for data, more in ((large, False), (b"<a>" + element * (most + room) + b"</a>", True)):
                    with self.assertRaises(RemoteError):
                        parse_xml(data, limit=10**7, large=more)
        one = b"<a " + b" ".join(b'x%d="1"' % number for number in range(120_000)) + b"/>"
        for data in (one, b"<a>" + b"&lt;" * 100_000 + b"</a>", b"<a>" + b"\x01" * 100_000 + b"</a>"):
            with self.assertRaises(RemoteError):
                parse_xml(data, limit=10**7, large=True)

    def test_a_whole_buffer(self) -> None:
        """A device that sends the whole buffer in which it made its answer has answered."""
        self.assertEqual("1", text_of(parse_xml(b"<a>1</a>" + bytes(8000))))

    def test_unknown_prefixes(self) -> None:
        """Names with a prefix that was never declared are found as any; what is no name is passed over."""
        root = parse_xml(b"<a><t:b>1</t:b><b>2</b><t:554/><u:b c='3'><t:d>4</t:d></u:b></a>")
        self.assertEqual(["1", "2", "4"], [text_of(one) for one in children(root, "b")])
        self.assertEqual(["4"], [text_of(one) for one in descendants(root, "d")])

    def test_quick(self) -> None:
        """The largest hostile documents take well under a second: many attributes, namespaces, tags."""
        started = time.perf_counter()
        for data in (
            b"<a " + b" ".join(b'x%d="1"' % n for n in range(80_000)) + b"/>",
            b"<a " + b" ".join(b'xmlns:x%d="u%d"' % (n, n) for n in range(40_000)) + b"/>",
            b"<a>" + b"<b/>" * 99_000 + b"</a>",
            b"<a>" + b"<a>" * 60_000 + b"</a>",
            b"&" * 1_000_000,
        ):
            try:
                parse_xml(data)
            except RemoteError:
                continue
        self.assertLess(time.perf_counter() - started, 5.0)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.binary(max_size=3)), max_size=6))
    @example([(0, b"\xff\xfe")])
    def test_mutated(self, changes: list[tuple[int, bytes]]) -> None:
        """Changed bytes give a tree or a RemoteError, never another exception, and the tree can be walked."""
        data = SMALL
        for position, insert in changes:
            data = data[:position] + insert + data[position + 1 :]
        try:
            root = parse_xml(data)
        except RemoteError:
            return
        for element in root.iter():
            local(element), namespace(element), text_of(element), attribute(element, "k")

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        """Bytes of nobody give a RemoteError or a tree."""
        try:
            parse_xml(data)
        except RemoteError:
            return


class Walk(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = parse_xml(SMALL)

    def test_names(self) -> None:
        """Local name and namespace are told apart."""
        self.assertEqual((local(self.root), namespace(self.root)), ("r", "urn:x"))
        self.assertEqual(namespace(next(children(self.root, "c"))), "")

    def test_find(self) -> None:
        """Paths go by local names; what is missing is None, "" or nothing."""
        self.assertEqual(text_at(self.root, "b"), "1")
        self.assertEqual([local(child) for child in children(self.root)], ["b", "c"])
        self.assertEqual([text_of(child) for child in descendants(self.root, "c", "b")], ["1", "2"])
        self.assertIsNone(find(self.root, "b", "nothing"))
        self.assertEqual((text_at(None, "b"), list(children(None)), list(descendants(None, "b"))), ("", [], []))

    def test_attribute(self) -> None:
        """An attribute is found by its local name, and one without a sane length is none."""
        self.assertEqual(attribute(find(self.root, "b"), "k"), "v")
        self.assertEqual(attribute(parse_xml(b'<a xmlns:t="u" t:token=" x "/>'), "token"), " x ")
        self.assertEqual(attribute(parse_xml(b'<a k="' + b"x" * 5000 + b'"/>'), "k"), "")
        self.assertEqual(attribute(None, "k"), "")

    def test_cut(self) -> None:
        """A text is cut at a bound."""
        self.assertEqual(len(text_of(parse_xml(b"<a>" + b"x" * 10_000 + b"</a>"))), MAX_TEXT)

    def test_escape(self) -> None:
        """Whatever is escaped is read back; what XML does not allow became a replacement character."""
        escaped = escape('<&>"x\0')
        self.assertEqual(text_of(parse_xml(f'<a k="{escaped}">{escaped}</a>'.encode())), '<&>"x�')

    @given(st.text(max_size=100))
    def test_clean(self, text: str) -> None:
        """A cleaned text is one printable line, and cleaning it again changes nothing."""
        cleaned = clean(text)
        self.assertTrue(cleaned.isprintable())
        self.assertEqual(clean(cleaned), cleaned)
