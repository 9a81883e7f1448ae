"""A peer's bytes go in; an element tree that is safe to walk, and the texts in it, come out.

Devices write XML with wrong prefixes, wrong namespaces, broken UTF-8 and stray bytes (XML 1.0 calls that fatal), so
names are compared by their local part only and what can be repaired is repaired. Document types and their entities are
refused: SOAP forbids them (SOAP 1.2 part 1, section 5), and they are how XML parsers are attacked.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from twisted_detector.errors import RemoteError

# lxml is loaded with the first document (or before: load_parser): it takes 4 MB, and a daemon on a network without
# ONVIF never sees one.
if TYPE_CHECKING:
    from lxml.etree import XMLParser, _Element

    Element = _Element
else:
    Element = object

#: 1 MiB: the largest answer in our collection of captures has 58 kB.
MAX_BYTES = 1_048_576
#: What is longer takes up to 10 ms, and is read in another thread where that can be.
LONG = 100_000
#: Deepest nesting: SOAP answers of ONVIF stay below 20.
MAX_DEPTH = 64
#: Most "<": an NVR's answer with 64 profiles has about 60 000; libxml2 takes about 120 bytes for each element. Answers
#: about one thing, and announcements, have below 1 000.
MAX_TAGS, FEW_TAGS = 100_000, 5_000
#: Most quotes, two for each attribute: recorders have one for every fourth element, an answer about one thing has below
#: 500. An element with 120 000 attributes holds up everything for a fifth of a second.
MAX_QUOTES, FEW_QUOTES = 80_000, 5_000
#: Most entities ("&amp;" in URLs, some for each profile), and characters that XML does not allow.
MAX_ENTITIES, MAX_ILLEGAL = 10_000, 1_000
#: Longest text handed out: the longest meaningful one is a URL (2 048 is what clients accept); names are cut at this.
MAX_TEXT = 4096

_ENCODINGS = frozenset({"ascii", "iso8859-1", "iso8859-15", "cp1252", "gb2312", "gbk", "gb18030", "big5", "euc_kr"})
_UTF16 = (b"<\0", b"\0<")
#: In what is no UTF-8: several octets that are not ASCII (of an Asian encoding, or broken UTF-8), or one that may have
#: lost its second where a device cut a name. Else each is a letter of its own.
_NOT_SINGLE = re.compile(rb"[\x80-\xff]{2}|[\xc2-\xc5](?:<|$)")
_DECLARATION = re.compile(r"\s*<\?xml[^>]*>")
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_ROOT = re.compile(r"<([^\s<>/!?]+)")
#: A "&" that begins no entity: it stands in URLs that a device did not escape, and a parser drops the word behind it.
_BARE_AMPERSAND = re.compile(r"&(?!#?\w{1,32};)")
#: A character by its number: libxml2 takes half of a pair of UTF-16, of which lxml makes no text.
_REFERENCE = re.compile(r"&#(?:x0*([0-9A-Fa-f]{1,8})|0*([0-9]{1,10}));")
#: Characters that XML 1.0 does not allow (section 2.2).
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load_parser() -> None:
    """Load what the first documents load: for who expects many of them at once, and may choose the moment."""
    for recover in (False, True):
        _parser(recover)
    parse_xml(b"<a/>")


def parse_xml(data: bytes, *, limit: int = MAX_BYTES, large: bool = False) -> Element:
    """The root element of a document; broken characters, unknown prefixes and trailing bytes are repaired.

    :param large: it may be a list of many things (the profiles of a recorder); parse what is :data:`LONG` in
        another thread.
    :raises RemoteError: empty, longer than ``limit`` bytes, cut short, too deep, too many tags or attributes, with a
        document type, or not XML at all.
    """
    if len(data) > limit:
        raise RemoteError("an XML document is too long", shown=f"{len(data)} bytes")
    text = _decode(data)
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "<!doctype" in text:
        raise RemoteError("an XML document with a document type", shown=text[:80])
    quotes = text.count('"') + text.count("'")
    for what, count, most in (
        ("tags", text.count("<"), MAX_TAGS if large else FEW_TAGS),
        ("attributes", quotes // 2, (MAX_QUOTES if large else FEW_QUOTES) // 2),
        ("entities", text.count("&"), MAX_ENTITIES),
    ):
        if count > most:
            raise RemoteError(f"an XML document with too many {what}", shown=f"{count} {what}")
    root = _parse(text, recover=False)
    if root is None:
        root = _repair(text)
    if (_depth_check() if len(text) <= LONG else _depth_check.__wrapped__())(root):
        raise RemoteError("an XML document is nested too deeply", shown=text[:80])
    return root


def local(element: Element) -> str:
    """The name of an element without namespace or prefix; "" for what is no element (an unknown entity)."""
    tag: object = element.tag
    if not isinstance(tag, str):
        return ""
    return tag.rpartition("}")[2].rpartition(":")[2]


def namespace(element: Element) -> str:
    """The namespace name of an element, "" when it has none."""
    tag: object = element.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def children(element: Element | None, *names: str) -> Iterator[Element]:
    """The children of ``element`` whose local name is one of ``names``; all when none are given; none of None."""
    if element is None:
        return
    if names:
        yield from element.iterchildren(*_any_namespace(names))
        return
    for child in element:
        if local(child):
            yield child


def descendants(element: Element | None, *names: str) -> Iterator[Element]:
    """``element`` and all below it, in document order, whose local name is one of ``names``."""
    if element is None:
        return
    yield from element.iter(*_any_namespace(names))


def find(element: Element | None, *path: str) -> Element | None:
    """The first child by the first local name, of that the first child by the second, and so on; None if missing."""
    for name in path:
        element = next(children(element, name), None)
    return element


def first(element: Element | None, *names: str) -> Element | None:
    """The first of :func:`descendants`, or None."""
    return next(descendants(element, *names), None)


def text_of(element: Element | None) -> str:
    """All text in ``element`` on one line: white space collapsed, the unprintable dropped, cut at ``MAX_TEXT``."""
    if element is None:
        return ""
    # Nearly every element that is asked for has no children: no need to evaluate an expression.
    return clean(str(element.xpath("string()")) if len(element) else element.text or "")


def text_at(element: Element | None, *path: str) -> str:
    """:func:`text_of` of :func:`find`."""
    return text_of(find(element, *path))


def attribute(element: Element | None, name: str) -> str:
    """An attribute by local name as it stands (a token goes back to the device unchanged); "" if missing or long."""
    if element is None:
        return ""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2].rpartition(":")[2] == name:
            text = str(value)
            return text if len(text) <= MAX_TEXT else ""
    return ""


def clean(text: str) -> str:
    """A peer's text made harmless for logs, topics and pages: one line, printable, at most ``MAX_TEXT`` characters."""
    text = text[: 2 * MAX_TEXT]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    return " ".join(text.split())[:MAX_TEXT]


