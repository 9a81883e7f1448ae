"""Changes of the MQTT connection go in; lines of the log come out, few however long an outage lasts."""

from __future__ import annotations

from txaio.tx import make_logger

from twisted_detector.mqtt.seams import ConnectionChange

_LOUD = ("disconnected", "failed", "degraded", "refused")


class ConnectionLog:
    """Tells what happened to the connection with one broker."""

    log = make_logger()

    def __init__(self, host: str, port: int) -> None:
        self._broker = f"{host}:{port}"
        self._refusal = ""

    def tell(self, change: ConnectionChange, *, stopping: bool) -> None:
        """Log ``change``; the same refusal again and again, every few seconds of an outage, is told once.

        :param stopping: nothing is alarming any more.
        """
        repeated = change.event == "refused" and change.reason == self._refusal
        if change.event == "refused":
            self._refusal = change.reason
        elif change.event != "connecting":
            self._refusal = ""
        if repeated or (change.event == "connecting" and self._refusal):
            tell = self.log.debug
        else:
            tell = self.log.warn if change.event in _LOUD and not stopping else self.log.info
        tell(
            "MQTT {event}: {broker}{reason}{again}",
            event=change.event,
            broker=self._broker,
            reason=f", {change.reason}" if change.reason else "",
            again=f"; next attempt in {change.delay:.1f} s" if change.delay is not None else "",
        )
