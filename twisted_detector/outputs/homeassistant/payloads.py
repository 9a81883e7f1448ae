"""Payloads from which Home Assistant makes a device with entities: of a camera, and of this daemon.

Home Assistant's *device discovery* (one message per device; abbreviations as in its ``mqtt/abbreviations.py``):
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload. Values are taken out of our own topics by
templates there, so a change is published once, on our topic, and not a second time for Home Assistant.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from twisted_detector import __version__
from twisted_detector.model import Camera, Status
from twisted_detector.model.addresses import safe_id
from twisted_detector.model.encoding import encode
from twisted_detector.model.naming import title
from twisted_detector.model.notices import EVENTS
from twisted_detector.model.reasons import FROZEN
from twisted_detector.outputs.camera_json import device_page
from twisted_detector.outputs.topics import Topics

#: What every payload says it comes from, and what marks a topic as one of ours.
ORIGIN = "camdetect"
#: Seconds by which a camera's clock may be off before somebody should look: then logins fail, and recordings mislead.
WRONG_CLOCK = 60.0
#: Names come from cameras: Home Assistant makes entity ids of them, and a line of its pages holds no more.
MAX_NAME = 100

#: Every component that a camera ever had, with its platform: one that is not wanted (any more) is sent with its
#: platform alone, which removes it. Never take one out of here: somebody's broker may still hold it.
CAMERA_COMPONENTS: Mapping[str, str] = {
    "connectivity": "binary_sensor",
    "problem": "binary_sensor",
    "status": "sensor",
    "ip": "sensor",
    "codec": "sensor",
    "size": "sensor",
    "last_seen": "sensor",
    "clock": "sensor",
    "check": "button",
    "forget": "button",
    "picture": "image",
    "adopt": "button",
    "attention": "binary_sensor",
    "event": "event",
}
#: The same of the daemon.
NODE_COMPONENTS: Mapping[str, str] = {
    "connectivity": "binary_sensor",
    "problem": "binary_sensor",
    "sweeping": "binary_sensor",
    "mqtt": "sensor",
    "queue": "sensor",
    "phase": "sensor",
    "online": "sensor",
    "total": "sensor",
    "rescan": "button",
    "adopt": "button",
    "notice": "event",
}

Payload = dict[str, Any]

#: Two messages of the status topic are no state: that a camera moved is published there too, unretained, before the
#: state; and the topic is emptied when it is forgotten, which a core may receive before it has removed the entity.
_IF_STATE = "{% if value_json is defined and value_json.status != 'ip_changed' %}"
_IF_JSON = "{% if value_json is defined %}"
_STATUS = _IF_STATE + "{{ value_json.status }}{% else %}{{ this.state }}{% endif %}"
_CONNECTED = _IF_STATE + "{{ 'OFF' if value_json.status == 'offline' else 'ON' }}{% endif %}"
_PROBLEM = _IF_STATE + "{{ 'OFF' if value_json.status in ('online', 'sleeps') else 'ON' }}{% endif %}"
_CAMERA_HERE = _IF_STATE + "{{ 'offline' if value_json.status == 'offline' else 'online' }}{% endif %}"
_REASON = (
    "'reason': value_json.reason, 'since': value_json.since, 'conditions': value_json.camera.conditions | default([])"
)
_WHY = _IF_JSON + "{{ {" + _REASON + "} | tojson }}{% else %}{}{% endif %}"
_ADDRESS = _IF_JSON + "{{ value_json.camera.ip }}{% endif %}"
_CLOCK = _IF_JSON + "{{ value_json.camera.clock_offset_s }}{% endif %}"
#: A camera that does not answer comes back by itself; these do not, nor does a clock that is wrong.
_ATTENTION = (
    _IF_STATE + "{% set camera = value_json.camera %}"
    "{{ 'ON' if value_json.status in ('auth_required', 'stream_error') or (camera.clock_offset_s | abs) >= "
    f"{WRONG_CLOCK:g}"
    " else 'OFF' }}{% endif %}"
)
#: Of our events those that an automation wants: one of another kind renders to nothing, which is no event.
_EVENT = (
    _IF_JSON + "{% set kinds = {'moved': 'moved', 'online': 'back', 'offline': 'offline'} %}"
    "{% set frozen = value_json.event == 'trouble' and value_json.reason == '" + FROZEN + "' %}"
    "{% set kind = 'frozen' if frozen else kinds.get(value_json.event) %}"
    "{% if kind %}{{ {'event_type': kind, 'address': value_json.camera.ip, 'reason': value_json.reason | default('')}"
    " | tojson }}{% endif %}{% endif %}"
)
#: A notice with its words; which kinds there may be stands in the payload.
_NOTICE = (
    _IF_JSON + "{{ {'event_type': value_json.event, 'title': value_json.title, 'text': value_json.text,"
    " 'since': value_json.since, 'ended': value_json.ended,"
    " 'cameras': value_json.cameras | map(attribute='name') | list} | tojson }}{% endif %}"
)
_SEEN = _IF_JSON + "{{ value_json.last_seen_iso }}{% else %}{{ this.state }}{% endif %}"
#: The stream that a user would look at: the first that was proved, else the first there is.
_STREAM = (
    _IF_JSON + "{% set all = value_json.camera.streams %}"
    "{% set stream = ((all | selectattr('validated') | list) + all) | first | default(none) %}"
)
_CODEC = _STREAM + "{{ stream.codec if stream and stream.codec else 'unknown' }}{% endif %}"
_SIZE = _STREAM + "{{ stream.width ~ 'x' ~ stream.height if stream and stream.width else 'unknown' }}{% endif %}"
_STREAMS = (
    _IF_JSON + "{{ {'name': value_json.camera.name, 'urls': value_json.camera.streams | map(attribute='url') | list,"
    " 'ip_history': value_json.camera.ip_history} | tojson }}{% else %}{}{% endif %}"
)


def object_id(camera_id: str) -> str:
    """The name of a camera's device in topics and as its identifier."""
    return f"{ORIGIN}_{camera_id}"


