"""Registry of every device and its cameras. Pure: sightings and inspections go in, events come out.

Rules:

1. No I/O and no clock: every call gets ``now``, in wall seconds.
2. A :class:`registry.device.Device` belongs to the registry; other rooms hold its handle, an int, which is good until
   the device is removed or merged. A device is changed by its own methods, which say what happened to it.
3. Only :class:`registry.device_table.DeviceTable` adds and removes devices; merger, adopter and registry ask it to.
4. An id is given at the first publication and never changes, however many identifiers are found later.
5. A device is published by its first inspection, or later when that is withheld: see step 5 below. One that only says
   that it is a camera is published by its word when its MAC was seen, as *unconfirmed*
   (:meth:`registry.publisher.Publisher.publish_announced`); what it says is in :mod:`registry.facts`.
6. Decisions first, then the change, then its events: they are emitted when all of it is done, each with the camera as
   it was after its own step. Who hears of one finds the registry in order, and may call it.
7. Nothing is searched for: what one event costs does not grow with the number of devices
   (``tests/registry/test_growth.py``).

Theory of operation. :meth:`registry.registry.Registry.record_sighting` has these steps, with values between them:

1. *resolved*: the claims (``ClaimSet``) are weighed and the device is found that they are of, or a new one is made
   (:class:`registry.matching.Matcher`, :meth:`registry.identity.index.IdentityIndex.find`, the weights in
   :mod:`registry.identity.claims`);
2. *placed*: the address is the device's own, a new one, one more, or that of another device with the same MAC
   (``Placement``, :mod:`registry.identity.address_history`);
3. *recorded*: claims, address, facts and MAC, in this order, for a claim that is tentative at its new address is kept
   out of the facts, and the MAC that is the device's own follows from the claims. What comes of it is a ``Recorded``
   (:class:`registry.recording.Recorder`);
4. *reconciled*: the device may prove to be one that was known, or to be two; claims of two living devices are
   reported, and discredited once that is proved. :class:`registry.reconciling.Reconciler` decides (``Merge``,
   ``Conflict``) and changes nothing, :class:`registry.merging.Merger` carries it out;
5. *released*: a device whose inspection was withheld, for it might have been another one that has moved, is published
   as soon as that one is out of the question (:class:`registry.publisher.Publisher`). Only those are looked at of which
   a claim is held against others less than before.

An inspection is recorded and reconciled likewise, unless the answer is that of another device. Missed checks and
goodbyes move the device through its phases (:mod:`registry.lifecycle`); its cameras and their events are in
:mod:`registry.camera_set`; when it is to be inspected again is in :mod:`registry.inspection_reasons`, and what other
rooms may ask in :mod:`registry.directory`. ``docs/identity.md`` tells users what comes of it, with examples.
"""
