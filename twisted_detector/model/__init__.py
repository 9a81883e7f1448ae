"""Frozen values that every room may hold: what was seen, cameras and streams, messages, logins, addresses."""

from twisted_detector.model.addresses import (
    MAX_ID_LENGTH as MAX_ID_LENGTH,
    Mac as Mac,
    host_for_url as host_for_url,
    parse_address as parse_address,
    safe_id as safe_id,
)
from twisted_detector.model.adoption import Adoption as Adoption
from twisted_detector.model.announced import Announced as Announced
from twisted_detector.model.cameras import (
    Camera as Camera,
    Inspection as Inspection,
    Proof as Proof,
    Status as Status,
    Stream as Stream,
    StreamReport as StreamReport,
)
from twisted_detector.model.devices import (
    OUI as OUI,
    Candidate as Candidate,
    Evidence as Evidence,
    EvidenceKind as EvidenceKind,
    Interface as Interface,
    Sighting as Sighting,
)
from twisted_detector.model.logins import Login as Login, Secret as Secret
from twisted_detector.model.messages import (
    MAX_PAYLOAD_BYTES as MAX_PAYLOAD_BYTES,
    MAX_TOPIC_BYTES as MAX_TOPIC_BYTES,
    JournalRecord as JournalRecord,
    Message as Message,
    Priority as Priority,
)
