"""Book of adoption: which devices are adopted, by what, and under which identity; and which are blocked.

An adoption is bound to the device, not to its address: to the MACs over which it was adopted, and to the
EndpointReference and the certificate that it gave when it was inspected. What is learnt later is added; what then
differs ends the adoption. Only what this machine saw (the MAC) or asked for itself (the others) counts: an announcement
can be forged, and would end the adoption of any camera. A device of which no MAC was ever seen is bound to its address.

Pure; what changes is handed to ``save``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model import Adoption, Candidate, Mac
from twisted_detector.registry.identity.claims import normalise_endpoint_reference

#: Devices that may be blocked at one time: a list that a person made by hand.
MAX_BLOCKED = 4096
#: MACs of one adoption: wire and Wi-Fi, each accepted, and as many after a repair.
MAX_MACS = 4
#: Wall seconds that the first run may take, over restarts too.
FIRST_RUN_SECONDS = 600.0
#: Characters of a saved text; an EndpointReference has 36, a fingerprint 64.
_MAX_TEXT = 256
#: Keys of the table: of one device, and of the state of the first run.
_DEVICE, _FIRST_RUN, _OVER = "device ", "first-run", "over"
_AUTOMATIC = {"all": Adoption.SEEN, "first-run": Adoption.FIRST_RUN}

NEW = "new since the first run: adopt it"
ASKED = "ADOPTION=ask adopts no device by itself: adopt it"
BEYOND = "its MAC is not seen from here: name its network in SCAN_NETWORKS, or adopt it"
UNADOPTED = "its adoption was taken back: adopt it"
ELSEWHERE = "{reason}; node {node} says that it is adopted there: if it is yours, adopt it here, too"
UNSEEN = "the MAC that it was adopted with is not seen at its address now"
_BY = {
    Adoption.LISTED: "the configuration names its network or itself",
    Adoption.PERSON: "a person accepted it",
    Adoption.FIRST_RUN: "it was found in the first run",
    Adoption.SEEN: "its MAC was seen on a link (ADOPTION=all)",
    Adoption.BLOCKED: "a person blocked it",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device shows of itself now; "" for what it does not.

    :ivar mac: over which it was seen at its present address, its own or that of a repeater before it.
    :ivar reference: the EndpointReference, and ``certificate``: the fingerprint, that it gave when it was inspected.
    :ivar address: where it is.
    """

    mac: str = ""
    reference: str = ""
    certificate: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class AdoptionRecord:
    """What was decided of one device, and the identity under which that holds.

    :ivar at: wall seconds of the decision.
    :ivar reason: why it is no longer adopted, "" when it is.
    """

    adoption: Adoption
    at: float
    macs: tuple[str, ...] = ()
    reference: str = ""
    certificate: str = ""
    address: str = ""
    reason: str = ""

    @classmethod
    def of(cls, adoption: Adoption, at: float, shown: Identity, *, macs: tuple[str, ...] = ()) -> AdoptionRecord:
        """A decision about the device that shows itself so. :param macs: that it was accepted with before."""
        own = tuple(dict.fromkeys((*macs, shown.mac)))[-MAX_MACS:] if shown.mac else ()
        return cls(adoption, at, own, shown.reference, shown.certificate, shown.address)

    def difference(self, shown: Identity) -> str:
        """Why a device that shows itself so is not the one that was decided about; "": nothing speaks against it."""
        if self.macs and shown.mac and shown.mac not in self.macs:
            return f"it has the MAC {shown.mac}, and was adopted with {' and '.join(self.macs)}"
        if self.reference and shown.reference and shown.reference != self.reference:
            now, before = _line(shown.reference), _line(self.reference)
            return f"it has the EndpointReference {now}, and was adopted with {before}"
        if self.certificate and shown.certificate and shown.certificate != self.certificate:
            return "it has another certificate than it was adopted with"
        if not self.macs and self.address and shown.address != self.address:
            return f"it is at {shown.address}, was adopted at {self.address}, and its MAC was never seen"
        return ""

    def with_learnt(self, shown: Identity) -> AdoptionRecord:
        """The same, bound to what was not known yet too; call it when there is no :meth:`difference`."""
        return replace(
            self,
            macs=self.macs or tuple(filter(None, (shown.mac,))),
            reference=self.reference or shown.reference,
            certificate=self.certificate or shown.certificate,
            address=shown.address,
        )


