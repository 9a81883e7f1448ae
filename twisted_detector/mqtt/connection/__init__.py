"""State machine of the MQTT connection: when to attempt, how long to wait, what to notify.

Rules
-----

1. Everything that decides about attempts, delays and notifications stands in this package, and it only decides: no
   socket, no thread, no clock, no chance. ``now`` (monotonic seconds) is an argument of every input, the source of
   random numbers one of the constructor, and every effect is a call of
   :class:`~twisted_detector.mqtt.seams.IConnectionActions`.

2. Every attempt has a number, its *epoch*. An input of an earlier epoch, or one for which the present state has no
   transition, is dropped and counted (``Connection.stale``); it is never an error. Such inputs are normal: paho calls
   ``on_disconnect`` twice on a keepalive time-out, and a thread that was abandoned reports its end all the same.

3. Notifications come in pairs, as with the client of the AWS Common Runtime: each ``connecting`` is followed by exactly
   one ``connected`` or ``refused``, each ``connected`` by exactly one ``disconnected``. A stop completes the open pair.

4. One input is processed at a time. One that arrives meanwhile (an attempt that fails while it is being made) waits for
   its turn, so listeners receive the changes in their order.

5. No state is a dead end. CONNECTING and RECONNECTING end at the latest with a timer that they have scheduled
   themselves, FAILED too unless ``slow_retry`` is None; CONNECTED ends with the network, DISCONNECTED with a start.

Theory of operation
-------------------

Four modules:

* :mod:`.backoff` computes delays. ``Backoff`` is the configuration, ``Delays`` the sequence of one connection.

* :mod:`.machine` is the machine proper, an automat ``TypeMachineBuilder`` table as ``docs/machines/connection.svg``
  draws it. What belongs to one state is that state's data (when the attempt began, when the connection was
  established); what outlives a state is in ``Core``: the delays, the epoch, the outage that is under way.

* :mod:`.experience` judges how an attempt or a connection ended by what the broker did before: a refusal of a login
  that it had let in is doubted for some minutes, and a client id that is used twice is recognised.

* :mod:`.connection` is the guard before both. It turns what the network reports (``connected``, ``ended``, an expired
  timer) into the machine's inputs, and applies rules 2 and 4. The machine therefore has transitions only for
  inputs that make sense; any other would raise.

Two measures of patience are independent of each other. The *delays* grow with every failure and begin anew only after a
connection that was stable for 30 s, so that a broker that accepts and drops is not hammered. The *outage* is counted
from the loss (or the start) to the next success, whatever the delays: ``max_attempts`` and the durations in the
notifications refer to it.

After a change of the table run ``make docs``: the drawing is made from it, and a test compares them.
"""
