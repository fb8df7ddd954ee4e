"""Rounds: from data to a better target and back, each step durable (`star-agents rounds`)."""
