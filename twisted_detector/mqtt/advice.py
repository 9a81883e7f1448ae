"""Advice about a connection that the broker does not give: which setting to look at.

Settings are named as the environment has them (``config/mqtt.py``). The reasons are those of ``network`` and
``connection``, where the fact alone is worded.
"""

from __future__ import annotations

from twisted_detector.mqtt.connection.experience import ACCEPTED_BEFORE, LET_IN_BEFORE, USED_TWICE
from twisted_detector.mqtt.settings import MqttSettings

#: Where brokers speak TLS (IANA: secure-mqtt).
TLS_PORT = 8883

_PLACE = "check MQTT_BROKER and MQTT_PORT"
_LOGIN = "check MQTT_USERNAME and MQTT_PASSWORD"
_TWIN = "find the second daemon, or the other program with this client id: NODE_ID and MQTT_CLIENT_ID must be unique"
_RIGHTS = "look into the broker's log: it may not let this client use one of its topics, or take a message of its size"

#: What OpenSSL says of a certificate whose signer it does not know.
_UNKNOWN_SIGNERS = ("self-signed", "self signed", "issuer certificate", "verify the first certificate")

#: Ends of an attempt at a port where the other side speaks no MQTT, or TLS, or none.
_NO_ANSWER = ("the connection was reset", "closed the connection", "did not answer", "did not speak MQTT")


def advice(reason: str, settings: MqttSettings) -> str:
    """What to do about the ``reason`` that there is no connection, "" where no setting can mend it."""
    if USED_TWICE in reason:
        return f"{_TWIN}; else {_RIGHTS}" if "perhaps" in reason else _TWIN
    if LET_IN_BEFORE in reason:
        return f"wait for the broker's start; if it goes on, {_LOGIN}, and the broker's log"
    if ACCEPTED_BEFORE in reason and "more than" not in reason:
        return "wait for the broker's start; if it goes on, look into the broker's log"
    if "user name or password" in reason or "authorize this client" in reason:
        return _LOGIN if settings.username else "set MQTT_USERNAME and MQTT_PASSWORD"
    if "accept the client id" in reason:
        return "check MQTT_CLIENT_ID"
    if "version of MQTT" in reason:
        return "set MQTT_PROTOCOL=auto"
    if "accept our certificate" in reason and not settings.tls_cert_path:
        return "it wants one of every client: set TLS_CERT_PATH and TLS_KEY_PATH"
    if "KEY_VALUES_MISMATCH" in reason:
        return "the key in TLS_KEY_PATH is not that of the certificate in TLS_CERT_PATH"
    if reason.startswith("TLS files:") or "accept our certificate" in reason:
        return "check TLS_CA_PATH, TLS_CERT_PATH and TLS_KEY_PATH"
    if "certificate is not accepted" in reason:
        return _about_certificate(reason, settings)
    return _about_place(reason, settings)


def _about_certificate(reason: str, settings: MqttSettings) -> str:
    if any(words in reason for words in _UNKNOWN_SIGNERS):
        which = "the certificate of the authority that signed the broker's"
        return f"TLS_CA_PATH must be {which}" if settings.tls_ca_path else f"set TLS_CA_PATH to {which}"
    if "mismatch" in reason:
        return "MQTT_BROKER must be a name that the certificate is for"
    if "not yet valid" in reason:
        return "is the clock of this machine right? Else the broker's certificate was made for a later time"
    return "renew the broker's certificate, if the clock of this machine is right" if "expired" in reason else ""


def _about_place(reason: str, settings: MqttSettings) -> str:
    silent = any(words in reason for words in _NO_ANSWER)
    if silent and not settings.tls and settings.port == TLS_PORT:
        return f"port {TLS_PORT} usually speaks TLS: set MQTT_TLS=true"
    if settings.tls and (silent or "TLS" in reason):
        return f"does the broker speak TLS on port {settings.port}? Check MQTT_PORT and MQTT_TLS"
    if reason.startswith("the name ") or "not a host name" in reason:
        return "check MQTT_BROKER"
    if any(words in reason for words in ("nothing listens", "no answer within", "no route", "unreachable")):
        return f"is the broker running? {_PLACE[0].upper()}{_PLACE[1:]}"
    return ""
