"""Disks that are full or read-only: small file systems in memory, in a mount namespace of this process's own."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000


def can_mount() -> bool:
    """Leave the system's mounts for a private copy of them; whether that was allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    try:
        if user == 0:
            if libc.unshare(_NEW_MOUNTS):
                return False
        else:
            if libc.unshare(_NEW_MOUNTS | _NEW_USER):
                return False
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _run("mount", "--make-rprivate", "/")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def mount(path: Path) -> None:
    """A file system in memory."""
    path.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path))


def remount(path: Path, options: str) -> None:
    """With another size, say, or read-only."""
    _run("mount", "-o", f"remount,{options}", str(path))


def unmount(path: Path) -> None:
    """And what was in it is gone."""
    _run("umount", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
