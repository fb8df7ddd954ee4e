"""agents.yaml as strict, frozen models. What each key means stands under it; `star_agents init` writes the short form.

Unknown keys are refused, values are never coerced, and cross-references (a pair that names no agent) are checked here,
so that nothing of a bad file ever reaches a running line. Reading the file, with its lines and hints, is in
``reading.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from star_agents.config.admission import AdmissionConfig
from star_agents.config.base import (
    LONGEST_S,
    MAX_COUNT,
    BudgetSettings,
    Tokens,
    refuse_infinite,
    refuse_unless_tokens,
)
from star_agents.config.batching import BatchConfig
from star_agents.config.cluster import ClusterConfig
from star_agents.config.documents import DocumentsConfig
from star_agents.config.rounds import RoundsConfig
from star_agents.config.sections import (
    EvaluationConfig,
    EvolutionConfig,
    FailureLimitsConfig,
    MemoryConfig,
    PartsConfig,
    ScoringConfig,
    ServerConfig,
)
from star_agents.config.seeds import SeedsConfig
from star_agents.config.serving import ServedSettings
from star_agents.config.star import JUDGED, SCORED, StarConfig
from star_agents.config.target import QuotaConfig, TargetConfig
from star_agents.records import KEEP, SEED, AgentPair

AGENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
OWNED_ELSEWHERE = frozenset(
    {"num_retries", "max_retries", "timeout", "fallbacks", "model", "messages", "stream", "n", "mock_response"}
    | {"api_base", "base_url", "api_key", "custom_llm_provider", "client", "shared_session", "use_litellm_proxy"}
)
"""What `extra` may not hold: it has a key of its own, or an owner (one retry loop, one price per call, one way out)."""
MAX_AGENTS = 1000
MAX_PROMPTS = 200
MAX_TOOLS = 32
MAX_PROMPT = 1 << 16
"""Characters; a template's file has as many bytes at the most."""


def _plain_name(name: str) -> str:
    if name in (KEEP, SEED):
        raise ValueError(f"`{name}` is a word of its own and cannot name an agent")
    if not AGENT_NAME.fullmatch(name):
        raise ValueError("an agent's name is made of letters, digits, '.', '_' and '-', at most 64")
    return name


def _is_as_batches_are(value: object) -> bool:
    return value == BatchConfig()


PromptPath = Annotated[str, Field(min_length=1)]
PromptText = Annotated[str, Field(max_length=MAX_PROMPT)]
AgentName = Annotated[str, AfterValidator(_plain_name)]


class DeploymentConfig(ServedSettings):
    """One endpoint of an agent."""

    model: str = Field(min_length=1)
    """LiteLLM model name with its provider: `openai/gpt-4o-mini`, `ollama_chat/qwen2.5:14b`, `hosted_vllm/...`. Or
    `transformers/PATH_OR_NAME`: a model that is run here, in a process of its own, on the device of `scoring`."""


