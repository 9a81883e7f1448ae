"""Recogniser of realms of challenges that name one unit: by what is known of the unit, or by their looks.

A login that answers a challenge proves itself to whoever made the challenge, and a device can pass on that of another.
The realm of a challenge goes into the answer, so a device that shows the realm of a known one is not answered. Most
realms name a maker or a product and are those of a whole series; they belong to nobody.
"""

from __future__ import annotations

import re

from twisted_detector.model import Mac

#: Characters of a realm that are kept and compared.
MAX_REALM = 100
#: A serial number that is shorter may be met in a realm by chance.
_MIN_SERIAL = 6
#: What looks like a unit's number: twelve letters and digits without a gap, three digits at least; or a word with a
#: digit in brackets at the end, which is a part of the serial number (Hikvision's ``IP Camera(C9821)``).
_NUMBER = re.compile(r"(?=(?:[a-z]*[0-9]){3})[0-9a-z]{12,}|\((?=[a-z]*[0-9])[0-9a-z]{4,}\)$")
_REST = re.compile(r"[^0-9a-z]+")


def normalise(realm: str) -> str:
    """The form in which realms are compared."""
    return realm.strip().lower()[:MAX_REALM]


def names_unit(realm: str, *, mac: Mac | None = None, serial: str = "") -> bool:
    """Whether a normalised realm has the unit's own MAC (the half that its maker numbers) or serial number in it."""
    bare = _REST.sub("", realm)
    number = _REST.sub("", serial.lower())
    return (mac is not None and mac.compact[-6:] in bare) or (len(number) >= _MIN_SERIAL and number in bare)


def looks_unique(realm: str) -> bool:
    """Whether a normalised realm looks like that of one unit, though nothing known of the device says so."""
    return _NUMBER.search(realm) is not None
