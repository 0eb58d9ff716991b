"""Conditions of a measurement → whether its figures may be trusted, and every reason why not.

"Unknown" is never taken for "no": a board whose throttling cannot be read gives figures that are measured, not trusted.
"""

from __future__ import annotations

from edgekit_runtime.board import NOW_BITS, STICKY_BITS
from edgekit_runtime.timing import Plan

EMULATED = "emulated: correctness, not speed"
_MEANINGS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
_NORMAL = Plan()


def throttled(before: dict, during: list[dict], after: dict, max_frequency_hz: int | None) -> tuple[bool | None, str]:
    """(True, evidence), (False, "") or (None, "") where the board gives no way to know.

    A Raspberry Pi tells by the bits of `get_throttled`: one that is set now at any time, or a since-boot bit that was
    not set before. Elsewhere an active cooling device, or a CPU below its highest frequency during the run, says it.
    """
    everything = [before, *during, after]
    words = [c["throttled_bits"] for c in everything]
    if None not in words:
        bits = 0
        for word in words:
            bits |= word & NOW_BITS
        bits |= (words[-1] & ~words[0] & STICKY_BITS) >> 16
        meanings = [text for bit, text in enumerate(_MEANINGS) if bits >> bit & 1]
        return bool(bits), ", ".join(meanings)
    cooling = [c["cooling_state"] for c in everything if c["cooling_state"] is not None]
    frequencies = [c["frequency_hz"] for c in during if c["frequency_hz"] is not None]
    if any(cooling):
        return True, f"cooling device at state {max(cooling)}"
    if max_frequency_hz and frequencies:
        low = min(frequencies)
        return (True, _below(low, max_frequency_hz)) if _is_below(low, max_frequency_hz) else (False, "")
    return (False, "") if cooling and during else (None, "")


def reasons(result: dict, *, max_start_c: float, measured_s: float) -> list[str]:
    """Why the figures of `result` (a bench document with `throttled` set) are not to be trusted; empty if they are."""
    before, during = result["conditions"]["before"], result["conditions"]["during"]
    found = [
        EMULATED if result["emulated"] else None,
        _throttle_reason(result),
        _frequency_reason(result["board"]["max_frequency_hz"], during, before["governor"]),
        None if result["warmup"]["steady"] else f"not steady after {result['warmup']['seconds']:.1f} s of warm-up",
        _length_reason(result["runs"], measured_s),
        _load_reason(before["load_1m"], len(result["board"]["cpus"])),
        _temperature_reason(before["temperature_c"], max_start_c),
        "the board restarted during the measurement" if result["interrupted"] else None,
    ]
    return [reason for reason in found if reason]


def _throttle_reason(result: dict) -> str | None:
    if result["throttled"] is None:
        return "throttling unknown: this board shows neither get_throttled, nor cooling devices, nor CPU frequencies"
    return f"throttled: {result['throttle_evidence']}" if result["throttled"] else None


def _frequency_reason(max_hz: int | None, during: list[dict], governor: str | None) -> str | None:
    low = min((c["frequency_hz"] for c in during if c["frequency_hz"]), default=None)
    if not max_hz or not low or not _is_below(low, max_hz):
        return None
    return f"{_below(low, max_hz)} during the run (governor {governor or 'unknown'})"


def _length_reason(runs: int, seconds: float) -> str | None:
    if runs >= _NORMAL.runs and seconds >= _NORMAL.seconds:
        return None
    return f"short: {runs} runs in {seconds:.1f} s, a report wants {_NORMAL.runs} and {_NORMAL.seconds:.0f} s"


def _load_reason(load_1m: float | None, cpus: int) -> str | None:
    if load_1m is None:
        return "load of the board unknown"
    if load_1m <= 0.5 * cpus:
        return None
    return f"busy before the run: load {load_1m:.2f}, at most {0.5 * cpus:.1f} on {cpus} CPUs"


def _temperature_reason(start_c: float | None, max_start_c: float) -> str | None:
    if start_c is None:
        return "start temperature unknown"
    if start_c <= max_start_c:
        return None
    return f"hot at the start: {start_c:.1f} °C, at most {max_start_c:.0f} °C"


def _is_below(frequency_hz: int, max_hz: int) -> bool:
    return frequency_hz < 0.99 * max_hz


def _below(frequency_hz: int, max_hz: int) -> str:
    return f"CPU at {frequency_hz / 1e6:.0f} MHz of {max_hz / 1e6:.0f} MHz"