def node_object_id(topics: Topics) -> str:
    """The same of the daemon: fit for ``[a-zA-Z0-9_-]``, and another for another node or topic prefix."""
    root = topics.health[0].removesuffix("system/camera_detector_health")
    full = root + topics.node_id
    slug = safe_id(full)[:40]
    if slug != full:
        # Two names that come to the same text must not be one device.
        slug = f"{slug}-{hashlib.sha256(full.encode('utf-8', 'replace')).hexdigest()[:6]}"
    return f"{ORIGIN}_node_{slug}"


def tidy(text: str) -> str:
    """A text of a camera as a name: on one line, without control characters, not too long."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+", " ", text).strip()[:MAX_NAME]


def camera_payload(camera: Camera, topics: Topics, *, pictures: bool, page: str = "") -> Payload:
    """The device of one camera.

    :param page: URL of our web page, "" where browsers elsewhere cannot reach it.
    """
    status = topics.status(camera.id)
    everything_here = [_daemon_here(topics), {"t": status, "val_tpl": _CAMERA_HERE}]
    components: Payload = {
        # Without a name of ours Home Assistant names them by their class, in the language of its user.
        "connectivity": {"dev_cla": "connectivity", "val_tpl": _CONNECTED},
        "problem": {"dev_cla": "problem", "val_tpl": _PROBLEM, "json_attr_t": status, "json_attr_tpl": _WHY},
        "attention": {
            "name": "Needs attention",
            "dev_cla": "problem",
            "val_tpl": _ATTENTION,
            "json_attr_t": status,
            "json_attr_tpl": _why_with(f"{page}#/camera/{camera.id}" if page else ""),
        },
        "event": {
            "name": "Event",
            "evt_typ": ["moved", "frozen", "offline", "back"],
            "stat_t": topics.event(camera.id),
            "val_tpl": _EVENT,
            "ic": "mdi:cctv",
        },
        "status": {
            "name": "Status",
            "dev_cla": "enum",
            "ops": [one.value for one in Status],
            "val_tpl": _STATUS,
            "json_attr_t": status,
            "json_attr_tpl": _WHY,
            "ic": "mdi:cctv",
        },
        "ip": _diagnostic("IP address", _ADDRESS, "mdi:ip-network", avty=everything_here)
        | {"json_attr_t": status, "json_attr_tpl": _STREAMS},
        "codec": _diagnostic("Codec", _CODEC, "mdi:video", avty=everything_here),
        "size": _diagnostic("Picture size", _SIZE, "mdi:aspect-ratio", avty=everything_here),
        "last_seen": _diagnostic("Last seen", _SEEN, "mdi:eye-check")
        | {"dev_cla": "timestamp", "stat_t": topics.seen(camera.id)},
        "clock": _diagnostic("Clock difference", _CLOCK, "mdi:clock-alert", avty=everything_here)
        | {"dev_cla": "duration", "unit_of_meas": "s"},
        "check": _button("Check now", topics, {"command": "check", "camera_id": camera.id}, "mdi:refresh"),
        "forget": _button("Forget", topics, {"command": "forget", "camera_id": camera.id}, "mdi:delete", en=False),
    }
    if not camera.adopted.is_adopted:
        # Whoever is given a login is a person's decision, so it stands among the controls, and goes once it is taken.
        adopt = _button("Adopt", topics, {"command": "adopt", "camera_id": camera.id}, "mdi:account-check")
        components["adopt"] = {key: value for key, value in adopt.items() if key != "ent_cat"}
    if pictures:
        components["picture"] = {
            "name": "Picture",
            "img_t": topics.picture(camera.id),
            "cont_type": "image/jpeg",
            "avty": everything_here,
            "avty_mode": "all",
        }
    device = _camera_device(camera, topics)
    return _payload(device, object_id(camera.id), CAMERA_COMPONENTS, components, topics, status, page)


def node_payload(topics: Topics, *, page: str = "") -> Payload:
    """The device of this daemon: entities from its health document and its will."""
    name = f"camdetect {tidy(topics.node_id)}"
    device = {"ids": [node_object_id(topics)], "name": name, "mf": ORIGIN, "mdl": "camera detector", "sw": __version__}
    if page:
        device["cu"] = page
    health = topics.health[1]
    components: Payload = {
        "connectivity": {
            "dev_cla": "connectivity",
            "ent_cat": "diagnostic",
            "stat_t": topics.lwt,
            "val_tpl": "{{ 'ON' if value_json.status == 'online' else 'OFF' }}",
            # It is to show that the daemon is away, and not to be away with it.
            "avty": [{"t": topics.lwt, "val_tpl": "online"}],
        },
        "problem": {
            "dev_cla": "problem",
            "val_tpl": "{{ 'OFF' if value_json.status == 'online' else 'ON' }}",
            "json_attr_t": health,
            "json_attr_tpl": "{{ {'reason': value_json.reason} | tojson }}",
        },
        "sweeping": {
            "name": "Sweep",
            "dev_cla": "running",
            "ent_cat": "diagnostic",
            "val_tpl": "{{ 'ON' if value_json.discovery.sweeping else 'OFF' }}",
        },
        "mqtt": _diagnostic("MQTT", "{{ value_json.mqtt.state }}", "mdi:lan-connect"),
        "queue": _diagnostic("MQTT queue", "{{ value_json.mqtt.queue_depth.values() | sum }}", "mdi:tray-full")
        | {"stat_cla": "measurement"},
        "phase": _diagnostic("Sweep phase", "{{ value_json.discovery.phase }}", "mdi:radar"),
        "online": {
            "name": "Cameras online",
            "val_tpl": "{{ value_json.stats.online_cameras }}",
            "stat_cla": "measurement",
            "ic": "mdi:cctv",
        },
        "total": {
            "name": "Cameras",
            "val_tpl": "{{ value_json.stats.total_cameras }}",
            "stat_cla": "measurement",
            "ic": "mdi:cctv",
        },
        "notice": {
            "name": "Notice",
            "evt_typ": list(EVENTS),
            "stat_t": topics.notice,
            "val_tpl": _NOTICE,
            "ic": "mdi:bell",
        },
        "rescan": _button("Look for cameras", topics, {"command": "rescan"}, "mdi:radar"),
        # A newcomer that wants a login is no device here before it is adopted. It gives the login to all of them at one
        # press, so a person has to enable it first.
        "adopt": _button(
            "Adopt all new cameras", topics, {"command": "adopt", "all": True}, "mdi:account-check", en=False
        ),
    }
    return _payload(device, node_object_id(topics), NODE_COMPONENTS, components, topics, health, page)


def _camera_device(camera: Camera, topics: Topics) -> Payload:
    device: Payload = {
        "ids": [object_id(camera.id)],
        "name": tidy(title(camera)) or camera.id,
        # No abbreviation of this one is known to Home Assistant.
        "via_device": node_object_id(topics),
    }
    for key, text in (
        ("mf", camera.manufacturer),
        ("mdl", camera.model),
        ("sw", camera.firmware_version),
        ("sn", camera.serial_number),
        ("sa", camera.area),
    ):
        if tidied := tidy(text):
            device[key] = tidied
    if camera.mac is not None and camera.channel == 1:
        # Home Assistant makes one device of all that share a connection: the channels of a recorder would be one.
        device["cns"] = [["mac", camera.mac.text]]
    url = device_page(camera)
    if re.fullmatch(r"https?://[^\s/?#%]+(?:[/?#]\S*)?", url):
        # A link-local IPv6 address with its scope is no URL to Home Assistant, which would refuse the whole device.
        device["cu"] = url
    return device


def _why_with(page: str) -> str:
    """Attributes that tell why, with a link to the page on which it can be mended."""
    if not page:
        return _WHY
    why = "{" + _REASON + ", 'page': " + json.dumps(page) + "}"
    return _IF_JSON + "{{ " + why + " | tojson }}{% else %}{}{% endif %}"


def _entity_name(text: str) -> str:
    """A name as it may stand in an entity id: ``[a-z0-9_]``, without ``_`` at an end or twice."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _daemon_here(topics: Topics) -> Payload:
    return {"t": topics.lwt, "val_tpl": "{{ value_json.status }}"}


