"""What happens, told: the event bus, the log, telemetry."""
