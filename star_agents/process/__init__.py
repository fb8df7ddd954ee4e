"""This process among others: systemd, garbage, the event loop, watched files, and where it may be killed."""