def _diagnostic(name: str, template: str, icon: str, *, avty: list[Payload] | None = None) -> Payload:
    document: Payload = {"name": name, "val_tpl": template, "ent_cat": "diagnostic", "ic": icon}
    return document if avty is None else document | {"avty": avty, "avty_mode": "all"}


def _button(name: str, topics: Topics, command: Mapping[str, str | bool], icon: str, *, en: bool = True) -> Payload:
    press = encode(command).decode()
    document = {"name": name, "cmd_t": topics.command, "pl_prs": press, "ent_cat": "diagnostic", "ic": icon, "qos": 1}
    return document if en else document | {"en": False}


def _payload(
    device: Payload,
    identity: str,
    ever: Mapping[str, str],
    components: Mapping[str, Payload],
    topics: Topics,
    state: str,
    page: str,
) -> Payload:
    """The whole payload; what all components share (topic of the state, availability) stands in it once."""
    name = _entity_name(str(device["name"])) or identity

    def component(key: str, platform: str) -> Payload:
        if key not in components:
            return {"p": platform}
        # Entity ids are made of these once, when Home Assistant meets an entity, and stay.
        ids = {"uniq_id": f"{identity}_{key}", "def_ent_id": f"{platform}.{name}_{key}"}
        return {"p": platform, **ids, **components[key]}

    return {
        "dev": device,
        "o": {"name": ORIGIN, "sw": __version__, **({"url": page} if page else {})},
        "stat_t": state,
        "avty": [_daemon_here(topics)],
        "avty_mode": "all",
        "cmps": {key: component(key, platform) for key, platform in ever.items()},
    }


