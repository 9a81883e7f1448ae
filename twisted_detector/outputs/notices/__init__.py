"""Notices: what a person should hear of, decided by rules, told in several ways.

Rules

1. What is told is told once, and so is its end; that holds over restarts.
2. What has one cause is one notice: what begins within a minute and a half on one network, of one kind.
3. Every list, text and wait is bounded; what finds no room is told as a number.
4. A camera's words are data: they are no header, no markup and no link, in whatever way they are told.
5. A token goes to the host that it was configured for, and into no text.

Theory of operation

``conditions`` says in which states a camera is, ``rules`` turns that into notices (``grouping`` gathers them by cause,
``quiet_hours`` holds them back), ``service`` calls them with what happens, keeps their state in the store, and emits
each notice as :class:`events.NoticeTold`. Each way is a listener of that event (``way``): a ``mailbox`` decides when
something is sent, a channel (``webhook``, ``ntfy``, ``mail``, ``telegram``, ``mqtt``) sends it. ``wording`` has the
texts and ``document`` the JSON.
"""
