"""Everything that can go wrong, as one tree.

    StarAgentsError
    ├── ConfigError          agents.yaml cannot be used          (exit code 2)
    ├── SeedFileError        a seed file cannot be used          (exit code 2)
    ├── UsageError           a command was called wrongly        (exit code 2)
    ├── StoreError           the store cannot be used            (exit code 3)
    │   ├── StoreLocked      another process works on it
    │   └── StoreGone        its files were removed or replaced   (exit code 75)
    ├── AgentError           a call to an agent failed           (exit code 4)
    │   ├── AgentRateLimited   429: wait, this uses up no retry
    │   ├── AgentUnavailable   time-out, connection, 5xx: worth another try
    │   ├── AgentRefused       the request itself is at fault: no try will help
    │   ├── CallLost           whoever sent it for us is gone: nobody's fault, and sent again
    │   └── BudgetExhausted    sending would pass a budget
    ├── ReplyUnreadable      a reply is no answer, or not what was asked for   (exit code 4)
    ├── Postponed            a seed waits until others have come as far
    │   └── AwaitsBatch        or until a provider's batch has answered
    ├── WorkBlocked          no seed can be worked as things stand       (exit code 4)
    ├── RecipeError          a recipe cannot be used, or breaks a rule   (exit code 2)
    ├── ToolError            a tool of agents cannot be used     (exit code 2)
    ├── HubError             the hub refuses, fails or cannot be reached (exit code 7)
    ├── ClusterError         Ray's cluster cannot be used        (exit code 8)
    │   └── ActorLost        an actor's process or node is gone: ask another one
    └── ScorerError          the scorer models cannot be used    (exit code 5)

Foreign exceptions are translated into these at the one place where the foreign library lives. A message says what went
wrong, where, and what to do; it never holds a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from star_agents.records import Failure

MAX_PROBLEMS = 100
"""Problems of one file that are told one by one."""
_LONGEST = {"where": 300, "field": 200, "message": 400, "fix": 600}
"""Characters of each part of a problem that are told: what stands in a file may be as long as the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong in a file that a person wrote."""

    where: str
    """``agents.yaml:12`` or ``seeds.jsonl:7``."""
    field: str
    """Dotted path of the field, such as ``agents.gpt.model``; empty where the whole line is at fault."""
    message: str
    """What is wrong."""
    fix: str = ""
    """What to do about it."""

    def __str__(self) -> str:
        place = f"{self.where}: {self.field}" if self.field else self.where
        return f"{place}: {self.message}" + (f" ({self.fix})" if self.fix else "")

    def shortened(self) -> Problem:
        """The same with each part cut to what fits a screen."""
        long = {part: text for part, most in _LONGEST.items() if len(text := getattr(self, part)) > most}
        return replace(self, **{part: f"{text[: _LONGEST[part]]}…" for part, text in long.items()}) if long else self


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, which task groups wrap around what ends them; the error itself where it is none."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def first_of_ours(error: BaseException) -> StarAgentsError | None:
    """The first of our own errors in a group; ``None`` where there is none, so that it is a fault."""
    return next((one for one in leaves(error) if isinstance(one, StarAgentsError)), None)


def first_line(error: Exception) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class StarAgentsError(Exception):
    """Base of all our errors; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class ConfigError(StarAgentsError):
    """agents.yaml cannot be used; ``problems`` names each line and field.

    Args:
        problems: Those found. Of more than ``MAX_PROBLEMS`` the others are only counted, and each is cut to a screen.
        untold: How many more there are.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, untold: int = 0) -> None:
        told, untold = problems[:MAX_PROBLEMS], untold + max(0, len(problems) - MAX_PROBLEMS)
        self.problems = tuple(problem.shortened() for problem in told)
        if untold:
            where = self.problems[0].where.partition(":")[0]
            self.problems += (Problem(where=where, field="", message=f"holds {untold:,} more mistakes"),)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SeedFileError(StarAgentsError):
    """A seed file cannot be used; ``problems`` names each bad row and field."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UsageError(StarAgentsError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class StoreError(StarAgentsError):
    """The store cannot be read or written."""

    exit_code = 3


class StoreLocked(StoreError):
    """Another star_agents process works on this store."""


