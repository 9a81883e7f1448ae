"""Random histories of nodes: ``python -m tests.operations.nodes.histories FIRST LAST`` lives through those seeds.

Machines crash and come back, processes are stopped and go on, links are cut and heal, beats are lost, documents come
twice, brokers are restarted with and without what they retained, the bridge between two of them breaks; cameras are
seen better, worse, not any more.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable

from tests.operations.nodes.world import CAMERAS, Maker, World
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.values import Rank

DEEDS = (
    "wait", "wait", "long", "crash", "restart", "freeze", "thaw", "cut", "heal", "see", "see", "forget", "lose beats",
    "broker", "split", "join", "duplicate", "blink",
)  # fmt: skip

Deed = tuple[str, int, int]


def do(world: World, deed: Deed) -> None:
    """One deed of a history, and a while after it."""
    what, which, how = deed
    node, camera = world.nodes[which % len(world.nodes)], CAMERAS[how % len(CAMERAS)]
    broker = world.brokers[which % len(world.brokers)]
    simple: dict[str, Callable[[], None]] = {
        "crash": lambda: world.crash(node),
        "restart": lambda: world.restart(node),
        "freeze": lambda: world.freeze(node),
        "thaw": lambda: world.thaw(node),
        "cut": lambda: world.cut(node),
        "heal": lambda: world.heal(node),
        "see": lambda: world.see(node, camera, Rank(how % 4)),
        "forget": lambda: world.forget(node, camera),
        "broker": lambda: world.restart_broker(broker, keeps=bool(how % 2)),
        "join": world.join,
        "long": lambda: world.run(40.0),
    }
    if what == "lose beats":
        world.loss = (how % 4) / 6
    elif what == "duplicate":
        world.twice = (how % 4) / 6
    elif what == "split":
        world.joined = len(world.brokers) == 1
    elif what == "blink":
        world.cut(node)
        world.run(how % 5 + world.random.random())
        world.heal(node)
    elif what in simple:
        simple[what]()
    world.run(world.random.choice((0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0)) * (1 + how % 2))


def live(world: World, deeds: Iterable[Deed]) -> None:
    """The history, then quiet, then the judgement."""
    for deed in deeds:
        do(world, deed)
    world.rest()
    world.judge()


def history(seed: int, *, length: int = 14) -> tuple[int, int, list[Deed]]:
    """Nodes, brokers and deeds of a random history."""
    chance = random.Random(seed)
    nodes, brokers = chance.randint(2, 5), 1 + (chance.random() < 0.25)
    begin = [("see", chance.randrange(nodes), chance.randrange(12)) for _ in range(4)]
    return nodes, brokers, begin + [
        (chance.choice(DEEDS), chance.randrange(60), chance.randrange(60)) for _ in range(chance.randint(2, length))
    ]  # fmt: skip


def is_clustered(seed: int, brokers: int) -> bool:
    """Whether the one broker of a history is a cluster: a third of them are."""
    return brokers == 1 and seed % 3 == 2


def lived(seed: int, make: Maker = Election) -> World:
    """The world after the history of that seed."""
    nodes, brokers, deeds = history(seed)
    world = World(seed, nodes, brokers=brokers, cluster=is_clustered(seed, brokers), make=make)
    live(world, deeds)
    return world


def held(world: World) -> list[str]:
    """The breaches that are breaches: two brokers that are cut apart may each hear a node of their own."""
    return [one for one in world.breaches if len(world.brokers) == 1 or not one.startswith("stale")]


def main(first: int, last: int) -> int:
    """Live through the histories of these seeds; the number of those with a breach."""
    bad = late = 0
    for seed in range(first, last):
        world = lived(seed)
        late += world.late
        if found := held(world):
            bad += 1
            print(f"seed {seed}: {history(seed)}\n  " + "\n  ".join(found))
    print(f"{last - first} histories, {bad} with a breach; {late} states came late over a healed link")
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:3]))))
