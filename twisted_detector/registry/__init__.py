"""Registry of every device and its cameras. Pure: sightings and inspections go in, events come out.

Rules:

1. No I/O and no clock: every call gets ``now``, in wall seconds.
2. A :class:`registry.device.Device` belongs to the registry; other rooms hold its handle, an int, which is good until
   the device is removed or merged.
3. Only :class:`registry.registry.Registry` and :class:`registry.merging.Merger` make and remove devices.
4. An id is given at the first publication and never changes, however many identifiers are found later.
5. A device is published by its first inspection, or later when that is withheld: see step 5 below.
6. State changes first, events follow: each event carries the camera as it is afterwards.

Theory of operation. A sighting goes through these steps:

1. *resolved*: the index weighs its claims and finds the device that it is of, or a new device is made
   (:meth:`registry.identity.index.IdentityIndex.find`, the weights in :mod:`registry.identity.claims`);
2. *placed*: the address is the device's own, a new one, one more, or that of another device with the same MAC
   (:mod:`registry.identity.address_history`);
3. *recorded*: claims, address, facts and MAC, in this order, for a claim that is tentative at its new address is kept
   out of the facts, and the MAC that is the device's own follows from the claims (:mod:`registry.matching`);
4. *reconciled*: the device may prove to be one that was known, or to be two; claims of two living devices are
   reported, and discredited once that is proved (:mod:`registry.merging`);
5. *released*: a device whose inspection was withheld, for it might have been another one that has moved, is published
   as soon as that one is out of the question.

An inspection is recorded and reconciled likewise, unless the answer is that of another device. Missed checks and
goodbyes move the device through its phases (:mod:`registry.lifecycle`); its cameras and their events are in
:mod:`registry.camera_set`. ``docs/identity.md`` tells users what comes of it, with examples.
"""
