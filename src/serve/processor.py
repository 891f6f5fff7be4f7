"""What the processor can do, and how much of it this process can use."""

import math
import os
import platform
from functools import cache
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """The cores that this process can use: those it is bound to, at most as many as the quota of its container."""
    count = getattr(os, "process_cpu_count", os.cpu_count)() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    quota = cpu_quota()
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def cpu_quota(root: Path = _CGROUP) -> float | None:
    """The cores that the control group gives, such as 1.5; None without a limit, or where there are no such groups.

    Source: the kernel's documentation of control groups, `cpu.max` of version 2 and `cpu.cfs_quota_us` of version 1.
    """
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        quota, period = (int((root / "cpu" / f"cpu.cfs_{part}_us").read_text()) for part in ("quota", "period"))
        return quota / period if quota > 0 and period > 0 else None
    except (OSError, ValueError):
        return None


@cache
def fast_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 in hardware (AMX, or what ARM has), so that bfloat16 is
    faster than float32. With the vector instructions alone it is slower: 1.5 to 2 times on the shipped networks.

    False where it cannot be found out.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        with _CPUINFO.open() as file:
            return any(line.startswith("flags") and "amx_bf16" in line.split() for line in file)
    except OSError:
        return False
