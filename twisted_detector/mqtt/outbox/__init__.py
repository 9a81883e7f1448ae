"""Durable priority queue of messages that the broker has not acknowledged yet.

Rules
-----

1. A message leaves the outbox in two ways only: the broker has acknowledged it, or it was dropped. Every drop is
   counted by its reason (``expired``, ``overflow``, ``no_room``, ``refused``, ``replaced``), and its receipts fail.
   A stop fails the receipts of what waits, but the journal keeps the messages for the next start.

2. Whatever is kept is bounded: messages, octets, ages, remembered documents (:class:`.queue.Limits`).

3. Of the *state* of one topic (every retained message) only the newest is kept. It takes the place of the queued one,
   and both receipts fire with the newer one's acknowledgement.

4. Order is kept within one class of priority, over reconnects and restarts. Between classes: critical, state, event,
   telemetry; the latter two get at most three quarters of the window.

5. Code of others (callbacks on receipts) runs last, when the outbox is consistent again: ``Outbox._finish`` calls what
   was collected in ``_afterwards``. A callback may therefore publish.

6. No clock, no socket, no disk: both clocks are arguments, the disk is behind ``mqtt.seams.Journal``, and
   the caller of ``take`` sends. On one thread only, the reactor's.

Theory of operation
-------------------

A message is an :class:`.entry.Entry` from ``put`` to its end. At each moment the entry is in exactly one of three
places, all in :class:`.queue.PriorityQueue`: in the queue of its priority, in flight (it has a token), or held by the
quarantine.

::

    put ──▶ queued ──take──▶ in flight ──acknowledged──▶ gone; remembered if retained
              ▲                 │
              ├──connection_lost┤
              │                 ▼
              └───────────── held (the broker closes the connection whenever it is sent)

* A newer state that comes while the older is *queued* replaces its message in place. While the older is *in flight* it
  is only marked ``superseded``, for it may still be acknowledged; it is never sent again.

* What is *refused* (MQTT 5 says so) is dropped, and of a state :mod:`.refusals` remembers it until the next
  ``republish``. What the broker does not take *for now* goes back to its place in the queue.

* :mod:`.retained` remembers the latest acknowledged document of each topic: a digest, and the payload packed. An equal
  one is not sent again, and ``republish`` makes extra entries of those documents (``Entry.republished``), which count
  against no bound and are not journaled.

* :mod:`.quarantine` finds messages for which an MQTT 3.1.1 broker closes the connection, from what was in flight at
  each loss, and holds them back: such a message delays itself, never the others.

* The journal is written behind: ``put`` returns before the disk has the message, and ``committed`` reports later
  what survives ``kill -9``. What is removed before it was written is never written.

* A publisher holds a :class:`.receipt.Receipt`; the entry holds the receipts of all messages that it stands for.
"""
