"""Handover: what goes with a camera when another node publishes it: its description, its past, where it is adopted.

Rules

1. *Of a person's decisions the last counts.* Each has a stamp, that of the deciding node's clock, and later than every
   stamp of that camera which the node knows: whoever has seen a decision outdoes it, however wrong his clock is. Of two
   that did not see each other the later stamp counts, of equal ones the name of the node. What was decided before
   stamps were kept is older than all.
2. *The publishing node says it*, in one retained document of the camera (:class:`.described.Described`), when that
   differs from what stands there. Everybody else only reads it, and takes over what is newer for cameras that he knows.
3. *It is text.* A document that has more, longer or other text than a person may type is refused as a whole, and
   replaced; it steers no login and no request to a camera. One from the future is not taken over either, but left
   alone, for our clock may be behind: until that is set, or a person decides here.
4. *An adoption does not travel*, for it decides who gets logins, and who may write to the broker must not. That it is
   adopted elsewhere is a remark for the person who may adopt it here.
5. *The past is asked for once*: who comes to publish a camera that it did not see asks the former publisher, for the
   time in which it did not see it. As long as that one is away, nothing is shown for this time.

:mod:`.described` is the value, :mod:`.heard` what stands on the broker, :mod:`.hearing` of which cameras that is known;
:mod:`.descriptions` takes it there and back, :mod:`.pasts` asks and answers, :mod:`.whereabouts` says of a camera who
publishes it and where it is adopted.
"""
