"""Routes of the first run and of the settings that the page may change; each is a command of the router."""

from __future__ import annotations

from twisted_detector.web.api.route import ID, Field, Route
from twisted_detector.web.api.schemas import FLAG, TEXT, WHOLE, Schema, array_of, object_with

#: Cameras that are adopted by one request: their ids fit a body.
MAX_CAMERAS = 1000
#: As ``config.page_settings`` has them: a test compares.
SETTINGS = (
    "MQTT_BROKER",
    "MQTT_PORT",
    "MQTT_TLS",
    "TLS_CA_PATH",
    "MQTT_USERNAME",
    "MQTT_PASSWORD",
    "HOMEASSISTANT_ENABLED",
    "FRIGATE_URL",
    "FRIGATE_TLS_INSECURE",
    "FRIGATE_USER",
    "FRIGATE_PASSWORD",
    "GO2RTC_URL",
    "GO2RTC_USER",
    "GO2RTC_PASSWORD",
)
_BODY = tuple(
    Field(name, {"type": "string", "maxLength": 1024}, 'Its value; "" removes what was set here.') for name in SETTINGS
)
_DOCUMENT: Schema = object_with(
    settings={
        "type": "object",
        "additionalProperties": object_with(value=TEXT, source=TEXT, fixed=TEXT, help=TEXT),
    },
    restarting=FLAG,
    fault=TEXT,
)
_FIRST_RUN = object_with(open=FLAG, state={"type": "string", "enum": ["new", "finished", "skipped", "earlier"]})
_REFUSED = {400: "A value is refused: `detail` begins with the name of the setting or field and a colon."}
_NOT_SAVED = {**_REFUSED, 503: "The disk takes no writes: nothing was changed."}

FIRST_RUN_ROUTES = (
    Route(
        "POST",
        "/adopt",
        "adopt",
        "Adopt several cameras: they may be sent logins.",
        object_with(count=WHOLE),
        body=(
            Field(
                "camera_ids",
                {"type": "array", "maxItems": MAX_CAMERAS, "items": ID},
                "Their ids; unknown ones are skipped.",
                required=True,
            ),
        ),
        problems=_REFUSED,
        costs=True,
        command=True,
        operation="adopt_several",
    ),
    Route(
        "GET",
        "/first-run",
        "first-run",
        "Whether the page opens on the first run.",
        _FIRST_RUN,
        command=True,
    ),
    Route(
        "POST",
        "/first-run",
        "first-run",
        "Finish or skip it: the page never opens on it again.",
        _FIRST_RUN,
        body=(Field("action", {"type": "string", "enum": ["finish", "skip"]}, "Which.", required=True),),
        problems=_REFUSED,
        command=True,
    ),
    Route(
        "GET",
        "/settings",
        "settings",
        "The settings that may be changed here, where each value comes from, and what fixes it; passwords are masked.",
        _DOCUMENT,
        command=True,
    ),
    Route(
        "POST",
        "/settings",
        "settings",
        "Change some of them. If a value changes, `restart` names the setting, and all parts restart with it a moment"
        " later; `dropped` are logins that must be entered again because they would go to another place.",
        _DOCUMENT,
        body=_BODY,
        problems=_NOT_SAVED,
        costs=True,
        command=True,
    ),
    Route(
        "POST",
        "/broker/test",
        "broker-test",
        "Connect to a broker with these settings, which are not saved, and say in words what happened.",
        object_with(ok=FLAG, text=TEXT, advice=TEXT, setting=TEXT),
        body=_BODY,
        problems=_REFUSED,
        costs=True,
        command=True,
    ),
    Route(
        "POST",
        "/consumers",
        "consumers",
        "Search this machine and its networks for Home Assistant, Frigate, go2rtc and a broker; takes some seconds.",
        object_with(
            consumers=array_of(
                object_with(program=TEXT, url=TEXT, version=TEXT, login=FLAG, clear=FLAG, settings={"type": "object"})
            ),
            brokers=array_of(object_with(host=TEXT, port=WHOLE, login=FLAG, used=FLAG)),
            hosts=WHOLE,
        ),
        problems=_REFUSED,
        costs=True,
        command=True,
    ),
)
