"""Wording of the fleet: the nodes of one prefix, and which of them has each camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from twisted_detector.model.encoding import rfc3339
from twisted_detector.operations.nodes.charges import searcher_of
from twisted_detector.operations.nodes.sites import SiteRecord

_NO_STATE = {"name": "", "area": "", "ip": "", "status": "", "reason": "", "since": ""}


def fleet_document(
    record: SiteRecord, states: Mapping[str, Mapping[str, str]] | None = None, *, instance: str
) -> dict[str, Any]:
    """``nodes``: each with the networks that it searches, those of the shared ones that it has
    now, and how many cameras it knows and publishes; ``cameras``: each
    with the node that publishes it, "" for none, those that know it, and its state.

    A camera that only nodes know that are away is theirs still: ``away`` is the one that published it last.

    :param states: what stands on the broker of each camera.
    :param instance: ours.
    """
    sites = record.all()
    known: dict[str, set[str]] = {}
    left: dict[str, str] = {}
    for site in sites:
        for camera_id, claim in site.document.claims.items():
            if not site.is_away:
                known.setdefault(camera_id, set()).add(site.document.node_id)
            elif claim.bid is not None:
                left[camera_id] = site.document.node_id
    owners = {camera_id: record.owner_of(camera_id) for camera_id in known}
    left = {camera_id: node_id for camera_id, node_id in left.items() if camera_id not in known}
    present = [one.document for one in sites if not one.is_away]
    searchers = {network: searcher_of(network, present) for one in sites for network in one.document.about.shared}
    owned = Counter([*owners.values(), *left.values()])
    return {
        "nodes": [
            {
                "node_id": site.document.node_id,
                "this": site.document.instance == instance,
                "version": site.document.about.version,
                "page": site.document.about.page,
                "networks": list(site.document.about.networks),
                "shared": sorted(one for one in site.document.about.shared if searchers[one] == site.document.node_id),
                "known": len(site.document.claims),
                "owned": owned[site.document.node_id],
                "away": site.is_away,
                "since": rfc3339(site.since) if site.since is not None else None,
            }
            for site in sites
        ],
        "cameras": {
            camera_id: {
                "owner": owners.get(camera_id, ""),
                "known_to": sorted(known.get(camera_id, ())),
                "away": left.get(camera_id, ""),
                **((states or {}).get(camera_id) or _NO_STATE),
            }
            for camera_id in sorted(known.keys() | left.keys())
        },
    }