#: Options of the payload that its components share (``SHARED_OPTIONS`` in Home Assistant's ``mqtt/schemas.py``).
_SHARED = ("avty", "avty_mode", "stat_t")


def expanded(payload: Mapping[str, Any]) -> dict[tuple[str, str], Payload]:
    """The payloads of each component by platform and key, as Home Assistant's core takes a device payload apart.

    A removed component has an empty payload. The same rules as ``async_discovery_message_received`` of
    ``homeassistant/components/mqtt/discovery.py``, which is what cores before device discovery want to be given.
    """
    parts: dict[tuple[str, str], Payload] = {}
    for key, component in payload["cmps"].items():
        own = {name: value for name, value in component.items() if name != "p"}
        if own:
            shared = {name: payload[name] for name in _SHARED if name in payload and name not in own}
            own = {**own, **shared, "dev": payload["dev"], "o": payload["o"]}
        parts[component["p"], key] = own
    return parts


def owner_of(payload: Mapping[str, Any]) -> str:
    """The will topic of the daemon that made a device's or a component's payload; "" when it is not of camdetect."""
    origin, availability = payload.get("o"), payload.get("avty")
    if not isinstance(origin, dict) or origin.get("name") != ORIGIN or not isinstance(availability, list):
        return ""
    topics: Iterable[object] = (one.get("t") for one in availability[:1] if isinstance(one, dict))
    return next((topic for topic in topics if isinstance(topic, str)), "")
