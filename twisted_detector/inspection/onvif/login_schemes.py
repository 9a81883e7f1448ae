"""Login schemes of one session: in which way a device is given a login, and what follows when it refuses that way.

A device says what it wants twice, by HTTP and by SOAP, and the two need not agree: gSOAP says Basic with each 401 and
means the token, some firmware offers Digest and takes nothing but the token (Home Assistant's library always sends the
token, and no HTTP digest, so every camera that works there takes it). Rules:

1. The order is WS-UsernameToken, Digest, Basic, as far as the device can take them and we may give them. A token can be
   taken where SOAP is spoken. Digest comes before it where HTTP refused and SOAP was never reached; Basic only where
   nothing better is offered. The way that the device took before is the first.
2. What the device states of itself (GetServiceCapabilities, which the conformance tests of ONVIF look at) is believed:
   then there is one way, and no second failure to be risked for another.
3. One way at a time: a second one in the same request could count as a second failure.
4. A refusal is *sure* when the device judged the login. It may not have done so: a nonce that had been used before may
   have aged, unsaid; a token may be for another time than the device thinks; HTTP may not have asked SOAP. Then the
   next way follows, where the login budget has room for one failure more, and without it nothing is filed as refused.
5. A nonce is used where it came from: each URL is asked for a challenge of its own. One that aged unsaid once is a
   short-lived one: from then on each call asks for its own. So does each call of a session in which another way was
   refused before: an aged nonce would be one failure more than there is room for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from twisted_detector.inspection.onvif.clock import DeviceClock, date_offset
from twisted_detector.inspection.onvif.responses import LoginRefusal
from twisted_detector.model import Login
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.wire.http import digest
from twisted_detector.wire.soap import envelope as soap

TOKEN, DIGEST, BASIC = "token", "digest", "basic"
#: Refusals of one login before it was accepted: as many as a device is given in half an hour at all.
MAX_TRIES = 2
#: Nonces whose use is counted: each of the few services has one at a time.
MAX_NONCES = 16
#: A token is dated by so many seconds later than our time at most, whatever clock the device tells: the farthest zone
#: is 14 hours east, and a clock that runs free drifts. One that is dated later would be a login that works later.
MAX_AHEAD = 15 * 3600.0
#: What ``xs:dateTime`` and our formatter can express: up to the year 9999.
_LAST_SECOND = 253_402_300_799.0


def ways_for(
    refusal: LoginRefusal,
    *,
    speaks_soap: bool,
    allow_basic: bool,
    stated: Collection[str] = (),
    took: str = "",
) -> list[str]:
    """The ways in which a login may be sent after a refusal of a call without one, best first.

    :param speaks_soap: whether SOAP answered at this URL.
    :param stated: the ways that the device says it takes; empty: it says nothing.
    :param took: the way that it took before, "" when none is known.
    """
    challenge = digest.choose(refusal.challenges, allow_basic=allow_basic)
    offered = [] if challenge is None else [challenge.scheme]
    token = [TOKEN] if refusal.soap or speaks_soap else []
    ways = offered + token if offered == [DIGEST] and not refusal.soap else token + offered
    likely = [way for way in ways if way in stated][:1] or ways
    return [took, *(way for way in likely if way != took)] if took in ways else likely


@dataclass(slots=True)
class _Place:
    """How the login is sent to one URL.

    :ivar way: the present way; ``others``: those that may follow it, None: the first refusal shows which.
    :ivar challenged_by: the last refusal with a challenge.
    :ivar realm: of the challenge that came last, whether or not it is answered.
    :ivar fresh: whether the challenge came in answer to this very call; ``renewed``: whether it was replaced in it.
    :ivar judged: whether the device judged the login.
    """

    way: str
    others: list[str] | None
    challenged_by: LoginRefusal | None = None
    realm: str = ""
    authenticator: digest.Authenticator | None = None
    fresh: bool = False
    renewed: bool = False
    judged: bool = False


class LoginSchemes:
    """State of the ways in one session.

    :param allow_basic: whether the password may be sent in clear if the device knows nothing better.
    :param random: returns so many fresh random bytes. ``now``: wall time in seconds since the epoch.
    :param took: the way that this device took before, "" when none is known.
    :param challenge_each_request: its nonces are good for very few requests, and it does not say when they are not.
    :ivar clock: what is known of the device's clock.
    :ivar took: the way that the device took last.
    """

    def __init__(
        self,
        *,
        allow_basic: bool,
        random: Callable[[int], bytes],
        now: Callable[[], float],
        took: str = "",
        challenge_each_request: bool = False,
    ) -> None:
        self._allow_basic = allow_basic
        self._random = random
        self._now = now
        self.took = took
        self.clock = DeviceClock()
        self._challenge_each_request = challenge_each_request
        self._unsaid = False
        self._places: dict[str, _Place] = {}
        self._authenticators: BoundedDict[digest.Challenge, digest.Authenticator] = BoundedDict(MAX_NONCES)
        self._offset: float | None = None
        self._time_corrected = False
        self._tries = 0

    def ways(self, refusal: LoginRefusal, *, speaks_soap: bool, stated: Collection[str]) -> list[str]:
        """See :func:`ways_for`."""
        return ways_for(refusal, speaks_soap=speaks_soap, allow_basic=self._allow_basic, stated=stated, took=self.took)

    def resume(self, refusal: LoginRefusal) -> None:
        """Begin where a session without a login ended: with its refusal, whose challenge may be old by now."""
        self._dated_clock(refusal.date)

    def begin(self, url: str) -> bool:
        """A call begins; whether it may go with the login at once, without asking for a challenge."""
        place = self._places.get(url)
        if place is None:
            if self.took != TOKEN:
                return False
            place = self._places[url] = _Place(TOKEN, None)
        place.fresh = place.renewed = False
        return place.way != DIGEST or not (self._challenge_each_request or self._tries)

    def choose(self, refusal: LoginRefusal, url: str, ways: Collection[str]) -> None:
        """Take the first way, by the refusal of a call without a login."""
        first, *others = ways
        self._places[url] = place = _Place(first, others, refusal)
        self._answer(place, refusal)

    def way(self, url: str) -> str:
        """The present way at a URL."""
        return self._places[url].way

    def realm(self, url: str) -> str:
        """The realm that the device showed there."""
        return self._places[url].realm

    @property
    def nonces_are_short_lived(self) -> bool:
        """Whether a nonce that had been good before was refused, and a new one was not, as far as is known."""
        return self._challenge_each_request or self._unsaid

    def accepted(self, url: str) -> str:
        """The device took the login; its way."""
        place = self._places[url]
        self._challenge_each_request = self._challenge_each_request or self._unsaid
        self.took = self.took or place.way
        return place.way

    def correct(self, refusal: LoginRefusal, url: str, *, accepted: bool, stated: Collection[str] = ()) -> bool:
        """Whether the login is to be sent again, changed, after a refusal; ``accepted``: the device took it before.

        :param stated: as :func:`ways_for`. A way that is among them and was taken before was judged: no other follows.
        """
        place = self._places[url]
        if refusal.warning.warns:
            place.judged = True
            return False
        self._tries += not accepted
        spent = not accepted and self._tries >= MAX_TRIES
        if place.others is None:
            ways = ways_for(refusal, speaks_soap=True, allow_basic=self._allow_basic)
            place.others = [way for way in ways if way != place.way]
        if place.way == self.took and place.way in stated:
            place.others = []
        if refusal.challenges:
            place.challenged_by = refusal
        if place.way == DIGEST and self._may_have_aged(place, refusal):
            return not spent and self._renew(place, refusal)
        self._unsaid = False
        doubtful = place.way == TOKEN and not self._time_corrected and self._dated_clock(refusal.date).is_doubtful
        place.judged = place.judged or place.way != TOKEN or (refusal.soap and not doubtful)
        if accepted or spent:
            return False
        return (
            (place.way == TOKEN and refusal.about_time and self._correct_time(refusal))
            or self._next_way(place, refusal)
            or (doubtful and self._correct_time(refusal))
        )

    def is_sure(self, url: str) -> bool:
        """Whether the refusals there are of the login itself, and no other way is left."""
        place = self._places[url]
        return place.judged and not place.others

    # --- what is sent ----------------------------------------------------------------------------------------------

    def token(self, login: Login) -> str:
        """The Security header for the next request."""
        created = min(max(self._now() + min(self._clock_offset(""), MAX_AHEAD), 0.0), _LAST_SECOND)
        return soap.username_token(
            login.name, login.password.reveal(), nonce=self._random(16), created=soap.format_time(created)
        )

    def authorization(self, login: Login, url: str, target: str, data: bytes) -> str:
        """The value of ``Authorization`` for the next request; "" where none is wanted."""
        authenticator = self._places[url].authenticator
        return "" if authenticator is None else authenticator.authorization(login, "POST", target, data)

    # --- Details ---------------------------------------------------------------------------------------------------

    def _answer(self, place: _Place, refusal: LoginRefusal) -> bool:
        """Answer the challenge of a refusal from now on; False: it has none of the present way."""
        challenge = digest.choose(refusal.challenges, allow_basic=self._allow_basic)
        place.realm = next((one.realm for one in (challenge, *refusal.challenges) if one is not None), "")
        place.authenticator = None
        self._clock_offset(refusal.date)
        if place.way == TOKEN:
            return True
        if challenge is None or challenge.scheme != place.way:
            return False
        # A nonce that came twice is counted on: some give the same one to everybody for a while, and look at the count.
        place.authenticator = self._authenticators.get(challenge) or digest.Authenticator(
            challenge, lambda: self._random(8).hex()
        )
        self._authenticators[challenge] = place.authenticator
        place.fresh = True
        return True

    @staticmethod
    def _may_have_aged(place: _Place, refusal: LoginRefusal) -> bool:
        """Whether a nonce may have been refused for its age, and was not replaced in this call."""
        newer = digest.choose(refusal.challenges, allow_basic=False)
        if newer is None or place.renewed or place.authenticator is None:
            return False
        return newer.stale or (not place.fresh and newer.nonce != place.authenticator.challenge.nonce)

    def _renew(self, place: _Place, refusal: LoginRefusal) -> bool:
        self._unsaid = not any(one.stale for one in refusal.challenges)
        place.renewed = True
        return self._answer(place, refusal)

    def _next_way(self, place: _Place, refusal: LoginRefusal) -> bool:
        """Take the next way; its challenge may have come before, where SOAP did not look at the login."""
        challenge = place.challenged_by if place.challenged_by is not None and not refusal.soap else refusal
        while place.others:
            before, place.way = place.way, place.others.pop(0)
            if self._answer(place, challenge):
                self.took = "" if self.took == before else self.took
                return True
            place.way = before
        return False

    def _correct_time(self, refusal: LoginRefusal) -> bool:
        """Date tokens by the next best evidence, once."""
        if self._time_corrected:
            return False
        other = self._dated_clock(refusal.date).alternative(self._clock_offset(refusal.date))
        if other is None or other > MAX_AHEAD:
            return False
        self._time_corrected = True
        self._offset = other
        return True

    def _dated_clock(self, date: str) -> DeviceClock:
        """What is known of the clock, with the ``Date`` of a refusal where no other is known."""
        if self.clock.by_date_header is None:
            self.clock = replace(self.clock, by_date_header=date_offset(date, self._now()))
        return self.clock

    def _clock_offset(self, date: str) -> float:
        """Seconds to add to our time for a token; decided when the first challenge is read."""
        if self._offset is None:
            self._offset = self._dated_clock(date).offset
        return self._offset