class AdoptionBook:
    """All decisions of adoption, and the first run.

    :param mode: ADOPTION: ``first-run``, ``all`` or ``ask``.
    :param is_listed: whether the operator named a device, or its network.
    :param save: keeps (key, text) for the next run; "" to forget.
    :ivar first_run: whether the first run is under way.
    """

    def __init__(
        self,
        *,
        mode: str = "ask",
        is_listed: Callable[[Candidate], bool] = lambda candidate: False,
        save: Callable[[str, str], object] = lambda key, text: None,
    ) -> None:
        self._mode = mode
        self.is_listed = is_listed
        self._save = save
        self._saved: dict[str, AdoptionRecord] = {}
        self._blocked: dict[str, AdoptionRecord] = {}
        self._blocked_names: frozenset[tuple[str, str]] = frozenset()
        self._first_run_state = ""
        self._adopted_at: Callable[[str], str] = lambda device_id: ""
        self.first_run = False

    def hear(self, adopted_at: Callable[[str], str]) -> None:
        """From now on people are told where else a device is adopted. It decides nothing: it is others' word.

        :param adopted_at: the node, by the device's id; "" for none.
        """
        self._adopted_at = adopted_at

    # --- saved decisions -------------------------------------------------------------------------------------------

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten, and its device is new."""
        self._first_run_state = saved.get(_FIRST_RUN, "")
        for key, text in saved.items():
            if not key.startswith(_DEVICE) or (record := _parse(text)) is None:
                continue
            device_id = key.removeprefix(_DEVICE)
            if record.adoption is Adoption.BLOCKED:
                self._blocked[device_id] = record
            else:
                self._saved[device_id] = record
        self._index_blocked()

    def record_of(self, device_id: str) -> AdoptionRecord | None:
        """What is saved of a device."""
        return self._saved.get(device_id)

    def keep(self, device_id: str, record: AdoptionRecord | None) -> None:
        """Save what was decided of a device that is published; None to forget it."""
        if not device_id or self._saved.get(device_id) == record:
            return
        if record is None:
            del self._saved[device_id]
        else:
            self._saved[device_id] = record
        self._save(_DEVICE + device_id, "" if record is None else _serialise(record))

    # --- the first run ---------------------------------------------------------------------------------------------

    @property
    def is_new(self) -> bool:
        """Whether no run of a version that knows adoption has decided anything here."""
        return not self._first_run_state

    def begin(self, *, known: bool, now: float) -> float:
        """Begin the first run, or go on with it after a restart.

        :param known: whether there are cameras of an earlier run.
        :returns: seconds that are left of it; 0.0: this is no first run.
        """
        began = _stamp(self._first_run_state)
        if began is None:
            left = 0.0 if known or self._first_run_state else FIRST_RUN_SECONDS
        else:
            left = began + FIRST_RUN_SECONDS - now if began <= now else 0.0
        self.first_run = left > 0
        if not self.first_run and (known or self._first_run_state):
            self.end_first_run()
        return max(0.0, left)

    def end_first_run(self) -> None:
        """From now on what is found is new; kept over restarts."""
        self.first_run = False
        if self._first_run_state != _OVER:
            self._first_run_state = _OVER
            self._save(_FIRST_RUN, _OVER)

    def automatic(self, now: float) -> Adoption:
        """What a device on a link is adopted by when it is seen now; NO: by nothing."""
        if self._mode == "ask" or (self._mode == "first-run" and not self.first_run):
            return Adoption.NO
        if self._mode == "first-run" and not self._first_run_state:
            # From the first device on: a scan that found nothing leaves the first run to the daemon.
            self._first_run_state = str(now)
            self._save(_FIRST_RUN, self._first_run_state)
        return _AUTOMATIC[self._mode]

    # --- words -----------------------------------------------------------------------------------------------------

    def describe(
        self, adoption: Adoption, record: AdoptionRecord | None, *, on_link: bool = True, ids: Iterable[str] = ()
    ) -> str:
        """Why a device is adopted, or why not and what to do.

        :param on_link: a MAC is seen at its address. :param ids: under which others may know it.
        """
        if adoption is not Adoption.NO:
            return _BY[adoption]
        if record is not None and record.reason:
            return f"{record.reason}: adopt it again" if record.reason != UNADOPTED else UNADOPTED
        reason = ASKED if self._mode == "ask" else NEW if on_link else BEYOND
        elsewhere = next(filter(None, map(self._adopted_at, ids)), "")
        return ELSEWHERE.format(reason=reason, node=_line(elsewhere)) if elsewhere else reason

    # --- blocked devices -------------------------------------------------------------------------------------------

    def block(self, device_id: str, record: AdoptionRecord) -> bool:
        """Block a device; False when there is no room."""
        if len(self._blocked) >= MAX_BLOCKED:
            return False
        self._saved.pop(device_id, None)
        self._blocked[device_id] = record
        self._save(_DEVICE + device_id, _serialise(record))
        self._index_blocked()
        return True

    def find_blocked(self, text: str) -> list[str]:
        """The ids of the blocked devices of this id, MAC or EndpointReference."""
        try:
            mac = Mac.parse(text).text
        except RemoteError:
            mac = ""
        reference = normalise_endpoint_reference(text)
        return [
            device_id
            for device_id, one in self._blocked.items()
            if device_id == text.lower() or mac in one.macs or (reference and reference == one.reference)
        ]

    def unblock(self, text: str) -> bool:
        """Unblock the device of this id, MAC or EndpointReference; False when none is blocked."""
        found = self.find_blocked(text)
        for device_id in found:
            del self._blocked[device_id]
            self._save(_DEVICE + device_id, "")
        self._index_blocked()
        return bool(found)

    def _index_blocked(self) -> None:
        # Asked for each sighting: a flood of them must not be compared with each blocked device.
        names: set[tuple[str, str]] = set()
        for one in self._blocked.values():
            names |= {("mac", mac) for mac in one.macs} | {("reference", one.reference)}
            names.add(("address", "" if one.macs else one.address))
        self._blocked_names = frozenset(name for name in names if name[1])

    def blocked(self) -> Mapping[str, AdoptionRecord]:
        """The blocked devices, by their ids."""
        return dict(self._blocked)

    def is_blocked(self, *, mac: str = "", reference: str = "", address: str = "") -> bool:
        """Whether a blocked device has this MAC or EndpointReference; one of which no MAC was seen, this address."""
        shown = (("mac", mac), ("reference", reference), ("address", address))
        return bool(self._blocked_names) and not self._blocked_names.isdisjoint(shown)


def _line(text: str) -> str:
    """A device's own text within a sentence of ours."""
    return "".join(one for one in text if one.isprintable())[:64]


def _serialise(record: AdoptionRecord) -> str:
    document = {
        "adoption": record.adoption.value,
        "at": record.at,
        "macs": list(record.macs),
        "reference": record.reference,
        "certificate": record.certificate,
        "address": record.address,
        "reason": record.reason,
    }
    return json.dumps({key: value for key, value in document.items() if value}, sort_keys=True)


def _parse(text: str) -> AdoptionRecord | None:
    """A record as it was saved; None when it is none: then its device is new."""
    try:
        document: dict[str, Any] = json.loads(text)
        return AdoptionRecord(
            adoption=Adoption(document["adoption"]),
            at=float(document.get("at", 0.0)),
            macs=tuple(Mac.parse(one).text for one in document.get("macs", []))[:MAX_MACS],
            **{
                name: str(document.get(name, ""))[:_MAX_TEXT]
                for name in ("reference", "certificate", "address", "reason")
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, RemoteError):
        return None


def _stamp(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
