"""Check of who else may write a folder or a file that this program trusts."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Container, Iterable
from functools import lru_cache
from pathlib import Path

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


def why_replaceable(path: Path, *, owners: Container[int], trusted: Iterable[Path] = ()) -> str:
    """Who besides ``owners`` and root may put something else in the place of ``path``, as a predicate; "" for nobody.

    That is whoever may write a folder that it stands in, up to the root, or one that a link on the way stands in. From
    a folder with a sticky bit only the owner of a thing takes it away.

    :param trusted: folders that are not judged, each with those that it stands in.
    """
    above, judged = {*trusted}, set[Path]()
    waiting = [path.absolute(), path.resolve()]
    while waiting:
        one = waiting.pop()
        if one in judged or one.parent in above:
            continue
        judged.add(one)
        try:
            if reason := _why_taken_away(one, owners):
                return reason
            if one.is_symlink():
                waiting.append(one.parent / one.readlink())
        except OSError as error:
            return f"stands in {one.parent}, which cannot be judged ({error.strerror})"
        waiting.append(one.parent)
    return ""


def _why_taken_away(path: Path, owners: Container[int]) -> str:
    """Who may take ``path`` out of its folder, or is the owner of a link that it is."""
    found, folder = path.lstat(), path.parent.stat()
    if stat.S_ISLNK(found.st_mode) and found.st_uid != ROOT_UID and found.st_uid not in owners:
        return f"is reached by {path}, which belongs to {_user(found.st_uid)}"
    if folder.st_mode & stat.S_ISVTX:
        folder = os.stat_result((folder.st_mode & ~(stat.S_IWGRP | stat.S_IWOTH), *folder[1:]))
    reason = why_untrusted(folder, owners=owners)
    return f"stands in {path.parent}, which {reason}" if reason else ""


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
