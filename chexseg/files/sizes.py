"""Human-readable sizes and durations."""

from __future__ import annotations


def size_text(size: float) -> str:
    """Formats a number of bytes with about three digits: 999 B, 2 kB, 80 kB, 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.{1 if unit == 'GB' and size < 10 else 0}f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def duration_text(seconds: float) -> str:
    """Formats seconds as minutes:seconds, or hours:minutes:seconds from one hour on."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
