"""Checks of the settings together: faults that stop the start, and warnings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from twisted_detector.config.config import Config
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection, variables_path
from twisted_detector.config.notices import notice_faults, notice_warnings
from twisted_detector.config.reader import ReadFile, Reading, why
from twisted_detector.model.addresses import is_sent_in_clear

#: Pairs of settings of which the first must not exceed the second, and why.
_ORDERED = (
    ("discovery_timeout", "discovery_interval", "a sweep must end before the next begins"),
    ("discovery_interval", "steady_state_interval", "the steady state is the calmer one"),
    ("mqtt_reconnect_min", "mqtt_reconnect_max", "the wait only grows"),
    ("health_check_interval", "offline_threshold", "offline is decided by missed checks"),
)
#: Characters below which a token is guessable by whoever has a copy of a cookie: 64 bits in hexadecimal.
_GOOD_TOKEN = 16


class Checks:
    """Judges the values of one Config together. Settings that are faulty by themselves are not judged again."""

    def __init__(self, config: Config, reading: Reading, read_file: ReadFile) -> None:
        self._config = config
        self._reading = reading
        self._read_file = read_file

    def _sound(self, *names: str) -> bool:
        return not self._reading.faulty.intersection(names)

    def faults(self) -> Iterator[str]:
        """What stops the start."""
        yield from self._order()
        yield from self._logins()
        yield from self._tls()
        yield from self._consumers(self._config.frigates)
        yield from self._consumers(self._config.go2rtcs)
        yield from notice_faults(self._config.notices)
        if self._config.notices.ca_path is not None:
            yield from self._readable("NOTICE_CA_PATH", self._config.notices.ca_path)

    def _order(self) -> Iterator[str]:
        config = self._config
        for low, high, reason in _ORDERED:
            if low == "discovery_interval" and not config.discovery.smart_enabled:
                continue
            smaller, larger = config.value_of(low), config.value_of(high)
            if smaller > larger and self._sound(low, high):
                yield f"{low.upper()} = {smaller:g}: must not exceed {high.upper()} = {larger:g} ({reason})"

    def _logins(self) -> Iterator[str]:
        mqtt, cameras = self._config.mqtt, self._config.inspection
        if mqtt.password and not mqtt.username and self._sound("mqtt_username"):
            yield "MQTT_PASSWORD = ***: must not be set without MQTT_USERNAME"
        if cameras.password and not cameras.username and self._sound("camera_username"):
            yield "CAMERA_PASSWORD = ***: must not be set without CAMERA_USERNAME"
        if ":" in cameras.username:
            yield f"CAMERA_USERNAME = {cameras.username!r}: must not have a colon (RFC 7617, section 2)"
        elif cameras.username and not cameras.password and self._sound("camera_password"):
            # A user whose secret file went missing would be an empty password for every camera.
            yield (
                f"CAMERA_USERNAME = {cameras.username!r}: must not be set without CAMERA_PASSWORD"
                " (a login whose password is empty goes into CAMERA_CREDENTIALS)"
            )

    def _tls(self) -> Iterator[str]:
        mqtt = self._config.mqtt
        if mqtt.tls and not mqtt.broker and self._sound("mqtt_broker", "mqtt_tls"):
            yield "MQTT_TLS = true: must not be set without MQTT_BROKER (the embedded broker speaks no TLS)"
        if (mqtt.tls_cert_path is None) != (mqtt.tls_key_path is None):
            given, missing = (
                ("TLS_CERT_PATH", "TLS_KEY_PATH") if mqtt.tls_cert_path else ("TLS_KEY_PATH", "TLS_CERT_PATH")
            )
            yield f"{given} = {str(mqtt.tls_cert_path or mqtt.tls_key_path)!r}: must not be set without {missing}"
        if mqtt.tls:
            for name in ("tls_ca_path", "tls_cert_path", "tls_key_path"):
                path: Path | None = self._config.value_of(name)
                if path is not None:
                    yield from self._readable(name.upper(), path)

    def _readable(self, variable: str, path: Path) -> Iterator[str]:
        try:
            content = self._read_file(path)
        except OSError as error:
            yield f"{variable} = {str(path)!r}: cannot be read: {why(error)}"
        else:
            if b"-----BEGIN " not in content.data:
                yield f"{variable} = {str(path)!r}: must be a PEM file"

    def _consumers(self, sections: tuple[FrigateSection, ...] | tuple[Go2rtcSection, ...]) -> Iterator[str]:
        """Tables that name no place, and two consumers with one place: each would take out what the other wrote."""
        places: dict[tuple[str, str], str] = {}
        for section in sections:
            consumer = section.consumer
            labels = {key: consumer.settings(key) for key in ("url", "config_path", "env_path")}
            used = section.url or section.config_path
            if consumer.name and not used and self._sound(labels["url"].lower(), labels["config_path"].lower()):
                yield f"[{consumer.program}.{consumer.name}]: must have url or config_path"
            if isinstance(section, FrigateSection) and not section.update_enabled:
                continue
            found = {"url": _same_url(section.url) if section.url else ""}
            found["config_path"] = os.path.realpath(section.config_path) if section.config_path else ""
            if used or section.env_path:
                found["env_path"] = os.path.realpath(variables_path(section, self._config.state_dir))
            for key, place in found.items():
                other = places.setdefault((key, place), labels[key])
                if place and other != labels[key]:
                    yield f"{labels[key]}: must not be the same as {other}; each consumer has a place of its own"

    def warnings(self) -> Iterator[str]:
        """What is allowed but probably not meant, or dangerous."""
        config, given = self._config, self._reading.given
        if 0 < len(config.web.token.reveal()) < _GOOD_TOKEN:
            yield f"WEB_TOKEN has fewer than {_GOOD_TOKEN} characters and may be guessed"
        if config.web.ingress and ip_address(config.web.listen[0]).is_loopback:
            yield "WEB_INGRESS has no effect while WEB_LISTEN is a loopback address; an add-on listens on 172.30.32.1"
        if config.publish_credentials:
            yield "PUBLISH_CREDENTIALS is on: everybody who may read the topics gets the cameras' passwords"
        if config.inspection.adoption == "all":
            yield "ADOPTION is all: whoever comes to a network of this machine and asks for a login is given one"
        if config.inspection.allow_basic_auth == "always":
            yield "ALLOW_BASIC_AUTH is always: whoever pretends to be a camera gets the passwords in clear"
        if config.mqtt.tls_insecure and config.mqtt.tls:
            yield "TLS_INSECURE is on: anybody can pose as the broker"
        unused = sorted(name.upper() for name in given if name.startswith("tls_"))
        if unused and not config.mqtt.tls:
            yield f"{', '.join(unused)} has no effect while MQTT_TLS is off"
        if not config.mqtt.broker and given & {"mqtt_username", "mqtt_password"}:
            yield "MQTT_USERNAME and MQTT_PASSWORD have no effect without MQTT_BROKER; is it missing?"
        for text in config.discovery.scan_networks:
            if text != "interfaces" and ip_network(text).is_global:
                yield f"SCAN_NETWORKS has {text}, which is not a private network: sweep only what is yours"
        yield from notice_warnings(self._config.notices)
        yield from self._clear_text()

    def _clear_text(self) -> Iterator[str]:
        """Logins that leave this machine without TLS."""
        for frigate in self._config.frigates:
            named = frigate.consumer.settings
            if not is_sent_in_clear(frigate.url):
                continue
            sent = [name for name in ("user", "password", "token") if getattr(frigate, name)]
            if sent:
                yield (
                    f"{named('url')} is http:// to another machine: {named(*sent)} go over the network in clear; use"
                    " https:// (Frigate's port 8971) or an address of this machine"
                )
            elif self._config.publish_credentials:
                yield (
                    f"{named('url')} is http:// to another machine: with PUBLISH_CREDENTIALS the cameras' passwords go"
                    " over the network in clear; use https:// or an address of this machine"
                )
        for go2rtc in self._config.go2rtcs:
            named = go2rtc.consumer.settings
            if is_sent_in_clear(go2rtc.url):
                own = f", {named('user', 'password')}" if go2rtc.user else ""
                yield (
                    f"{named('url')} is http:// to another machine: the cameras' passwords{own} go over the network in"
                    f" clear; use https://, an address of this machine, or {named('config_path')}"
                )


def _same_url(url: str) -> str:
    """The one spelling of a URL and of others that lead to the same place."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    if host == "localhost" or (host.startswith("127.") or host == "::1"):
        host = "this machine"
    return f"{parts.scheme}://{host}:{parts.port or {'http': 80}.get(parts.scheme, 443)}{parts.path}"
