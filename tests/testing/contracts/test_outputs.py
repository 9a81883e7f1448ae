"""The contract of outputs, on every one of ours."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.handover.sites import Hub, Site
from twisted_detector.operations.nodes.handover.descriptions import SharedDescriptions
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.testing.contracts import output_contract
from twisted_detector.testing.contracts.outputs import missing_kinds

TOPICS = Topics(prefix="site", node_id="node1")


def topics() -> TopicsOutput:
    return TopicsOutput(TOPICS)


def home_assistant() -> HomeAssistantOutput:
    return HomeAssistantOutput(TOPICS, prefix="homeassistant", picture_max_bytes=1_000_000)


def by_component() -> HomeAssistantOutput:
    return HomeAssistantOutput(TOPICS, prefix="homeassistant", by_component=True)


def descriptions() -> SharedDescriptions:
    return Site(Clock(), Hub(), "north", Path(mkdtemp(dir="."))).shared  # in trial's own folder


class SamplesTests(SynchronousTestCase):
    def test_every_kind(self) -> None:
        """The contracts try every kind of event that there is."""
        self.assertEqual(set(), missing_kinds())


class TopicsTests(output_contract(topics)):  # type: ignore[misc]
    """Our own topics keep the contract."""


class HomeAssistantTests(output_contract(home_assistant)):  # type: ignore[misc]
    """Home Assistant's messages keep the contract."""


class ByComponentTests(output_contract(by_component)):  # type: ignore[misc]
    """Those with one message for each entity, too."""


class DescriptionsTests(output_contract(descriptions)):  # type: ignore[misc]
    """What people call cameras, for other nodes, too."""
