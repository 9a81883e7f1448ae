"""Third stage of the daemon: the connection to the broker, and what is published over it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted_detector import __version__
from twisted_detector.config.config import Config
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import CommandInbox
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.sync.board import SyncBoard
from twisted_detector.outputs.topics import Topics, is_of_a_camera
from twisted_detector.outputs.voice import Voice
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge, uptime
from twisted_detector.service.settings import mqtt_settings

if TYPE_CHECKING:
    from twisted_detector.operations.nodes.networks import SharedNetworks
    from twisted_detector.operations.nodes.service import NodeService


@dataclass(frozen=True, slots=True)
class Publishing:
    """The MQTT service, not started yet, with what outputs share.

    :ivar deletions: devices that a person deleted in Home Assistant.
    :ivar sync_board: state of what is kept in step with Frigate and go2rtc.
    :ivar broker: the broker in use. :ivar inbox: of commands; it hears them from the first connection on.
    :ivar nodes: part in the election of nodes, not started yet; None where NODES_ENABLED is off. ``shared_networks``:
        part in the search of networks that have no node, likewise.
    """

    mqtt: MqttService
    topics: Topics
    deletions: Deletions
    sync_board: SyncBoard
    broker: BrokerPlace
    inbox: CommandInbox
    nodes: NodeService | None
    shared_networks: SharedNetworks | None

    @property
    def voice(self) -> Voice:
        """What this node publishes."""
        return Voice() if self.nodes is None else self.nodes.voice

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            MqttService: self.mqtt,
            Topics: self.topics,
            Deletions: self.deletions,
            SyncBoard: self.sync_board,
            Voice: self.voice,
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
        abandons=partial(is_of_several_nodes, topics) if config.mqtt.nodes else None,
    )
    inbox = CommandInbox()
    mqtt.subscribe(topics.command, inbox.receive, retained=inbox.receive_retained)
    if not config.mqtt.nodes:
        return Publishing(mqtt, topics, deletions, SyncBoard(), broker, inbox, None, None)
    nodes, shared_networks = make_nodes(reactor, config, ground, knowledge, mqtt, topics)
    return Publishing(mqtt, topics, deletions, SyncBoard(), broker, inbox, nodes, shared_networks)


def is_of_several_nodes(topics: Topics, topic: str) -> bool:
    """Whether a retained topic may have been written by another node since: it is not said again as it was."""
    return is_of_a_camera(topic) or topic == topics.frigate_cameras


def make_nodes(
    reactor: Any, config: Config, ground: Ground, knowledge: Knowledge, mqtt: MqttService, topics: Topics
) -> tuple[NodeService, SharedNetworks]:
    """Our part in the election of nodes; it listens to what the broker has from the first connection on."""
    # Few daemons share anything: the others need not hold it in memory.
    from twisted_detector.operations.nodes.election import Election
    from twisted_detector.operations.nodes.networks import SharedNetworks
    from twisted_detector.operations.nodes.service import NodeService
    from twisted_detector.operations.nodes.values import NodeAbout

    about = NodeAbout(__version__, page=config.web.page_url)
    nodes = NodeService(
        reactor,
        Election(config.node_id, mqtt.instance, about=about),
        mqtt=mqtt,
        topics=topics,
        find=knowledge.registry.camera,
        monotonic=uptime(),
    )
    shared_networks = SharedNetworks(
        reactor,
        nodes,
        networks=knowledge.networks,
        neighbours=ground.neighbours,
        traffic=ground.rate_limiter.traffic,
        about=about,
        monotonic=time.monotonic,
    )
    return nodes, shared_networks
