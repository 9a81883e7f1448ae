"""Maker of the notifier for systemd (sd_notify)."""

from __future__ import annotations

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.interfaces import IServiceExtension, MakerContext
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.first_run.restart import SoftRestart
from twisted_detector.operations.systemd import SystemdNotifier, make_notifier
from twisted_detector.registry.registry import Registry


@implementer(IPlugin, IServiceExtension)
class SystemdMaker:
    """Notifications to the supervisor that NOTIFY_SOCKET names; nothing without it."""

    name = "supervisor"
    needs = (Registry, MqttService, SoftRestart)

    def make(
        self, context: MakerContext, registry: Registry, mqtt: MqttService, soft_restart: SoftRestart
    ) -> SystemdNotifier | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.notify_socket:
            return None

        def status() -> str:
            by_status = sorted(registry.fleet.by_status.items())
            cameras = ", ".join(f"{count} {word}" for word, count in by_status) or "none yet"
            return f"cameras: {cameras}; MQTT {mqtt.client.metrics.state.value}"

        return SystemdNotifier(
            context.clock,
            make_notifier(config.notify_socket),
            watchdog=config.watchdog_seconds,
            status=status,
            restarts=lambda: soft_restart.under_way,
        )


supervisor = SystemdMaker()
