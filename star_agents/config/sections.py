"""Sections of agents.yaml that know of no agent: scoring, memory, evolution, parts, limits of failure, the daemon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from star_agents.config.base import LONGEST_S, MAX_COUNT, MAX_TOKENS, WHOLE_REFERENCE, Section

ScoreMode = Literal["perplexity_ratio", "score_eos", "superfiltering", "cherry"]


class ScoringConfig(Section):
    """The two scorer models and how IFD is read (Eq. 4)."""

    small: str = "offline/small"
    """The target to be trained: Hugging Face name or local path."""
    large: str = "offline/large"
    """The stronger model: Hugging Face name or local path."""
    scorers: Mapping[str, str] = Field(default_factory=dict, max_length=20)
    """More scorers that recipes measure by, each with its model, which is loaded where it is named. `reward`: a reward
    model, which is a sequence classifier with one output and a chat template: `{reward: NAME_OR_FOLDER}`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU, float32 on the CPU."""
    max_length: int = Field(default=2048, ge=8, le=MAX_TOKENS)
    """Tokens per sequence; a longer response is cut on the right, the same in both passes."""
    mode: ScoreMode = "score_eos"
    """Which IFD: ours, with the end of the response (`score_eos`: it sees one that breaks off) or without it, as the
    paper has it (`perplexity_ratio`), or as Superfiltering or Cherry LLM read it."""
    tokens_per_batch: int | None = Field(default=None, ge=64, le=MAX_TOKENS)
    """Tokens that go through a model at once; left out: 1,024 on a CPU, 16,384 on a GPU. Halved by itself when memory
    runs out."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads of the scorer process; torch's own choice when left out."""
    trust_remote_code: bool = False
    """Let model repositories run their own Python code."""


class MemoryConfig(Section):
    """The instruction memory bank (paper, section 3.3)."""

    enabled: bool = True
    """Off is the paper's ablation without the bank. `memory: off` is short for it."""
    neighbours: int = Field(default=5, ge=1, le=10_000)
    """n: how many stored instructions are looked up."""
    draws: int = Field(default=2, ge=0, le=1000)
    """l: how many pairs are drawn from what the neighbours were won by."""
    embedder: str = Field(default="auto", pattern=r"^(auto|small|hashing|sentence-transformers:.+|agent:.+)$")
    """`small` (mean-pooled hidden state of the small scorer), `sentence-transformers:NAME`, `agent:NAME` (an embedding
    model among the agents), `hashing` (word n-grams, no model), or `auto`: `small` where it runs anyway,
    else `hashing`."""
    max_items: int = Field(default=1_000_000, ge=1000, le=10_000_000)
    """Instructions that are held in main memory; a million take 1.4 GB where their vectors have 384 dimensions, and
    3.1 GB where they have 2,048. One more, and the oldest quarter is forgotten but for the newest 1,000 of each arm
    (fewer where those of all arms would fill more than a quarter); it lies in memory until the next one is, which is a
    quarter more at the most. The store keeps all of them."""


class EvolutionConfig(Section):
    """How what is drawn gains and loses probability (Eq. 8), in every pool: agent-pairs, and arms of other recipes."""

    policy: Literal["paper", "uniform", "thompson"] = "paper"
    """`paper` is Eq. 8, `uniform` the ablation without evolution, `thompson` the field's bandit to compare with."""
    rate: float | Literal["auto", "paper"] = "auto"
    """β of Eq. 8. `auto`: 20 / seeds seen so far, so that a daemon learns from its first hundred as a run of a hundred
    does; 0.05 at the most, which bounds what one outcome moves, and at the least 20 / number of seeds in `run`, 20 /
    horizon in `serve`. `paper`: 5 / number of seeds or horizon, which fits the paper's curve and learns over the whole
    run. Pools that learn by what becomes of children (a chain's, with `feedback`) take 0.1 under `auto`: what they earn
    changes when a target was trained, and what earned once is to be left soon. A number: that, for every pool."""
    horizon: int = Field(default=10_000, ge=1, le=MAX_COUNT)
    """Number of seeds that `rate` assumes where the length is unknown, as in `serve`: how far back it remembers."""
    floor: float | Literal["auto"] = "auto"
    """Least probability of a pair; above 0 it keeps exploring, and finds out that a pair got better. `auto`: 0.15 /
    number of pairs. 0, as in the paper, lets a pair die out."""

    @field_validator("rate")
    @classmethod
    def _rate_is_positive(cls, value: float | str) -> float | str:
        if isinstance(value, (int, float)) and not 0 < value <= 1000:
            raise ValueError("the rate must be above 0 and at most 1,000; for no evolution use `policy: uniform`")
        return value

    @field_validator("floor")
    @classmethod
    def _floor_is_a_probability(cls, value: float | str) -> float | str:
        if isinstance(value, (int, float)) and not 0 <= value < 1:
            raise ValueError("the floor must be at least 0 and below 1; `auto` is 0.15 / number of pairs")
        return value


Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")]
Share = Annotated[float, Field(gt=0, le=1)]