def escape(text: str) -> str:
    """A text as it stands between tags or in an attribute; characters that XML does not allow become U+FFFD."""
    return html.escape(_ILLEGAL.sub("\ufffd", text))


def _decode(data: bytes) -> str:
    """Text without XML declaration: by byte order mark, else by a declared encoding of our list, else UTF-8.

    UTF-16 without a mark shows by its first character (XML 1.0, appendix F); where it is only declared it is none.
    What is called UTF-8 and is Windows-1252 shows by letters of one octet.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    elif data.startswith(_UTF16):
        text = data.decode("utf-16-le" if data[0] else "utf-16-be", "replace")
    else:
        encoding = "utf-8"
        declared = _DECLARED.search(data[:200])
        if declared:
            try:
                name = codecs.lookup(declared[1].decode("ascii")).name
            except LookupError:
                name = "utf-8"
            encoding = name if name in _ENCODINGS else "utf-8"
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            if encoding == "utf-8" and not _NOT_SINGLE.search(data):
                encoding = "cp1252"
            text = data.decode(encoding, "replace")
    text = _DECLARATION.sub("", text, count=1) if "<?xml" in text[:200] else text
    # Some devices send the whole buffer in which they made the answer.
    text, illegal = _ILLEGAL.subn("\ufffd", text.rstrip("\0"), count=MAX_ILLEGAL + 1)
    if illegal > MAX_ILLEGAL:
        raise RemoteError("not XML", shown=ascii(data[:40]))
    return text


@cache
def _depth_check() -> Callable[[Element], object]:
    from lxml import etree

    return etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")


@cache
def _parser(recover: bool) -> XMLParser:
    """Made once: a third of the time that a usual answer takes went into making one for each."""
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8",
        recover=recover,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _parse(text: str, *, recover: bool) -> Element | None:
    from lxml import etree

    # A parser has a lock: a long document, which another thread may be reading, has one of its own.
    parser = _parser(recover) if len(text) <= LONG else _parser.__wrapped__(recover)
    try:
        root: Element | None = etree.fromstring(text.encode("utf-8"), parser)
    except (etree.LxmlError, ValueError):
        return None
    return root


def _repair(text: str) -> Element:
    """What a lenient reader gets; but the root must have been closed, or a cut answer would pass for a whole one."""
    opening = _ROOT.search(text)
    if opening is None:
        raise RemoteError("not XML", shown=text[:80])
    name = re.escape(opening[1].rpartition(":")[2])  # some firmware closes it with another prefix
    ends = [match.end() for match in re.finditer(rf"</(?:[^\s<>/:]{{1,64}}:)?{name}\s*>", text)]
    if not ends:
        raise RemoteError("an XML document is cut short", shown=text[:80])
    whole = _REFERENCE.sub(_allowed, _BARE_AMPERSAND.sub("&amp;", text[opening.start() : ends[-1]]))
    root = _parse(whole, recover=False)
    if root is None:
        root = _parse(whole, recover=True)
        if root is not None:
            _drop_unknown_prefixes(root)
    if root is None:
        raise RemoteError("not XML", shown=text[:80])
    return root


def _allowed(reference: re.Match[str]) -> str:
    """A reference to a character; nothing for one that XML does not allow."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    return "" if code > 0x10FFFF or _ILLEGAL.match(chr(code)) else reference[0]


def _drop_unknown_prefixes(root: Element) -> None:
    """Names as they would be with their prefix declared as nothing: then all names are found alike, and quickly."""
    for element in root.iter():
        tag: object = element.tag
        if not isinstance(tag, str):
            continue
        space, brace, name = tag.rpartition("}")
        if ":" in name:
            with suppress(ValueError):  # what follows is no name; nobody looks for it
                element.tag = f"{space}{brace}{name.rpartition(':')[2]}"


@cache
def _any_namespace(names: tuple[str, ...]) -> tuple[str, ...]:
    """What lxml looks for, in C, where the namespace does not matter."""
    return tuple(f"{{*}}{name}" for name in names)
