"""Advice about a connection that there is not: each fault names the setting that mends it."""

from __future__ import annotations

import ssl
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.advice import advice
from twisted_detector.mqtt.connection.experience import LET_IN_BEFORE, USED_TWICE
from twisted_detector.mqtt.network.buffered_socket import describe_error
from twisted_detector.mqtt.network.paho_session import _TERMINAL
from twisted_detector.mqtt.settings import MqttSettings

PLAIN = MqttSettings(host="mqtt.example", client_id="c")
TLS = replace(PLAIN, port=8883, tls=True)


def refused(words: str) -> str:
    """The reason of a certificate that OpenSSL refuses in these words."""
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_message = words
    return describe_error(error)[0]


class Advice(SynchronousTestCase):
    def test_login(self) -> None:
        """A login that is refused, or missing, by either code of brokers."""
        for code in (0x86, 0x87):
            self.assertEqual("set MQTT_USERNAME and MQTT_PASSWORD", advice(_TERMINAL[code], PLAIN))
            told = advice(_TERMINAL[code], replace(PLAIN, username="u"))
            self.assertEqual("check MQTT_USERNAME and MQTT_PASSWORD", told)
        self.assertIn("MQTT_USERNAME", advice(f"the broker refuses {LET_IN_BEFORE} (x)", PLAIN))
        self.assertIn("NODE_ID", advice(f"closed; {USED_TWICE} c too", PLAIN))
        self.assertEqual("check MQTT_CLIENT_ID", advice(_TERMINAL[0x85], PLAIN))
        self.assertEqual("set MQTT_PROTOCOL=auto", advice(_TERMINAL[0x84], PLAIN))

    def test_certificates(self) -> None:
        """A signer who is not known, another name, a time that is over."""
        for words in (
            "self-signed certificate in certificate chain",
            "self signed certificate",
            "unable to get local issuer certificate",
            "unable to verify the first certificate",
        ):
            self.assertTrue(advice(refused(words), TLS).startswith("set TLS_CA_PATH to"), words)
            self.assertTrue(
                advice(refused(words), replace(TLS, tls_ca_path="ca.pem")).startswith("TLS_CA_PATH must be")
            )
        mismatch = "Hostname mismatch, certificate is not valid for 'mqtt.example'."
        self.assertIn("MQTT_BROKER", advice(refused(mismatch), TLS))
        self.assertTrue(refused(mismatch).endswith("is not valid for 'mqtt.example'"), "more words follow it")
        self.assertIn("renew", advice(refused("certificate has expired"), TLS))
        self.assertIn("TLS_CERT_PATH", advice("TLS files: ca.pem cannot be used: No such file or directory", TLS))

    def test_our_certificate(self) -> None:
        """One that is missing is told apart from one that is refused, and a key from one that is of another."""
        alert = ssl.SSLError(1, "x")
        alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        reason, _ = describe_error(alert)
        self.assertIn("set TLS_CERT_PATH and TLS_KEY_PATH", advice(reason, TLS))
        self.assertTrue(advice(reason, replace(TLS, tls_cert_path="we.pem")).startswith("check TLS_CA_PATH"))
        mismatch = "TLS files: we.pem cannot be used: KEY_VALUES_MISMATCH"
        told = advice(mismatch, replace(TLS, tls_cert_path="we.pem", tls_key_path="other.key"))
        self.assertEqual("the key in TLS_KEY_PATH is not that of the certificate in TLS_CERT_PATH", told)

    def test_wrong_ports(self) -> None:
        """TLS without MQTT_TLS, MQTT_TLS without TLS, and a place where there is no broker."""
        for error in (ConnectionResetError(), ssl.SSLEOFError(8, "x")):
            reason, _ = describe_error(error)
            told = "port 8883 usually speaks TLS: set MQTT_TLS=true"
            self.assertEqual(told, advice(reason, replace(PLAIN, port=8883)))
            self.assertEqual("", advice(reason, PLAIN))
            self.assertIn("MQTT_TLS", advice(reason, replace(TLS, port=1883)))
        plain = ssl.SSLError(1, "x")
        plain.reason = "WRONG_VERSION_NUMBER"
        self.assertIn("MQTT_TLS", advice(describe_error(plain)[0], TLS))
        self.assertIn("MQTT_BROKER and MQTT_PORT", advice(describe_error(ConnectionRefusedError())[0], PLAIN))
        self.assertEqual("check MQTT_BROKER", advice("the name 'mqtt.example' is not known: x", PLAIN))

    def test_nothing_to_mend(self) -> None:
        """Without a reason, and where no setting helps, there is no advice."""
        for reason in ("", "the network went silent", _TERMINAL[0x8A]):
            self.assertEqual("", advice(reason, PLAIN))
