"""Who may come in by HTTP: on loopback everybody on this machine, unless there is a token; beyond it nobody without."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from star_agents.config.sections import ServerConfig
from star_agents.errors import UsageError
from star_agents.observe.logs import keep_secret
from star_agents.text.printing import say_secret
from star_agents.web.guard import is_loopback
from star_agents.web.token_file import TOKEN_FILE, standing_token


@dataclass(frozen=True, slots=True)
class Access:
    """The token that is asked for, and what to tell a person about it."""

    token: str
    """Empty where none is asked for."""
    kept_in: Path | None = None
    """Where it lies, if it was made for this folder."""
    is_new: bool = False

    def tell(self, url: str, server: ServerConfig) -> None:
        """Say once, on standard output and never in the log, how to come in with a token that was made."""
        if self.kept_in is None:
            return
        port = url.rpartition(":")[2]
        told = (
            f"open {_address(server, port)}#token={self.token}" if self.is_new else f"the token lies in {self.kept_in}"
        )
        say_secret(told)


def access_to(server: ServerConfig, folder: Path) -> Access:
    """Who may come in. Beyond loopback a token is made where agents.yaml names none, and is the same at every start.

    Raises:
        UsageError: it cannot be made or read, or the variable that agents.yaml names is not set.
    """
    if (token := given_token(server)) or is_loopback(server.host):
        return Access(token)
    token, is_new = standing_token(folder)
    keep_secret(token)
    return Access(token, folder / TOKEN_FILE, is_new)


def given_token(server: ServerConfig) -> str:
    """The token out of the environment; empty where agents.yaml names none.

    Raises:
        UsageError: it names a variable that is not set. Serving without it would let in whom it was to keep out.
    """
    if server.token is None:
        return ""
    name = server.token.removeprefix("os.environ/")
    token = os.environ.get(name, "").strip()
    if not token:
        raise UsageError(f"server.token in agents.yaml names the environment variable {name}, which is not set; set it")
    keep_secret(token)
    return token


def _address(server: ServerConfig, port: str) -> str:
    """Under which name a person's browser may reach it: the first that the server answers to."""
    anywhere = server.host in ("0.0.0.0", "::")
    host = server.allowed_hosts[0] if server.allowed_hosts else "127.0.0.1" if anywhere else server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
