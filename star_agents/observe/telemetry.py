"""OpenTelemetry for those who have it: off unless the environment asks for it, in its own variables.

``OTEL_EXPORTER_OTLP_ENDPOINT``, or the one of traces or metrics alone, turns it on; ``OTEL_SDK_DISABLED=true`` turns it
off again. What is sent stands in ``observe.telemetry_spans``, which alone knows the library (extra ``otel``).
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import anyio
import anyio.to_thread

from star_agents.events import TelemetryFailed
from star_agents.observe.bus import Bus

Signal = Literal["TRACES", "METRICS"]
PROTOCOL = "http/protobuf"


@asynccontextmanager
async def open_telemetry(bus: Bus, environ: Mapping[str, str], *, last_export_s: float = 5.0) -> AsyncIterator[None]:
    """Send traces and metrics while the context is open, if the environment asks for that.

    Where it asks and the library is missing or cannot be set up, one event says so and everything else goes on: a
    dataset is worth more than its traces.

    Args:
        bus: Its events are what is sent.
        environ: The process's own environment; the library reads the same variables there.
        last_export_s: Longest wait at the end for a collector to take what is left.
    """
    signals: list[Signal] = [signal for signal in ("TRACES", "METRICS") if is_asked_for(signal, environ)]
    if not signals:
        yield
        return
    try:
        for signal in signals:
            _check_protocol(signal, environ)
        # Loaded here and not above: it takes a third of a second, and few ask for it.
        spans = importlib.import_module("star_agents.observe.telemetry_spans")
        telemetry = spans.Telemetry.to_collector(traces="TRACES" in signals, metrics="METRICS" in signals)
    except (ImportError, ValueError) as error:
        bus.publish(TelemetryFailed(reason=_why(error)))
        yield
        return
    unsubscribe = bus.subscribe(telemetry.hear)
    try:
        yield
    finally:
        unsubscribe()
        with anyio.move_on_after(last_export_s, shield=True):
            await anyio.to_thread.run_sync(telemetry.close, last_export_s, abandon_on_cancel=True)


def is_asked_for(signal: Signal, environ: Mapping[str, str]) -> bool:
    """Whether the environment names a collector for traces or for metrics."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip() != "otlp":
        return False
    return bool(environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))


def _check_protocol(signal: Signal, environ: Mapping[str, str]) -> None:
    """Raise ValueError where a protocol is named that we do not speak."""
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := environ.get(name, "").strip():
            if protocol != PROTOCOL:
                raise ValueError(f"{name} is {protocol}; only {PROTOCOL} is spoken here (port 4318 as a rule)")
            return


def _why(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}; install it with: pip install 'star-agents[otel]', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
    return f"an OTEL_ variable cannot be used: {error}"
