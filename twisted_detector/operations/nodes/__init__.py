"""Nodes: the daemons of one ``MQTT_TOPIC_PREFIX`` agree which of them publishes a camera. All but the service is pure.

Rules

1. *One voice.* Of the nodes that know a camera one **owns** it and publishes it; the others watch. Nobody publishes a
   camera before the broker has returned his own bid to him, nor while he cannot know whether somebody else has bid
   higher.
2. *Bids only grow.* A bid has an **epoch**, one above every epoch that the bidder knows; of equal epochs the higher
   rank, the smaller load, the name decide. So the greatest bid is the same for everybody, in whatever order and however
   often the documents arrive. Who sees a greater one than his own withdraws his.
3. *An owner is left alone.* Load never takes a camera from a node that is there, and a better rank only after 30 s
   without interruption (90 s when the owner does not see the camera any more: it may be off).
4. *Fence before succession.* A successor begins when the owner has withdrawn, or when the broker has published his will
   (the session is closed: nothing that he wrote on it is taken any more), or when the broker has returned the
   successor's bid and, ``settle`` later, one more message of his, and he last heard the owner more than
   ``longest_lease`` ago. An owner's lease ends ``lease`` seconds after he *sent* the last message that the broker
   returned to him; where they are long on their way, twice as long as they are, but at most ``longest_lease``. Who has
   something to publish and no lease asks for one, by a beat.
5. *Only monotonic time, only of one's own.* Stamps of others are never compared. A process that was stopped for longer
   than ``stall`` knows nothing: it publishes nothing before a message that it sent since has come back.
6. *Silence costs nobody who is alone.* Documents are published when they change. A node whose cameras nobody else knows
   sends a slow beat, one without other nodes none at all.

Theory of operation

Each node has one retained document (:class:`.values.NodeDocument`): who it is, and each camera that it knows, with its
rank and, where it claims the camera, its bid. One writer for each topic: no two nodes overwrite each other's claims,
and nothing is left of a camera that is forgotten. Beside it there are beats (:class:`.values.Beat`), not retained, QoS
0: every 3.2 s while somebody else knows a camera that this node claims. Both carry one ascending number, by which the
node recognises its own when the broker returns them (*echo*), and others what came twice or late. A watcher whose
owner is late by a moment asks him (``asks``), is answered by a beat, and bids when he does not answer.

Why not fewer beats. A node that is frozen says nothing, and no broker tells of it in time (mosquitto 2.0 looks for
silent clients every six seconds). So each owner that is to be missed within five seconds says something about as often,
on a topic that the others hear: with ten of them at least 120 messages a minute. Beats come in place of pings, though:
the connection sends one when nothing came for 1.5 s, and a beat is something.

Why rule 4 suffices with one broker. Let W's bid reach the broker at *b*. The broker sends it to the owner O before
everything that reaches it after *b*. As long as O does not know the bid, every echo that O received was of a message
that had reached the broker before *b*. W gets each of these before the echo of its bid, so O's lease ends at the
latest ``longest_lease`` after W last heard O, whatever O measured. A cluster lets messages of different nodes overtake
each other: by up to *s*, O's message may have reached it as late as ``b + s``, and W has it when a message returns that
reached it after ``b + 2 s``: W sent that one ``settle`` after it got its bid back, and ``settle`` is more than ``2 s``.

What a broker retains may come late, or be old. Who connects is therefore told by all who are there what they are, live,
a moment later (``coalesce``), says its own document twice, and decides nothing before that had time to come
(``arrive``); whoever hears a beat of a node that it does not know asks for its document (``lacks``).

What is not promised. Two brokers that are joined by a bridge, and cut apart, are two worlds: each has an owner, each
consumer hears one, and after the healing one of the two is left. What an owner wrote in the last moment of its lease
may be under way while its link is cut, and arrive when that heals before the kernel has given up (4 s,
``TCP_USER_TIMEOUT``), after a successor has begun: he says the state once more as soon as he sees the former owner
withdraw. What the reactor handed to the network thread, and a stop of the process caught before the ``write``, is
written when the process goes on, unless the broker has closed the session. A virtual machine that is paused together
with its clock, and goes on before the broker has noticed, does not know that it was.

:mod:`.election` is the state machine, :mod:`.link` and :mod:`.others` what it knows of its own connection and of the
other nodes, :mod:`.values` what they exchange, :mod:`.service` the adapter to MQTT and the bus.

Beside the election: :mod:`.sites` remembers the nodes that are away, :mod:`.states` reads the cameras' states from the
broker while somebody looks, :mod:`.fleet` words both; :mod:`.routing` takes commands to whom they concern;
:mod:`.charges` says who searches a network that several reach, :mod:`.networks` does so.
"""
