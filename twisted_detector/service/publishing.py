"""Third stage of the daemon: the connection to the broker, and what is published over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.service import MqttService
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.sync.board import SyncBoard
from twisted_detector.outputs.topics import Topics
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.plugin_assembly import Offers
from twisted_detector.service.settings import mqtt_settings


@dataclass(frozen=True, slots=True)
class Publishing:
    """The MQTT service, not started yet, with what outputs share.

    :ivar deletions: devices that a person deleted in Home Assistant.
    :ivar sync_board: state of what is kept in step with Frigate and go2rtc.
    :ivar broker: the broker in use.
    """

    mqtt: MqttService
    topics: Topics
    deletions: Deletions
    sync_board: SyncBoard
    broker: BrokerPlace

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            MqttService: self.mqtt,
            Topics: self.topics,
            Deletions: self.deletions,
            SyncBoard: self.sync_board,
        }


async def make_publishing(
    reactor: Any, config: Config, ground: Ground, knowledge: Knowledge, broker: BrokerPlace
) -> Publishing:
    """What is needed to publish. :param broker: the one to be used."""
    topics = Topics(prefix=config.mqtt.topic_prefix, node_id=config.node_id)
    deletions = Deletions(partial(ground.store.save_value, "homeassistant_deleted"))
    deletions.restore(await ground.store.load_values("homeassistant_deleted"))
    mqtt = MqttService(
        reactor,
        mqtt_settings(config, broker, lwt_topic=topics.lwt),
        store=ground.store,
        emit=knowledge.bus.emit,
    )
    return Publishing(mqtt, topics, deletions, SyncBoard(), broker)
