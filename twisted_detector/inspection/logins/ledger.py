"""A device goes in; the sheets on which its logins are noted come out, under every name that it was met by.

They survive restarts: what is noted is told to whoever keeps it, and what must be on the disk first can be waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from txaio.tx import make_logger

from twisted_detector.inspection.logins.sheet import Failure, Sheet, load
from twisted_detector.model import Candidate

#: Devices that are remembered; the one that had a login tried longest ago goes first.
MAX_REMEMBERED = 65_536


class Ledger:
    """All sheets, by the names of devices.

    Where the MAC is known it is the only name under which something is noted: the next device at the address starts
    with a clean sheet, and one that lies about its EndpointReference spends its own budget, not that of the device
    whose it is. Else it is the address, and the EndpointReference.

    :param save: is told (name, text) to keep for the next run; "" to forget; may answer with a Deferred when it is
        done.
    """

    log = make_logger()

    def __init__(self, save: Callable[[str, str], object]) -> None:
        self._save = save
        self._sheets: dict[str, Sheet] = {}
        #: Which sheet of a MAC was charged last at an address; no more than there are sheets.
        self._at: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._sheets)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        for name, text in saved.items():
            if not text:
                continue
            try:
                sheet = self._sheets[name] = load(text)
                if sheet.address:
                    self._at[sheet.address] = name
            except ValueError:
                self.log.warn("The saved login budget of {key} cannot be read and is forgotten", key=name)
        self._bound()

    # --- reading ---------------------------------------------------------------------------------------------------

    def met(self, candidate: Candidate) -> dict[str, Sheet]:
        """The sheets under every name by which this device may have been met, before its MAC was known too."""
        names = dict.fromkeys((*_noted_as(candidate), *_noted_as(replace(candidate, mac=None))))
        return {name: self._sheets[name] for name in names if name in self._sheets}

    def known(self, candidate: Candidate, now: float) -> list[Sheet]:
        """What counts for this device; where its MAC is not seen (yet), of the one that was given logins there too."""
        sheets = self.met(candidate)
        if candidate.mac is None and candidate.address in self._at:
            name = self._at[candidate.address]
            sheets[name] = self._sheets[name]
        for sheet in sheets.values():
            sheet.hold_clock(now)
        return list(sheets.values())

    def noted(self, candidate: Candidate) -> list[Sheet]:
        """The sheets on which things are noted, new where there are none; the youngest from now on."""
        return [self._sheet(name) for name in _noted_as(candidate)]

    # --- noting ----------------------------------------------------------------------------------------------------

    def note(self, candidate: Candidate, change: Callable[[Sheet], bool]) -> None:
        """Change each of :meth:`noted`; it is kept where ``change`` says that there was something new."""
        for name in _noted_as(candidate):
            if change(self._sheet(name)):
                self.keep(name)

    async def charge(self, candidate: Candidate, marks: Iterable[str], now: float) -> None:
        """Note these as about to be sent; ends when that is on the disk. Cancelled, they are taken back."""
        marks, names = tuple(marks), _noted_as(candidate)
        for name in names:
            sheet = self._sheet(name)
            for mark in marks:
                sheet.spend(mark, now)
            if candidate.mac is not None:
                self._stand(name, sheet, candidate.address)
        try:
            for write in [saved for name in names if isinstance(saved := self.keep(name), Deferred)]:
                await write
        except CancelledError:
            self.withdraw(candidate, *marks)
            raise

    def withdraw(self, candidate: Candidate, *marks: str) -> None:
        """The last time of each was not, or does not count."""
        self.note(candidate, lambda sheet: sum(map(sheet.withdraw, marks)) > 0)  # each of them, so not any()

    def keep(self, name: str) -> object:
        """Have a sheet saved as it is now."""
        return self._save(name, self._sheets[name].dump())

    # --- the sheets ------------------------------------------------------------------------------------------------

    def _sheet(self, name: str) -> Sheet:
        sheet = self._sheets.pop(name) if name in self._sheets else Sheet()
        self._sheets[name] = sheet
        self._bound()
        return sheet

    def _stand(self, name: str, sheet: Sheet, address: str) -> None:
        """The device whose MAC is in ``name`` was given a login at ``address``."""
        self._leave(name, sheet)
        sheet.address = address
        self._at[address] = name

    def _leave(self, name: str, sheet: Sheet) -> None:
        if self._at.get(sheet.address) == name:
            del self._at[sheet.address]

    def _bound(self) -> None:
        while len(self._sheets) > MAX_REMEMBERED:
            name = next(iter(self._sheets))
            self._leave(name, self._sheets.pop(name))
            self._save(name, "")


def recent(sheets: Iterable[Sheet], now: float) -> set[Failure]:
    """What counts now; one failure is noted under every name of the device, and counts once."""
    return {failure for sheet in sheets for failure in sheet.recent(now)}


def _noted_as(candidate: Candidate) -> tuple[str, ...]:
    if candidate.mac is not None:
        return (f"mac {candidate.mac.compact}",)
    at = (f"at {candidate.address}",)
    return (*at, f"epr {candidate.endpoint_reference}") if candidate.endpoint_reference else at
