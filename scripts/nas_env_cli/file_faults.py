"""Messages for errors of files and disks."""

from __future__ import annotations

import errno
import os

FREE = "Free some space."
BRING_BACK = "Check that the disk is connected, and that the folder was not moved or deleted."
PERMIT = "Make it writable, or give another place."
MOVE = "Move it away."
REMEDIES = {
    errno.ENOSPC: FREE,
    errno.EDQUOT: "Free some space, or raise the quota.",
    errno.EFBIG: "Raise the limit of the size of files (ulimit -f).",
    errno.EROFS: PERMIT,
    errno.EACCES: PERMIT,
    errno.EPERM: PERMIT,
    errno.ENOENT: BRING_BACK,
    errno.ENXIO: BRING_BACK,
    errno.ENODEV: BRING_BACK,
    errno.ESTALE: BRING_BACK,
    errno.EIO: BRING_BACK,
    errno.ENOTDIR: MOVE,
    errno.EISDIR: MOVE,
    errno.EEXIST: MOVE,
    errno.ENOTEMPTY: MOVE,
    errno.ENAMETOOLONG: "Give a shorter name.",
}


def message_of(error: OSError) -> str | None:
    """Return the message for an error of a file or a disk; None for another error.

    Example:
        >>> message_of(OSError(errno.ENOSPC, "No space left on device", "runs/a/best.json"))
        'runs/a/best.json: no space left on device. Free some space.'
    """
    if error.errno not in REMEDIES:
        return None
    reason = str(error.strerror or error).rstrip(".")
    reason = reason[:1].lower() + reason[1:]
    names = [os.fsdecode(x) for x in (error.filename, error.filename2) if x is not None]
    where = " -> ".join(names) or "A file could not be written"
    return f"{where}: {reason}. {REMEDIES[error.errno]}"
