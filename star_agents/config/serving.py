"""Key `serve` of an agent: a server of the user's that is started, watched and started again beside the work.

    qwen: {model: hosted_vllm/Qwen/Qwen2.5-7B-Instruct, serve: "vllm serve {model} --port {port}"}

Where the server is reached follows from ``api_base``, from ``port``, or is a port that is free. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from star_agents.config.base import LONGEST_S, LONGEST_TEXT, SECRET_REFERENCE, EndpointSettings, Section
from star_agents.text.command_words import command_words
from star_agents.text.redaction import SECRET_NAME

_AT = "http://127.0.0.1"
_OLLAMA = ("ollama", "ollama_chat")
_KNOWN = (*_OLLAMA, "hosted_vllm", "openai", "lm_studio", "llamafile", "huggingface")
"""Providers of which it is known how the address of a server of theirs looks."""
_HERE = ("offline", "transformers")
"""Providers within this program, which have no server."""
_SECRET_OPTION = re.compile(r"--?(?:\S*[-_])?(?:api[-_]?key|(?:hf|auth|access)[-_]?token|password|secret)(?:=|$)", re.I)
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class ServeSettings(Section):
    """A command that serves a model, and how it is kept up."""

    command: str = Field(min_length=1)
    """Program and arguments, told apart as a shell does it, with no shell at work: write `sh -c '…'` for one.
    `{model}` is replaced by the model's name without its provider, `{port}` by the port."""
    ready: str | None = Field(default=None, pattern=r"^/\S*$")
    """Path that answers with status 200 once the model can be asked; `/health` unless given, `/api/version` of Ollama,
    `/-/healthz` is Ray Serve's."""
    ready_within_s: float = Field(default=1800.0, gt=0, le=LONGEST_S)
    """Seconds until then; a server that takes longer is ended, and started again."""
    unanswered_s: float = Field(default=120.0, gt=0, le=LONGEST_S)
    """A server whose `ready` has not answered for so long counts as hung: it is ended, and started again."""
    port: int | Literal["auto"] = "auto"
    """`auto`: that of `api_base`, or else one that is free. With a fixed one, whatever command comes second uses the
    server that the first one started, and has its own in case that goes away."""
    restarts: int = Field(default=5, ge=0, le=1000)
    """How often in a row it is started again; then the agent is down until agents.yaml is edited, or something answers
    at its address. A server that was ready for ten minutes begins anew with that."""
    backoff_s: float = Field(default=2.0, ge=0, le=3600)
    """Seconds before it is started again; twice as many each time in a row, a minute at the most."""
    stop_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds between asking it to end and ending it."""
    env: Mapping[Variable, str] = Field(default_factory=dict, max_length=100)
    """Variables beside those of this process: `{CUDA_VISIBLE_DEVICES: "1", VLLM_API_KEY: os.environ/MY_KEY}`."""
    log: str | None = Field(default=None, min_length=1)
    """File for what it writes, of 16 MB at the most; a path begins in the folder of the run. `servers/AGENT.log` unless
    given."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # Its variables are a mapping, which has none.

    @field_validator("port")
    @classmethod
    def _is_a_port(cls, value: int | str) -> int | str:
        if isinstance(value, int) and not 1 <= value <= 65535:
            raise ValueError("a port is a number from 1 to 65535")
        return value

    @field_validator("command")
    @classmethod
    def _can_be_told_apart(cls, value: str) -> str:
        command_words(value, {})
        return value

    @field_validator("env")
    @classmethod
    def _secrets_come_from_the_environment(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if len(text) > LONGEST_TEXT or "\0" in text:
                raise ValueError(f"{name} holds what no variable can")
            if SECRET_NAME.search(name) and not SECRET_REFERENCE.fullmatch(text):
                raise ValueError(f"{name}: keys are read from the environment: write os.environ/NAME_OF_THE_VARIABLE")
        return value


def _is_none(value: object) -> bool:
    return value is None


class ServedSettings(EndpointSettings):
    """An endpoint whose server may be started beside the work."""

    serve: ServeSettings | None = Field(default=None, exclude_if=_is_none)
    """Command that serves the model: `vllm serve {model} --port {port}`, or a mapping with `command` and how it is kept
    up. It is started where nothing answers at its address yet, watched, started again, and ended with this process."""

    @field_validator("serve", mode="before")
    @classmethod
    def _a_command(cls, value: object) -> object:
        return {"command": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_be_served(self) -> Self:
        serve, model = self.serve, str(getattr(self, "model", None) or "")
        if serve is None:
            return self
        for word in command_words(serve.command, {}):
            if _SECRET_OPTION.match(word):  # Told here, where nothing of the value is repeated.
                raise ValueError(
                    f"`serve`: a secret behind {word.partition('=')[0]} would stand in this file; use `env`"
                )
        provider = model.partition("/")[0]
        if provider in _HERE:
            raise ValueError(f"`serve` has no effect on {provider}/…, which answers without a server")
        if self.api_base is None and model and provider not in _KNOWN:
            raise ValueError(f"`serve` needs `api_base`: where servers of {provider!r} answer is not known here")
        at = _port_in(self.api_base)
        if at is not None and serve.port not in ("auto", at):
            raise ValueError(f"`serve.port` is {serve.port}, and `api_base` says {at}")
        if at is None and serve.port == "auto" and "{port}" not in serve.command:
            raise ValueError("`serve` needs `{port}`, or else `port` or `api_base`, to say where it listens")
        return self


class Served(NamedTuple):
    """A server that agents.yaml asks for: all that makes it another one than the next."""

    settings: ServeSettings
    model: str
    """What `{model}` is replaced by; empty where the command names none, so that agents of several models share it."""
    speaks: Literal["openai", "ollama"]
    base: str
    """``api_base``, or empty where it follows from the port."""

    @property
    def port(self) -> int | None:
        """``None`` where any will do."""
        at = _port_in(self.base or None)
        return at if at is not None else self.settings.port if isinstance(self.settings.port, int) else None

    def address(self, port: int) -> str:
        """``api_base`` of the agents; 0 stands for a port that nobody knows yet."""
        return self.base or f"{_AT}{f':{port}' if port else ''}{'' if self.speaks == 'ollama' else '/v1'}"

    def ready(self, port: int) -> str:
        """Address that says when it can be asked."""
        parts = urlsplit(self.address(port))
        path = self.settings.ready or ("/api/version" if self.speaks == "ollama" else "/health")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"

    def command(self, port: int) -> tuple[str, ...]:
        """Program and arguments."""
        return tuple(command_words(self.settings.command, {"model": self.model, "port": str(port)}))


def served_by(endpoint: Any) -> Served | None:
    """The server of an endpoint; ``None`` where it is somebody else's affair."""
    serve: ServeSettings | None = endpoint.serve
    if serve is None:
        return None
    provider, _, name = endpoint.model.partition("/")
    speaks: Literal["openai", "ollama"] = "ollama" if provider in _OLLAMA else "openai"
    return Served(serve, name if "{model}" in serve.command else "", speaks, endpoint.api_base or "")


def placed(agents: Mapping[str, Any], port_of: Callable[[Served], int]) -> dict[str, Any]:
    """The agents with the address of its server for each that is served and names none.

    Args:
        agents: ``AgentConfig`` by name.
        port_of: The port of a server.
    """
    return {name: _placed(agent, port_of) for name, agent in agents.items()}


def _placed(agent: Any, port_of: Callable[[Served], int]) -> Any:
    if agent.deployments:
        found = tuple(_placed_endpoint(one, port_of) for one in agent.deployments)
        return agent if found == agent.deployments else agent.model_copy(update={"deployments": found})
    return _placed_endpoint(agent, port_of)


def without_servers(agents: Mapping[str, Any]) -> dict[str, Any]:
    """Agents that have their addresses, as if somebody else served them."""
    return {name: _without_server(agent) for name, agent in agents.items()}


def _without_server(agent: Any) -> Any:
    deployments = tuple(one.model_copy(update={"serve": None}) for one in agent.deployments)
    return agent.model_copy(update={"serve": None, "deployments": deployments})


def _placed_endpoint(endpoint: Any, port_of: Callable[[Served], int]) -> Any:
    server = served_by(endpoint)
    if server is None or endpoint.api_base is not None:
        return endpoint
    return endpoint.model_copy(update={"api_base": server.address(port_of(server))})


def origin_of(address: str) -> tuple[str, int | None]:
    """Host and port of an address; two that are the same are of one server."""
    host = (urlsplit(address).hostname or "").removesuffix(".")
    return ("127.0.0.1" if host in ("localhost", "::1", "0.0.0.0") else host), _port_in(address)


def _port_in(address: str | None) -> int | None:
    if address is None:
        return None
    parts = urlsplit(address)
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
