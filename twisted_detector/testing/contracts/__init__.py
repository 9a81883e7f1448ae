"""Contracts: test cases that each implementation of an interface must pass, the double, ours, and your plugin.

Each function takes what builds a *stage*, the implementation together with the world around it, and gives a TestCase,
for trial, pytest or unittest. An output has no world around it, and a listener hardly any::

    from tempfile import mkdtemp

    from camdetect_jsonl import JsonLines
    from twisted.internet.task import Clock

    from twisted_detector.testing.contracts import listener_contract


    class JsonLinesStage:
        def __init__(self):
            self.clock, self.listener = Clock(), JsonLines(f"{mkdtemp()}/events.jsonl")
            self.left_open, self.advance = self.clock.getDelayedCalls, self.clock.advance

        def stop(self):
            pass  # its file is open as long as the daemon


    class JsonLinesTests(listener_contract(JsonLinesStage)):
        pass

The Protocols ending in ``Stage`` say what each stage supplies; ``docs/plugins.md`` has one of a discoverer. Our tests
run both. A contract says what the docstrings of its interface promise, and what was seen to go wrong: cancellation at
any await, errors of the stated kinds only, an end in time, nothing before the start and nothing after the stop.
"""

from twisted_detector.testing.contracts.discovery import (
    DiscovererStage,
    WatcherStage,
    address_probe_contract,
    discoverer_contract,
    finder_contract,
    network_sweep_contract,
    quick_sweep_contract,
    watcher_contract,
)
from twisted_detector.testing.contracts.inspection import (
    InspectorStage,
    Manner,
    ValidatorStage,
    inspector_contract,
    validator_contract,
)
from twisted_detector.testing.contracts.liveness import LivenessStage, liveness_contract
from twisted_detector.testing.contracts.mqtt import (
    PublisherStage,
    SubscriberStage,
    publisher_contract,
    subscriber_contract,
)
from twisted_detector.testing.contracts.neighbours import NeighboursStage, neighbours_contract
from twisted_detector.testing.contracts.outbox import OutboxStage, outbox_contract
from twisted_detector.testing.contracts.outputs import (
    DeliveryStage,
    ListenerStage,
    Trouble,
    delivery_contract,
    listener_contract,
    output_contract,
)
from twisted_detector.testing.contracts.services import ServiceStage, service_contract
from twisted_detector.testing.contracts.store import (
    JournalStage,
    StateStoreStage,
    journal_contract,
    state_store_contract,
)

__all__ = [
    "DeliveryStage",
    "DiscovererStage",
    "InspectorStage",
    "JournalStage",
    "ListenerStage",
    "LivenessStage",
    "Manner",
    "NeighboursStage",
    "OutboxStage",
    "PublisherStage",
    "ServiceStage",
    "StateStoreStage",
    "SubscriberStage",
    "Trouble",
    "ValidatorStage",
    "WatcherStage",
    "address_probe_contract",
    "delivery_contract",
    "discoverer_contract",
    "finder_contract",
    "inspector_contract",
    "journal_contract",
    "listener_contract",
    "liveness_contract",
    "neighbours_contract",
    "network_sweep_contract",
    "outbox_contract",
    "output_contract",
    "publisher_contract",
    "quick_sweep_contract",
    "service_contract",
    "state_store_contract",
    "subscriber_contract",
    "validator_contract",
    "watcher_contract",
]
