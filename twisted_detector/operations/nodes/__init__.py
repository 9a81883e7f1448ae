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
   (the session is closed: nothing that he wrote on it is taken any more), or ``lease + settle`` seconds after the
   broker returned the successor's bid. An owner's lease ends ``lease`` seconds after he *sent* the last message that
   the broker returned to him.
5. *Only monotonic time, only of one's own.* Stamps of others are never compared. A process that was stopped for longer
   than ``stall`` knows nothing: it publishes nothing before a message that it sent since has come back.
6. *Silence costs nobody who is alone.* Documents are published when they change. A node whose cameras nobody else knows
   sends a slow beat, one without other nodes none at all.

Theory of operation

Each node has one retained document (:class:`.values.NodeDocument`): who it is, and each camera that it knows, with its
rank and, where it claims the camera, its bid. One writer for each topic: no two nodes overwrite each other's claims,
and nothing is left of a camera that is forgotten. Beside it there are beats (:class:`.values.Beat`), not retained, QoS
0: every second while somebody else knows a camera that this node claims. Both carry one ascending number, by which the
node recognises its own when the broker returns them (*echo*), and others what came twice or late.

Why rule 4 suffices with one broker. Let W's bid reach the broker at *b*. The broker sends it to the owner O before
everything that reaches it after *b*. As long as O does not know the bid, every echo that O received was of a message
that O had sent before *b*: its lease ends before ``b + lease``. W received its echo after *b* and waits ``lease +
settle`` from then on. Settle is for brokers that let messages overtake each other by less than that.

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