class PartsConfig(Section):
    """The parts of the seeds, such as the D0, D1, ... of Arena Learning, of which each stage of a round has its own. A
    seed's part follows from its id, whenever and beside whatever it comes; its children share it, and it stays."""

    count: int = Field(default=10, ge=1, le=1000)
    """How many parts of equal share there are: D0, D1, and so on."""
    shares: Mapping[Part, Share] | None = None
    """Parts by name with their shares, which add up to 1, in the place of `count`: `{D0: 0.4, D1: 0.3, D2: 0.3}`."""
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    """Another number divides otherwise. Seeds that have their part keep it."""
    column: str | None = Field(default="part", min_length=1)
    """A row that names a part in this column belongs to that one; `null`: no column is looked at."""
    only: tuple[Part, ...] = ()
    """Works the seeds of these parts alone; others wait, and are counted. Left out: all parts."""

    @property
    def sizes(self) -> Mapping[str, float]:
        """Share by name."""
        return self.shares or {f"D{number}": 1 / self.count for number in range(self.count)}

    @model_validator(mode="after")
    def _shares_are_whole(self) -> Self:
        if self.shares is not None and abs(math.fsum(self.shares.values()) - 1) > 1e-9:
            raise ValueError(f"the shares add up to {math.fsum(self.shares.values()):g}; they have to add up to 1")
        if unknown := [name for name in self.only if name not in self.sizes]:
            raise ValueError(f"only: there is no part {unknown[0]}; there are: {', '.join(self.sizes)}")
        return self


class FailureLimitsConfig(Section):
    """How much may fail before the work stops, since what it would bring were worthless.

    Counted are the newest tries of each essential part: base samples (one try for each seed, failed where no base pair
    gave one), candidates of all drawn pairs together, votes of all referees together, samples that were scored, and
    instructions that were embedded. Where more than `share` of them failed, `run` ends (exit code 4) and `serve` takes
    no seed until agents.yaml has changed or somebody resumes it; then, as after a restart, the counts begin anew. One
    agent of several that fails is told everywhere and stops nothing, until it takes the candidates of all pairs beyond
    the limit. What waits or was wished for, an agent that is down or out of budget, is no failure here.
    """

    share: float = Field(default=0.5, ge=0, le=1)
    """More than this share stops the work; 1 lets everything fail, and still tells."""
    after: int = Field(default=20, ge=1, le=1_000_000)
    """Tries of a part before it is judged; the newest five times as many count. Twice the seeds that are worked on at
    once have to end first, or once as many where everything fails. A `run` that ends sooner is judged at its end."""
    base: float | None = Field(default=None, ge=0, le=1)
    """Instead of `share`, for base samples."""
    candidates: float | None = Field(default=None, ge=0, le=1)
    """Likewise for candidates of drawn pairs."""
    referees: float | None = Field(default=None, ge=0, le=1)
    """Likewise for votes, unreadable ones and those that could not be had, and for verdicts, which take more than half
    of a jury: of two referees, one that fails leaves none."""
    scorer: float | None = Field(default=None, ge=0, le=1)
    """Likewise for samples that the scorer refuses."""
    embedder: float | None = Field(default=None, ge=0, le=1)
    """Likewise for instructions without a vector; the memory bank knows nothing of such a seed."""
    instructions: float = Field(default=0.9, ge=0, le=1)
    """Likewise for instructions made of documents that are refused, whatever for: some always are, and more of them
    once much was asked. The message names the reasons."""
    rows: float = Field(default=0.9, ge=0, le=1)
    """Likewise for rows that admission refuses."""
    seeds: float = Field(default=0.9, ge=0, le=1)
    """Likewise for seeds that admission refuses."""
    seed_timeout_s: float = Field(default=3600.0, gt=0, le=LONGEST_S)
    """Seconds of its own that a recipe may take for one seed; then the seed is dropped, as for a fault in its code. The
    time stands still while a call is in flight or waits to be sent, be it for agents that are down or for rate limits,
    and while the scorer is at work."""


class EvaluationConfig(Section):
    """What `evaluate` is told once for all benchmarks; what is left out is FastChat's protocol."""

    questions: str | None = Field(default=None, min_length=1)
    """Folder of benchmarks, in which `--questions mt_bench` finds its own; the path begins beside this file. FastChat's
    `data` folder, or one with `mt_bench_question.jsonl`, `vicuna_bench_question.jsonl`, `WizardLM_testset.jsonl`."""
    answer_temperature: float | None = Field(default=None, ge=0, le=5)
    """One for all questions, instead of those that FastChat has for each category."""
    answer_max_tokens: int = Field(default=1024, ge=16, le=MAX_TOKENS)
    """Longest answer; a longer one is cut there and judged as it is. Models that think need more."""
    system: str = ""
    """A system turn before the questions; FastChat asks models of OpenAI with `You are a helpful assistant.`"""
    judge_temperature: float | None = Field(default=0.0, ge=0, le=5)
    """Of the judge; `null` leaves it to the provider, for models that take no other than their own."""
    judge_max_tokens: int = Field(default=2048, ge=16, le=MAX_TOKENS)
    """Longest reply of the judge."""


class ServerConfig(Section):
    """Where `serve` listens and what it watches."""

    host: str = "127.0.0.1"
    """Address to bind. Beyond loopback a token is required; one is made where none is configured."""
    port: int = Field(default=8321, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    token: str | None = Field(default=None, pattern=WHOLE_REFERENCE)
    """`os.environ/NAME` of a bearer token for the API."""
    allowed_hosts: tuple[str, ...] = Field(default=(), max_length=1000)
    """Further host names under which the server may be addressed."""
    watch: str | None = None
    """Folder whose new files become seeds; `inbox` in the data folder when left out."""
    settle_s: float = Field(default=5.0, ge=0, le=3600)
    """Seconds for which a file there must not change before it is read; 12 times as long where its end seems to be
    missing. Whoever writes more slowly than that loses nothing, but is read in parts."""
    queue_limit: int = Field(default=1_000_000, ge=1, le=MAX_COUNT)
    """Waiting seeds beyond which the API answers 429: a client that sends in a loop must not fill the disk."""
    drain_s: float = Field(default=60.0, ge=0, le=LONGEST_S)
    """Seconds that SIGTERM, and Ctrl-C, wait for calls in flight, which are paid for; `run` keeps to it too."""
