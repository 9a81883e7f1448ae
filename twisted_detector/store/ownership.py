"""Check of who else may write a folder or a file that this program trusts."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Container
from functools import lru_cache

#: Root may change everything anyway.
ROOT_UID = 0


def why_untrusted(found: os.stat_result, *, owners: Container[int]) -> str:
    """Who besides ``owners`` and root may write what ``found`` describes, as a predicate; "" when nobody may.

    A folder that everybody may write is refused with a sticky bit too: files can be put there. Its group may write it
    when that is the owner's private one (a user and a group of the same name, as Debian and Fedora make them).
    """
    if found.st_uid != ROOT_UID and found.st_uid not in owners:
        return f"belongs to {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "may be written by everybody"
    if found.st_mode & stat.S_IWGRP and found.st_gid != ROOT_UID and not _is_private(found.st_uid, found.st_gid):
        return f"may be written by the group {_group(found.st_gid)}"
    return ""


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


@lru_cache(maxsize=16)  # both databases may be somewhere on the network; a run asks for one or two pairs
def _is_private(uid: int, gid: int) -> bool:
    """Whether that user alone is in that group, and it bears his name."""
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_name == group.gr_name and user.pw_gid == gid and set(group.gr_mem) <= {user.pw_name}
