"""Decides when to sweep, inspect, check, search and photograph.

Rules
-----
1. Only the registry knows; the detector holds no fact of a device beyond its key. What is learnt goes to the registry,
   and the phase in which the registry has a device decides what is done with it.
2. One job at a time for each device, in lanes of which each has its share (``work_queue``); one sweep or quick sweep at
   a time (``sweeper``).
3. Nothing is sent to an excluded address, and no login to an address at which another device was seen since.
4. A failure of one method, inspector, stream or device is logged or counted, and never ends a timer, a sweep or the
   job of another device. Offline is decided by missed checks alone.
5. Every set of running coroutines is a ``task_group``: bounded, and cancelled and awaited at the stop.

Theory of operation
-------------------
*Schedule* (``schedule``, pure). A *sweep* runs every discoverer, everywhere. Sweeps follow one another quickly at first
(phase ``aggressive``), then at growing distances until nothing new turns up (``stabilising``), then rarely
(``steady``), with *quick sweeps*, which cost a tenth of the packets, between them. A change of the network or of the
number of cameras, and a command, begin the phases anew.

*Sighting* (``detector``, ``verification``). Each is normalised, and dropped where its address is excluded. A MAC
without any other fact is a *new host* unless it is of a known device: it is probed once in a while (``new_hosts``).
Otherwise the MAC is looked up where it is missing (``mac_lookup``), and a sighting that would move a known device
waits for the *move check* (``move_check``): a device that still answers at its old address has two addresses and has
not moved. What a device said at an address that it left during the look-up is dropped. Then the registry records it.
A device that needs an inspection is queued, a new one after a *debounce* of 1 to 2.5 s (``debounce``), in which
discovery may learn its name and its service address.

*Inspection* (``inspection_runner``, and one ``inspection_session`` for each). The inspectors are asked in their
order, without a login first; the first that knows the device has it. Logins are spent only within the login budget
(``login_attempt``), and every stream is then proved in full. What a device that has moved meanwhile answered at its
old address is not used. A new device on our link is not published before its MAC was seen, for it keeps its name for
ever; that is waited for a few seconds (``mac_lookup``). What the device showed of itself meanwhile, and the inspection
found out, is no reason for another (``registry/inspection_reasons``). A login that a person types is tried in an
inspection with that login and no other, which begins at once, beside the bounds (``login_trial``).

*Check* (``checks``). All known devices are gone through at every check interval, in slices (``rounds``). Just before it
a quick sweep asks all of them with one datagram (``presence``): a device that answers under its name and from its
address is not asked again, and takes no place in the queue. Another is asked for one stream, cheaply, until its *full
proof* is due (``session_cache`` counts) or is in doubt (``routine_check``). After a restart who was well within a day,
and shows its MAC, is proved in full and not inspected (``restart``).

*Relocation* (``relocator``). The first missed check in a row starts a search: the kernel's neighbour table, then the
finders, at last a sweep.

*Pictures* (``pictures``). One of each camera in turn, and on demand, and one a second of those that somebody looks at;
with the login that the camera accepted last and no other.
"""
