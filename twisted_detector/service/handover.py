"""What goes from node to node beside the election: commands, and what follows a camera that changes hands."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted_detector.interfaces import IOutput
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.publishing import Publishing

if TYPE_CHECKING:
    from twisted_detector.operations.nodes.handover.descriptions import SharedDescriptions
    from twisted_detector.operations.nodes.handover.pasts import PastExchange
    from twisted_detector.operations.nodes.handover.whereabouts import Whereabouts
    from twisted_detector.operations.nodes.routing import CommandRouting


@dataclass(frozen=True, slots=True)
class Handover:
    """Parts of a node that others have to do with, not started yet."""

    routing: CommandRouting
    descriptions: SharedDescriptions
    pasts: PastExchange
    whereabouts: Whereabouts

    @property
    def outputs(self) -> tuple[IOutput, ...]:
        """What is published of cameras, beside what the plugins make."""
        return (self.descriptions,)

    def join(self, commands: MqttCommands, router: RequestRouter) -> None:
        """Take commands to whom they concern, and answer what others ask."""
        from twisted_detector.operations.nodes.handover.pasts import COMMAND

        commands.divert(self.routing.divert)
        commands.add(COMMAND, self.pasts.answer)
        router.register("whereabouts", self.whereabouts.answer)
        router.extend("why", self.whereabouts.added_to)

    def start(self) -> None:
        """Begin to take over, and to ask."""
        self.descriptions.start()
        self.pasts.start()

    def stop(self) -> None:
        """Take over nothing any more, and ask nobody."""
        self.pasts.stop()
        self.descriptions.stop()


async def make_handover(reactor: Any, ground: Ground, knowledge: Knowledge, publishing: Publishing) -> Handover | None:
    """What goes from node to node; None where this daemon is none.

    Before those are made who publish what is decided: a decision gets its stamp first.
    """
    nodes, mqtt, topics = publishing.nodes, publishing.mqtt, publishing.topics
    if nodes is None:
        return None
    # Few daemons share anything: the others need not hold it in memory.
    from twisted_detector.operations.nodes.handover.descriptions import SharedDescriptions
    from twisted_detector.operations.nodes.handover.pasts import PastExchange
    from twisted_detector.operations.nodes.handover.whereabouts import Whereabouts
    from twisted_detector.operations.nodes.routing import CommandRouting

    routing = CommandRouting(reactor, nodes.record, mqtt=mqtt, topics=topics, is_connected=lambda: nodes.is_connected)
    descriptions = SharedDescriptions(
        reactor,
        nodes,
        mqtt=mqtt,
        topics=topics,
        book=knowledge.decisions,
        registry=knowledge.registry,
        store=ground.store,
    )
    await descriptions.load()
    knowledge.adoption.hear(descriptions.adopted_at)
    pasts = PastExchange(
        reactor,
        nodes,
        node_id=topics.node_id,
        history=knowledge.history,
        ask=routing.ask,
        monotonic=time.monotonic,
        chance=random.random,
    )
    whereabouts = Whereabouts(nodes, node_id=topics.node_id, adopted_at=descriptions.adopted_at)
    return Handover(routing, descriptions, pasts, whereabouts)