class StoreGone(StoreError):
    """The files of a store were removed or replaced while it was open."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h, as for whatever else is lost at work.


class AgentError(StarAgentsError):
    """A call to an agent failed."""

    exit_code = 4
    certainly_unpaid = True
    """False where the provider may have done, and billed, the work all the same."""
    what = "the call failed"
    """What went wrong, in words that are the same for every failure of its kind."""
    said = ""
    """What the provider said about it, shortened and without secrets."""
    may_lie_in_the_text = False
    """Whether another text might have been answered; false where the agent would fail on any: its key, its address."""
    part = ""
    """Who failed, where the caller knows: ``referee j``, ``embedder e``."""


class AgentRateLimited(AgentError):
    """The provider asked us to slow down (429)."""

    what = "the provider asks to slow down"

    def __init__(self, message: str, *, retry_after: float | None = None, is_outage: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait, where the provider said so."""
        self.is_outage = is_outage
        """True where nobody was answered anything else for as long: then the seed is not at fault, and can wait."""


class AgentUnavailable(AgentError):
    """The provider did not answer: time-out, connection or server error."""

    certainly_unpaid = False
    what = "no answer came"

    def __init__(self, message: str, *, retry_after: float | None = None, is_outage: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds to wait, where the provider said so."""
        self.is_outage = is_outage
        """True where everything that could have answered was down: then the seed is not at fault, and can wait."""


class AgentRefused(AgentError):
    """The provider refused the request: key, model name, parameters, context length or content."""

    what = "the call was refused"


class CallLost(AgentError):
    """The process that sent a call for this one is gone, and what came of it with it: the provider is not at fault,
    nor is the request. It is sent again once that is recorded."""

    certainly_unpaid = False
    what = "the process that sent the call is gone"


class BudgetExhausted(AgentError):
    """Sending this call could pass a budget; raise the budget in agents.yaml to go on."""

    def __init__(
        self, message: str, *, agent: str | None = None, resets_at: float | None = None, is_passing: bool = False
    ) -> None:
        super().__init__(message)
        self.agent = agent
        """The agent whose own budget is spent; ``None`` for the budget of everybody."""
        self.resets_at = resets_at
        """Seconds since 1970 when a daily budget begins anew; ``None`` for one that holds for the life of a store."""
        self.is_passing = is_passing
        """True where only what calls in flight have reserved stands in the way: they may cost less."""


class ReplyUnreadable(StarAgentsError):
    """A reply came and was paid for, and is no answer or not what was asked for."""

    exit_code = 4

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        """Of kind ``empty``, ``length`` or ``format``."""


class Postponed(StarAgentsError):
    """A seed cannot be decided before more of them have come as far; what it has asked is in the journal."""


class AwaitsBatch(Postponed):
    """A seed has asked for calls that go by batch; it is worked again once they are answered."""


class WorkBlocked(StarAgentsError):
    """No seed of a recipe can be worked as things stand, whatever the seed: why, and what a person can do.

    A recipe raises it, such as where nobody may judge. Its seed goes on waiting; `run` ends, and `serve` takes no seed
    until agents.yaml has changed.
    """

    exit_code = 4


class RecipeError(StarAgentsError):
    """A recipe cannot be found or used, or broke a rule of the bench: what, where, and what to do."""

    exit_code = 2


class ToolError(StarAgentsError):
    """A tool of agents cannot be found or used: what, where, and what to do."""

    exit_code = 2


class FilterError(StarAgentsError):
    """A filter of the user's own cannot be loaded: what, where, and what to do."""

    exit_code = 2


class PromptError(RecipeError):
    """A prompt's template cannot be read or rendered: which, where, why."""


class HubError(StarAgentsError):
    """The hub refuses what is sent to it, fails, or cannot be reached."""

    exit_code = 7

    def __init__(self, message: str, *, status: int | None = None, may_pass: bool = False) -> None:
        super().__init__(message)
        self.status = status
        """Of its answer; ``None`` where there was none."""
        self.may_pass = may_pass
        """Whether the same may go well a little later."""


class ScorerError(StarAgentsError):
    """A scorer model cannot be loaded, or its process keeps dying."""

    exit_code = 5


class ClusterError(StarAgentsError):
    """Ray is not installed, its cluster cannot be reached, or something there is not as it has to be."""

    exit_code = 8


class ActorLost(ClusterError):
    """The process or the node of an actor is gone or out of reach. What it was asked may have been done, or not."""
