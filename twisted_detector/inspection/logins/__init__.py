"""The login budget: which login may be sent to which device now, so that no account is ever locked.

Cameras lock accounts and reject addresses after a few failures (Hikvision after 5 to 7, for 30 minutes), and count
ONVIF, RTSP and HTTP together. So there is one budget for each device over all of its protocols.

Rules
=====

1. A login is charged, and the charge is on the disk, before the login is sent. A crash, a restart or a full disk
   therefore never gives a device more attempts than the rules allow.
2. What was sent and not answered counts as a failure until it is known to be none. While it may still be answered
   others wait for it: no more attempts run at once than may fail, and none is called barred for one that is under way.
3. A device gets at most ``MAX_FAILURES`` (2) failures within ``WINDOW`` (30 minutes), over all logins and protocols.
   One failure is recorded under each name of the device, and counts once; a success takes no failure back. The window
   is counted by a clock that no step of the wall clock moves (:mod:`inspection.logins.window_clock`).
4. A login that was refused is barred on that device until the login or the device changes, or a person says that it is
   to be tried again. Two exceptions, each tried once more after the window: one that the device had accepted before,
   and one whose answer never came. One that was ever accepted is tried again once a day.
5. A device changes when it shows another firmware or EndpointReference, or when a service that wanted a login wants
   none (a factory reset). Its refused logins are forgiven then, at most once a day, and within rule 3.
6. When a device says that it locks, nothing is sent to it for a window, whatever else is known.
7. A secret goes only to a device that was seen at layer 2, or whose network the operator named, or that a person
   accepted where no MAC is seen. It answers no challenge whose realm is another known device's alone, unless a person
   vouches for the device (:mod:`inspection.logins.realms`).
8. A login without an audience, or for a manufacturer (the device's own word), goes to adopted devices only; one for a
   network or a camera to whom it names (:mod:`model.adoption`). A blocked device gets nothing.
9. What a person types for one device is for that device alone, as long as it is adopted and where he expects it, comes
   first there, and one of the two failures is left to him: of the others that are not known to be right, one at most is
   tried in a window.
10. No password is kept: a login is recorded as a salted and slow fingerprint (scrypt), so that a changed password is a
   new login.
11. That a login was accepted is reported by who sent it, when the device did with it what it had refused without it;
    nothing infers it from an outcome.

Theory of operation
===================

:class:`LoginBudget` is what the other rooms use: it has the rules that need all records of a device.
:class:`ConfiguredLogins` has all logins as they are at this moment, of the configuration and typed; :class:`DueLogins`
decides which of them a device may be given at all, ``rank`` in which order, and how many; :class:`LoginJudge` which
of these may be tried now.

:class:`LoginHistory` is the record of what became of logins under *one name* of a device; it is pure.
:class:`LoginHistoryStore` finds the histories of a device and has them saved. A device is named by its MAC where that
is known; else by its address and its EndpointReference.

One attempt is: ``charge`` (awaited: the disk), ``begin`` when the login is sent, ``charge_again`` before each further
time that it is sent without an answer that accepts it, then one of ``record_accepted``, ``record_refused``,
``record_doubt``, ``record_unanswered`` and ``refund``, then the end that ``charge`` returned. A login that was accepted
since the program started is not charged again, for each charge is a write to the disk; while it is under way it counts
all the same. :class:`Turns` has the attempts that are under way; where one more might be one too many, ``charge`` waits
for the end of one of them.

Beside attempts, a login that was accepted may be sent for another *purpose* (a snapshot by HTTP), where it
may be refused though it is right: ``charge_purpose`` and ``record_purpose`` keep such failures apart from the
login's own, in the same budget of rule 3.
"""
