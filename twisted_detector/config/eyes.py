"""Reader of the keys of eyes: lines ``name:key``, with the networks behind it that the eye may speak of.

The file that ``camdetect eye --new-key`` writes is such a line, so the node's file is those of its eyes, one after the
other.
"""

from __future__ import annotations

import re

from twisted_detector.config.kinds import ValueRefused, entries, network_entry
from twisted_detector.model import Secret
from twisted_detector.model.eyes import KEY_OCTETS, EyeKey

#: A name is part of topics and of an MQTT client id.
NAME_OF_EYE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_OCTETS}}}")
#: Eyes of one node: each has a subscription, and a quota of its own.
MAX_EYES = 64
#: Networks of one eye: those of its link.
MAX_NETWORKS = 16


def _read_eye_keys(texts: list[str]) -> tuple[EyeKey, ...]:
    if len(texts) > MAX_EYES:
        raise ValueRefused(f"at most {MAX_EYES} eyes")
    keys: dict[str, EyeKey] = {}
    for position, text in enumerate(texts, 1):
        name, _, rest = text.strip().partition(":")
        secret, *networks = rest.split() or [""]
        if not NAME_OF_EYE.fullmatch(name):
            raise ValueRefused(f"entry {position} does not begin with a name (letters, digits, - and _) and a colon")
        if not _KEY.fullmatch(secret):
            raise ValueRefused(f"entry {position} has no key of {2 * KEY_OCTETS} hexadecimal digits behind the colon")
        if name in keys:
            raise ValueRefused(f"entry {position} has the name of an earlier one: each eye has a name of its own")
        if any(one.secret.reveal() == secret for one in keys.values()):
            raise ValueRefused(f"entry {position} has the key of an earlier one: each eye has a key of its own")
        if len(networks) > MAX_NETWORKS:
            raise ValueRefused(f"entry {position} has more than {MAX_NETWORKS} networks")
        keys[name] = EyeKey(name, Secret(secret), tuple(str(network_entry(one, position)) for one in networks))
    return tuple(keys.values())


EYE_KEYS = entries(
    _read_eye_keys,
    "name:key as `camdetect eye --new-key` writes it, separated by commas; behind a key, after blanks, networks in CIDR"
    " notation",
)
