"""The daemon's HTTP door: API and health. Home of aiohttp's server; it owns no decision and asks a backend."""