class AgentConfig(ServedSettings, BudgetSettings):
    """A named model with its settings: one endpoint written flat, or several under `deployments`."""

    model: str | None = Field(default=None, min_length=1)
    """LiteLLM model name, when the agent has one endpoint."""
    deployments: tuple[DeploymentConfig, ...] = Field(default=(), max_length=100)
    """Several endpoints of the same model. LiteLLM's Router chooses: the one with the fewest calls in flight."""
    roles: tuple[Literal["instruction", "response"], ...] = ("instruction", "response")
    """What the agent does when `pairs` is left out. An agent that only judges or embeds has `roles: []`."""
    temperature: float | None = Field(default=None, ge=0, le=5)
    """Sampling temperature; the provider's default when left out. Judging uses `referee.temperature`."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus sampling; the provider's default when left out."""
    max_tokens: Tokens | None = 2048
    """Longest reply in tokens. It also bounds what one call may cost."""
    extra: Mapping[str, Any] = Field(default_factory=dict)
    """Further parameters, handed to LiteLLM as they are (`{"reasoning_effort": "low"}`)."""
    transport: Literal["auto", "litellm", "batch"] = "auto"
    """`auto` sends straight to servers that speak OpenAI's protocol or Ollama's, which costs a twentieth of the CPU;
    `litellm` sends by LiteLLM's Router. Answers, costs and errors are the same. `batch` gathers the calls of seeds
    into batches of the provider's, at half the price and with answers within 24 hours."""
    batch: BatchConfig = Field(default=BatchConfig(), exclude_if=_is_as_batches_are)
    """With `transport: batch`: how calls gather, and what becomes of those that stay unanswered."""
    max_concurrency: int = Field(default=8, ge=1, le=100_000)
    """Calls in flight at once; further ones queue."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Requests in any 60 seconds, over all deployments, tries and embeddings included; further ones queue, which uses
    up no retry. It holds over restarts."""
    tokens_per_minute: int | None = Field(default=None, ge=1, le=10**12)
    """Tokens of prompts and replies in any 60 seconds. A call reserves an estimate of its prompt and `max_tokens`, and
    takes in the end what the provider counted."""
    timeout_s: float = Field(default=120.0, gt=0, le=LONGEST_S)
    """Seconds until one try counts as failed."""
    retries: int = Field(default=4, ge=0, le=100)
    """Tries after the first. Being rate-limited (429) uses up none."""
    give_up_after_s: float = Field(default=900.0, gt=0, le=LONGEST_S)
    """Seconds after which a call that is only ever rate-limited or retried fails, or at once where `Retry-After` asks
    for longer. So long, base pairs and referees wait for an agent that is down. The wait for `requests_per_minute` and
    `tokens_per_minute` does not count."""
    wait_when_down_s: float = Field(default=60.0, ge=0, le=LONGEST_S)
    """Seconds that a drawn pair, or the vector of a seed, waits for an agent that is down; then the seed goes on
    without it. A `Retry-After` that is longer, and longer than a minute, counts as down."""
    allow_cut: bool = False
    """Accept replies however they ended: cut at `max_tokens` (`finish_reason: length`), broken off, or with a
    finish_reason that is not known as a good end. IFD cannot see a missing end: default no."""

    @field_validator("extra")
    @classmethod
    def _one_retry_loop(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        owned = sorted(value.keys() & OWNED_ELSEWHERE)
        if owned:
            raise ValueError(f"{', '.join(owned)} cannot be set here: use retries, timeout_s and the agent's own keys")
        return value

    @field_validator("extra")
    @classmethod
    def _bounds_can_hold(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Every number is finite, so that JSON can say it; a bound of the reply's length is one."""
        refuse_infinite(value)
        for name in value.keys() & {"max_tokens", "max_completion_tokens"}:
            refuse_unless_tokens(name, value[name])
        return value

    @model_validator(mode="after")
    def _one_way_to_name_the_model(self) -> Self:
        if (self.model is None) == (not self.deployments):
            raise ValueError("give either `model` or `deployments`")
        if self.deployments and any((self.api_base, self.api_key, self.api_version, self.serve)):
            raise ValueError("with `deployments`, api_base, api_key, api_version and serve belong to each deployment")
        return self

    @model_validator(mode="after")
    def _batches_go_to_one_endpoint(self) -> Self:
        if self.transport == "batch" and self.deployments:
            raise ValueError("`transport: batch` goes to one endpoint: give `model` instead of `deployments`")
        if self.transport != "batch" and self.batch != BatchConfig():
            raise ValueError("`batch` has no effect without `transport: batch`")
        return self

    @property
    def longest_reply(self) -> int | None:
        """Tokens that a reply may have, under whichever name that is sent; ``None`` where nothing bounds it."""
        bound = self.extra.get("max_completion_tokens", self.max_tokens)
        return bound if isinstance(bound, int) else None

    @property
    def endpoints(self) -> tuple[DeploymentConfig, ...]:
        """The deployments, a flat agent's single one included."""
        if self.model is None:
            return self.deployments
        shared = {name: getattr(self, name) for name in ServedSettings.model_fields}
        return (DeploymentConfig(model=self.model, **shared),)


def _is_empty(value: object) -> bool:
    return not value


def _is_as_shipped(value: object) -> bool:
    return value == DocumentsConfig()


def _names_no_column(value: object) -> bool:
    return value == SeedsConfig()


def _are_admission_defaults(value: object) -> bool:
    return value == AdmissionConfig()


class Config(BudgetSettings):
    """The whole of agents.yaml."""

    agents: dict[AgentName, AgentConfig] = Field(min_length=1, max_length=MAX_AGENTS)
    """The models at hand, by the names that recipes use."""
    scoring: ScoringConfig = ScoringConfig()
    """The two scorer models."""
    recipe: tuple[str, ...] = Field(default=("star",), min_length=1, max_length=20)
    """How one seed becomes data: the name of a recipe (`star-agents recipes` lists them), a file of your own with the
    name in it (`./mine.py:mine`), or a chain of them, where the children of one are the seeds of the next. The settings
    of a recipe stand in the section of its name."""
    star: StarConfig = StarConfig()
    """The settings of recipe `star`."""
    memory: MemoryConfig = MemoryConfig()
    """The instruction memory bank."""
    seeds: SeedsConfig = Field(default=SeedsConfig(), exclude_if=_names_no_column)
    """How rows become seeds, where their columns are called otherwise."""
    documents: DocumentsConfig = Field(default=DocumentsConfig(), exclude_if=_is_as_shipped)
    """How documents become seeds, where the first recipe takes them."""
    admission: AdmissionConfig = Field(default=AdmissionConfig(), exclude_if=_are_admission_defaults)
    """What may enter the dataset."""
    target_rows: TargetConfig | None = Field(default=None, exclude_if=_is_empty)
    """End at exactly so many rows, not with the last seed; left out: all seeds are worked."""
    quota: tuple[QuotaConfig, ...] = Field(default=(), max_length=20, exclude_if=_is_empty)
    """The most of these rows that may have one value of a label; needs `target_rows`."""
    evolution: EvolutionConfig = EvolutionConfig()
    """How what is drawn gains and loses probability, in every pool."""
    parts: PartsConfig | None = Field(default=None, exclude_if=_is_empty)
    """Divides the seeds into parts, of which a run may work some alone: `parts: {count: 10, only: [D0]}`. Left out:
    they have none."""
    evaluation: EvaluationConfig | None = Field(default=None, exclude_if=_is_empty)
    """Where `evaluate` finds benchmarks, and what of FastChat's protocol it does otherwise."""
    rounds: RoundsConfig | None = Field(default=None, exclude_if=_is_empty)
    """How `star-agents rounds` trains a target on what is made with it, round after round; other commands leave it."""
    unknown_prices: Literal["refuse", "allow"] = "refuse"
    """An agent of unknown price under a budget in dollars: `refuse` to start, since the budget cannot hold for it; or
    `allow` it, uncounted. An agent under `budget_calls` or `budget_tokens` as well is never refused."""
    cluster: ClusterConfig | None = Field(default=None, exclude_if=_is_empty)
    """Machines of a Ray cluster that lend a hand; left out: this one does everything."""
    concurrency: int = Field(default=32, ge=1, le=10_000)
    """Seeds worked on at once."""
    children_first: float = Field(default=1.0, ge=0, le=1)
    """Of a chain of recipes: this share of the seeds that are taken is the child that was made last, the others are
    those that wait longest. What the end of the chain earns is known early then, and the pools of its beginning learn
    by it. 1: nothing new is begun while a child waits; 0: every seed in the order in which it came. Of N children a
    seed, a share below N / (N + 1) lets most of them wait until every seed has been drawn for: at 0.5 and eight
    children nothing was learned in a run (tools/bench/RESULTS.md, ArenaInstruct's feedback)."""
    feedback: bool = True
    """Of a chain of recipes: what becomes of a child rewards what was drawn on its way, such as the types of
    instruction that the target loses by. `off`: only what a recipe says of its own draws counts; the ablation."""
    max_in_flight: int = Field(default=1000, ge=1, le=100_000)
    """Calls in flight at once over all agents, whatever each agent allows itself. It bounds sockets and memory."""
    random_seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    """Seed of every random choice. With concurrency 1 a run is fully reproducible."""
    retention_days: float | None = Field(default=None, gt=0, le=36_600)
    """Days after which the texts behind a finished sample are cleared: its calls' answers and the candidates that
    lost. The sample, its scores, and every call's key, tokens and cost stay. Left out: for ever."""
    failure_limits: FailureLimitsConfig = FailureLimitsConfig()
    """How much may fail before a batch stops or a daemon holds."""
    server: ServerConfig = ServerConfig()
    """The daemon's own settings."""
    tools: tuple[str, ...] = Field(default=(), max_length=MAX_TOOLS, exclude_if=_is_empty)
    """What recipes may let agents call while they are asked: `search` (the documents at hand), `python` (code in a
    process that is shut in), and functions of your own (`./mine.py:fn`; the path begins beside this file)."""
    tool_files: Mapping[str, str] = Field(default_factory=dict, exclude_if=_is_empty)
    """Not written by anybody: the files of these functions, each with the digest of what was loaded from it."""
    filter_files: Mapping[str, str] = Field(default_factory=dict, exclude_if=_is_empty)
    """Not written by anybody: the files of `admission.own`, each with the digest of what was loaded from it."""
    prompts: Mapping[str, PromptPath] = Field(default_factory=dict, max_length=MAX_PROMPTS, exclude_if=_is_empty)
    """Templates of your own in the place of ours: `{star/respond: ./my_respond.jinja}`, by recipe and name; the path
    begins beside this file. The referees' are `judging/judge`, `judging/judge_form` and `judging/judge_paper`."""
    prompt_texts: Mapping[str, PromptText] = Field(default_factory=dict, exclude_if=_is_empty)
    """Not written by anybody: what was read from these files."""
    recipe_files: Mapping[str, str] = Field(default_factory=dict, exclude_if=_is_empty)
    """Not written by anybody: the files of recipes, each with the digest of what was loaded from it."""
    recipe_needs: tuple[str, ...] = Field(default=(), exclude_if=_is_empty)
    """Not written by anybody: what the recipes beside `star` declare that they need."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _one_recipe(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @field_validator("target_rows", mode="before")
    @classmethod
    def _so_many_rows(cls, value: object) -> object:
        return {"rows": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("quota", mode="before")
    @classmethod
    def _one_quota(cls, value: object) -> object:
        return (value,) if isinstance(value, Mapping) else tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _quotas_are_of_a_target(self) -> Self:
        if self.quota and self.target_rows is None:
            raise ValueError("`quota` is a share of `target_rows`: say how many rows there are to be")
        if len({one.by for one in self.quota}) < len(self.quota):
            raise ValueError("`quota` names a label twice")
        return self

    @field_validator("feedback", mode="before")
    @classmethod
    def _on_or_off(cls, value: object) -> object:
        # By YAML 1.2's rules `off` is a word.
        return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value

    @field_validator("memory", mode="before")
    @classmethod
    def _memory_off(cls, value: object) -> object:
        # By YAML 1.2's rules `off` is a word.
        enabled = {"on": True, "off": False}.get(value) if isinstance(value, str) else value
        return {"enabled": enabled} if isinstance(enabled, bool) else value

    @property
    def languages_admitted(self) -> tuple[str, ...]:
        """Of instructions; empty: all."""
        return self.documents.languages if self.admission.languages is None else self.admission.languages

    @property
    def draws_pairs(self) -> bool:
        """Whether the Star recipe is at work."""
        return "star" in self.recipe

    @property
    def pool(self) -> tuple[AgentPair, ...]:
        """The pairs that are drawn from, in order of configuration, each once; base pairs stand outside."""
        if self.star.selection == "base" or not self.draws_pairs:
            return ()
        base = set(self.base)
        return tuple(pair for pair in dict.fromkeys(self._configured_pairs()) if pair not in base)

    @property
    def pairs_configured(self) -> int:
        """How many pairs `pairs` names, or the agents' roles make where it is left out; counted without making them."""
        if self.star.pairs is not None:
            return len(self.star.pairs)
        roles = [agent.roles for agent in self.agents.values()]
        return (1 + sum("instruction" in one for one in roles)) * sum("response" in one for one in roles)

    def _configured_pairs(self) -> list[AgentPair]:
        if self.star.pairs is not None:
            return [pair.pair for pair in self.star.pairs]
        rewriters = [KEEP, *(name for name, agent in self.agents.items() if "instruction" in agent.roles)]
        responders = [name for name, agent in self.agents.items() if "response" in agent.roles]
        return [
            AgentPair(instruction=rewriter, response=responder) for rewriter in rewriters for responder in responders
        ]

    @property
    def base(self) -> tuple[AgentPair, ...]:
        """The base pairs, each once."""
        return tuple(dict.fromkeys(pair.pair for pair in self.star.base_pairs)) if self.draws_pairs else ()

    @property
    def called_agents(self) -> tuple[str, ...]:
        """The agents that a seed may call: those of pairs and base pairs, referees, an embedder; in order of naming."""
        if any(name != "star" for name in self.recipe):
            return tuple(self.agents)  # Whom another recipe asks is its own affair.
        named = {name for pair in (*self.pool, *self.base) for name in (pair.instruction, pair.response)}
        named |= set(self.star.referee.agents) if self.needs_referee else set()
        if self.admission.toxic is not None:
            named.add(self.admission.toxic.judge)
        if self.memory.enabled and self.embedder.startswith("agent:"):
            named.add(self.embedder.removeprefix("agent:"))
        return tuple(name for name in self.agents if name in named)

    @property
    def needs_small(self) -> bool:
        """Whether a recipe scores with the small model."""
        return "scorer" in self.recipe_needs or (self.draws_pairs and self.star.selection in SCORED)

    @property
    def needs_large(self) -> bool:
        """Whether a recipe scores with the large model."""
        return "scorer" in self.recipe_needs or (self.draws_pairs and self.star.selection in ("dual", "gap"))

    @property
    def needs_referee(self) -> bool:
        """Whether a recipe judges."""
        return "judges" in self.recipe_needs or (self.draws_pairs and self.star.selection in JUDGED)

    @property
    def embedder(self) -> str:
        """The memory bank's embedder with `auto` resolved."""
        if self.memory.embedder != "auto":
            return self.memory.embedder
        return "small" if self.needs_small else "hashing"
