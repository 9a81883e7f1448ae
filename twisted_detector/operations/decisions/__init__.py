"""What people decide about cameras and sites: checks of each field, the file ``STATE_DIR/overrides``, the commands.

Rules

1. One file holds all decisions; whoever changes one, by whatever way, changes it there first. A change that does not
   reach the disk did not happen.
2. Environment and configuration file weigh more: what they give is not changed here.
3. A person may edit the file. His comments and order stay; an entry with a mistake is left out and told, and a file
   that is no TOML is never written over.
4. A decision about a camera is bound to its id, and with it to the identity that the registry gave it; when two devices
   prove to be one, the decisions go to the one that stays.

Theory of operation

``fields`` checks one value, ``document`` makes :class:`model.decisions.Decisions` of the file's text and edits it,
``book`` (:class:`DecisionBook`) holds the present ones, writes changes one after the other and notifies who acts on
them: the registry (names), the login budget (logins), the sweeps (networks), the inspectors (streams).
"""
