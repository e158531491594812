"""POSIX access control lists: make a file readable for some users besides its owner.

The sidecar has no CAP_CHOWN, so it cannot change the owner of a file, and it may share no group with
the agent. An ACL names users, the owner of a file can set it without a capability, and it works on
tmpfs.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

_NAME = "system.posix_acl_access"
_VERSION = 2  # linux/posix_acl_xattr.h
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_READ, _READ_WRITE, _NOTHING = 4, 6, 0
_NO_ID = 0xFFFFFFFF


def let_read(descriptor: int, users: Iterable[int]) -> None:
    """Make an open file readable for these user IDs besides its owner.

    Raises OSError if the file system does not support ACLs.
    """
    entries = [
        (_USER_OBJ, _READ_WRITE, _NO_ID),
        *((_USER, _READ, user) for user in sorted(set(users))),
        (_GROUP_OBJ, _NOTHING, _NO_ID),
        (_MASK, _READ, _NO_ID),
        (_OTHER, _NOTHING, _NO_ID),
    ]
    value = struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *one) for one in entries)
    os.setxattr(descriptor, _NAME, value)
