"""Strategies of hypothesis: decisions as they come out of the checks of each field."""

from __future__ import annotations

from ipaddress import ip_network
from types import MappingProxyType

from hypothesis import strategies as st

from twisted_detector.errors import RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description, StreamAddress, Verdict
from twisted_detector.model.login_rules import Audience, LoginRule
from twisted_detector.operations.decisions.fields import read_line, read_note

NETWORKS = tuple(map(ip_network, ("10.0.0.0/24", "10.1.0.0/24", "192.168.7.9/32", "fd00::/112")))


def _is_line(text: str) -> bool:
    try:
        return read_line("name", text) == text
    except RemoteError:
        return False


def _is_note(text: str) -> bool:
    try:
        return read_note("note", text) == text
    except RemoteError:
        return False


_shown = st.characters(exclude_categories=("Cc", "Cs"))
lines = st.text(_shown, max_size=12).filter(_is_line)
notes = st.text(st.one_of(_shown, st.sampled_from("\n\t#[]\"'\\")), max_size=24).filter(_is_note)
users = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=":"), min_size=1, max_size=8).filter(
    lambda user: not user.startswith("[")
)
secrets = st.text(_shown, max_size=12).map(Secret)
logins = st.builds(Login, users, secrets)
rules = st.one_of(
    logins,
    st.builds(LoginRule, users, secrets, st.just(Audience.NETWORK), st.sampled_from(("10.0.0.0/24", "fd00::/64"))),
    st.builds(LoginRule, users, secrets, st.just(Audience.VENDOR), st.sampled_from(("hikvision", "TP-Link Corp."))),
    st.builds(LoginRule, users, secrets, st.just(Audience.CAMERA), st.sampled_from(("0200000000*", "epr-1"))),
)
targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=12).map(
    "/".__add__
)
streams = st.builds(StreamAddress, st.sampled_from(("rtsp", "rtsps")), st.sampled_from((554, 8554)), targets)
cameras = st.builds(
    CameraDecisions,
    st.builds(Description, lines, lines, notes),
    st.one_of(st.none(), st.sampled_from(Verdict)),
    st.one_of(st.none(), logins),
    st.one_of(st.none(), streams),
    st.one_of(st.none(), streams),
    st.one_of(st.none(), st.sampled_from(NETWORKS)),
)
ids = st.sampled_from(("00408cabcdef", "00408cabcdef_2", "epr-x", "a", "camera"))
settings = st.dictionaries(st.sampled_from(("MQTT_BROKER", "MQTT_PASSWORD", "MQTT_TLS")), lines, max_size=2)
decisions = st.builds(
    Decisions,
    st.dictionaries(ids, cameras, max_size=3).map(MappingProxyType),
    st.lists(st.sampled_from(NETWORKS), unique=True, max_size=3).map(tuple),
    st.lists(rules, unique=True, max_size=3).map(tuple),
    settings.map(MappingProxyType),
)
