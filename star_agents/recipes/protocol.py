"""What a recipe is: one coroutine that turns a seed into an outcome, and what it declares beside it.

    @recipe(takes="instruction", measures=[Measure("words", high=500)])
    async def shorten(seed: Seed, bench: Workbench, settings: Settings) -> Outcome:
        reply = await bench.ask("gpt", f"Say it in one sentence: {seed.sample.question}", step="shorten")
        ...
        return done(seed, rows=[sft(sample)])

It touches nothing but its workbench, whose every paid answer and every decision by chance is recorded: run again for
the same seed, it walks the same way and pays for nothing twice, without knowing it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, cast, get_args

from star_agents.config.base import Section
from star_agents.config.recipes import RecipeSection
from star_agents.errors import RecipeError
from star_agents.recipes.giving import done as done
from star_agents.recipes.giving import dropped as dropped
from star_agents.recipes.giving import preference as preference
from star_agents.recipes.giving import sft as sft
from star_agents.recipes.reads import TEXT, Read, Reads
from star_agents.records import (
    Document,
    Failure,
    GrownArm,
    Judgement,
    Message,
    Outcome,
    Row,
    RowShape,
    Sample,
    Seed,
    SeedKind,
    Wording,
)
from star_agents.records import Measure as Measure
from star_agents.text.prompt import Prompt

S = TypeVar("S", bound=Section)
T = TypeVar("T")
Word = TypeVar("Word", bound=str)
SettingsT = TypeVar("SettingsT", bound=Section, contravariant=True)
Plain = None | bool | int | float | str | list[Any] | dict[str, Any]
Content = Sample | Document
Need = Literal["scorer", "judges"]
TOOL_ROUNDS = 4
"""Turns in which an agent may call tools before it has to answer."""
BUILT_IN = "built in"
"""Origin of the recipes of this package."""


class Settings(RecipeSection):
    """Base of a recipe's settings: its section of agents.yaml, strict; the documentation of a field stands under it.

    ``mistake`` may say what in them cannot work together.
    """


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What became of jobs that went on side by side, in their order."""

    results: tuple[T | Failure, ...]

    @property
    def good(self) -> list[T]:
        """The results of those that did not fail."""
        return [one for one in self.results if not isinstance(one, Failure)]

    @property
    def failures(self) -> list[Failure]:
        """Why the others failed."""
        return [one for one in self.results if isinstance(one, Failure)]


class Workbench(Protocol):
    """All that a recipe may touch, for one seed."""

    async def draw(
        self, pool: str, count: int = 1, *, among: Collection[str] | None = None, near: str | Content | None = None
    ) -> tuple[str, ...]:
        """Distinct arms of one of the recipe's pools, by what they have earned so far; recorded before it is told.

        Args:
            pool: Its name.
            count: How many.
            among: Only of these arms; ``None``: of all.
            near: Asks the memory bank first: up to half of them are drawn among the arms that earned near this, and
                what these earn is remembered.

        Raises:
            RecipeError: the recipe has no such pool.
        """
        ...

    async def once(self, step: str, decide: Callable[[], Plain]) -> Plain:
        """Any other decision that a second run must make alike: made once, and recorded under the name of the step."""
        ...

    async def ask(
        self,
        agent: str,
        prompt: str | Prompt | Sequence[Message],
        *,
        step: str,
        reads: Reads[T] = TEXT,  # type: ignore[assignment]  # a default for the case that T is not asked for
        tools: Sequence[str] = (),
        tool_rounds: int = TOOL_ROUNDS,
        **sampling: Any,
    ) -> Read[T]:
        """One journaled call, and its reply as it is read: as text, or by ``Json``, ``Rating`` or ``Choice``.

        Args:
            agent: Name of an agent of agents.yaml.
            prompt: What it is asked; a text stands for one turn of the user.
            step: Tells apart calls of one seed that would otherwise be equal.
            reads: How the reply is read. One that cannot be read so is shown its fault and asked for once more.
            tools: What the agent may call until it answers, each run and recorded once: names out of ``self.tools``.
            tool_rounds: How many of its turns may call; one that calls in a later turn has failed.
            sampling: ``temperature``, ``max_tokens`` and their kin, instead of the agent's own.

        Raises:
            RecipeError: agents.yaml does not allow one of the tools.
            ReplyUnreadable: the reply is empty, cut, or not what ``reads`` asks for, even when asked once more; or
                tools are called without end.
            AgentError: after all tries.
        """
        ...

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools that agents.yaml allows: ``search``, ``python``, those of functions."""
        ...

    def prompt(self, name: str, /, **values: object) -> Prompt:
        """One of the recipe's templates, ``prompts/RECIPE/NAME.jinja`` beside its file, or what agents.yaml puts in its
        place, rendered with these values; its ``version`` belongs into the trial.

        Raises:
            PromptError: there is none of that name, or it cannot be rendered with these values.
        """
        ...

    async def why_refused(self, wordings: Sequence[Wording], *, step: str) -> list[str]:
        """Why each of these instructions would not be admitted as things stand, empty where it would: it is in another
        language than asked for, or nearly repeats one before it among these or an earlier one of the folder. Told once,
        and recorded; before money is spent on them. What is claimed to be new with the outcome (``Outcome.claims``) is
        looked up once more when that is committed.
        """
        ...

    async def measure(self, samples: Sequence[Sample], *, by: str = "ifd") -> list[dict[str, float | None]]:
        """Measures of samples by a scorer's name. ``ifd``: ``ifd_small``, ``ifd_large`` and ``gap``, ``None`` where
        there is none. One of ``scoring.scorers``, such as ``reward``: what it measures, nothing where it refuses."""
        ...

    async def compare(self, left: Sample, right: Sample, *, judges: Sequence[str], step: str) -> list[Judgement]:
        """What each judge says of two answers, asked in both orders; ``value`` is 1 where the left one is better."""
        ...

    async def gather(self, *jobs: Awaitable[T]) -> Gathered[T]:
        """Jobs side by side. One that fails is a value, and its siblings go on: their calls are paid for.

        Raises:
            AgentError: agents are down, or everybody's budget is spent: the seed waits for better times.
        """
        ...

    @property
    def next_recipe(self) -> str:
        """Name of the recipe that takes the children; empty for the last one of a chain, where children that are no
        documents become rows of instructions."""
        ...

    def child(
        self, content: Content, *, labels: Mapping[str, str] | None = None, notes: Mapping[str, str] | None = None
    ) -> Seed:
        """A seed for the next recipe. ``labels``: pool to arm, of what was drawn for it; its outcome rewards them.
        ``notes``: what else is to be known of it; carried along, and told with the rows that come of it."""
        ...


class Redecided(NamedTuple):
    """What an outcome would give under other settings."""

    rows: tuple[Row, ...]
    """As the settings decide them, from what the outcome holds."""
    missing_calls: int = 0
    """Calls that these settings need and nobody made: such rows are not what a run would give."""


class CatchUp(NamedTuple):
    """How outcomes get what later settings ask for beside it; only what they lack is paid, and what they hold stays."""

    arms: Callable[[Any], Sequence[str]]
    """Of settings: whose trials each outcome is to have. None: nothing is asked for."""
    lacks: Callable[[Outcome, Any], int | str]
    """Calls that an outcome lacks under settings; or why it cannot have what they would bring."""
    work: Callable[[Seed, Any, Any, Outcome], Awaitable[Outcome]]
    """The coroutine for seed, bench, settings, and the outcome so far, which it gives back with more in it."""


class Work(Protocol[SettingsT]):
    """The coroutine of a recipe."""

    def __call__(self, seed: Seed, bench: Workbench, settings: SettingsT, /) -> Awaitable[Outcome]:
        """Turn a seed into exactly one outcome."""
        ...


Arms = Sequence[str] | Callable[[Any, Sequence[str]], Sequence[str]]
"""The arms of a pool: fixed, or made of the recipe's settings and the names of the agents."""


Redecide = Callable[[Outcome, S], Redecided]
WithGrown = Callable[[S, Sequence[GrownArm]], S]
"""Settings with the arms in them that were added to the recipe's pools, in order, retired ones included, their pools by
the recipe's own names; the arms of every pool are made of these settings."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[S]):
    """A recipe with all that it declares."""

    name: str
    work: Work[S]
    takes: frozenset[SeedKind]
    settings: type[S]
    pools: Mapping[str, Arms]
    measures: tuple[Measure, ...]
    needs: frozenset[Need]
    settings_from: Callable[[Any], S]
    """Its settings out of the config: the section of its name."""
    origin: str = BUILT_IN
    """Where it comes from, for people."""
    digest: str = ""
    """Of the file that it stands in, where that is the user's own."""
    prompts: Path | None = None
    """The folder of its templates, which need not be there: ``prompts/NAME`` beside its file."""
    bench: str = ""
    """A workbench of its own, as ``module:class``; empty for the one that every recipe has."""
    reads_tools: bool = False
    """Whether it is given calls of tools in a seed as such; else they stand in the texts of three roles."""
    own_pool: str = ""
    """A pool of its own, drawn from by its own bench, as ``module:class`` (``scheduling.own_pool``)."""
    gives: frozenset[SeedKind] = frozenset()
    """Kinds of its children; empty where that is not declared."""
    rows: frozenset[RowShape] = frozenset()
    """Shapes of its rows; empty where that is not declared."""
    refuses: str = ""
    """Role of the trials that are offered to the dataset, so that those of them that failed were refused, which is
    counted by reason and by arm; empty for none."""
    redecide: Redecide[S] | None = None
    """Decides the rows of an outcome again under other settings, at no cost: `export --set`."""
    catch_up: CatchUp | None = None
    with_grown: WithGrown[S] | None = None
    """None: its pools gain no arms."""

    def works_on(self, kind: SeedKind) -> bool:
        """Whether it takes seeds of a kind. A sample is an instruction, too."""
        return kind in self.takes or (kind == "sample" and "instruction" in self.takes)

    def why_no_stage_before(self, other: Recipe[Any]) -> str:
        """Why the children of this one could be no seeds of another; empty where they can, or nobody knows."""
        if not self.gives or any(map(other.works_on, self.gives)):
            return ""
        what = " or ".join(sorted(self.gives))
        return f"recipe {self.name} gives each {what}, and recipe {other.name} takes {' or '.join(sorted(other.takes))}"

    @property
    def is_built_in(self) -> bool:
        """Whether it is ours: a fault in it is a fault of this package."""
        return self.origin == BUILT_IN

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.work) or "").partition("\n")[0]

    def arms(self, settings: S, agents: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The arms of each pool under these settings, in order, each once.

        Raises:
            RecipeError: what makes them fails, or makes something else.
        """
        return {f"{self.name}.{pool}": self._arms(pool, arms, settings, agents) for pool, arms in self.pools.items()}

    def _arms(self, pool: str, arms: Arms, settings: S, agents: Sequence[str]) -> tuple[str, ...]:
        try:
            made = arms(settings, agents) if callable(arms) else arms
            _check_words(made, f"pool {pool!r}")
            return tuple(dict.fromkeys(made))
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise RecipeError(f"recipe {self.name}: the arms of pool {pool!r} cannot be made: {told}") from None

    def named(self, name: str, *, origin: str, digest: str = "") -> Recipe[S]:
        """The same under the name by which a user calls it."""
        return replace(self, name=name, origin=origin, digest=digest, settings_from=attrgetter(name))


def prompts_beside(work: object, name: str) -> Path | None:
    """Where the templates of a recipe lie, if it has any: ``prompts/NAME`` beside the file of its coroutine."""
    code = getattr(work, "__code__", None)
    return Path(code.co_filename).parent / "prompts" / name if code is not None else None


def recipe(
    *,
    takes: SeedKind | Sequence[SeedKind] = "sample",
    settings: type[S] = Settings,  # type: ignore[assignment]  # a default for recipes without settings
    pools: Mapping[str, Arms] | None = None,
    measures: Sequence[Measure] = (),
    needs: Need | Sequence[Need] = (),
    gives: SeedKind | Sequence[SeedKind] = (),
    name: str = "",
    refuses: str = "",
    redecide: Redecide[S] | None = None,
    catch_up: CatchUp | None = None,
    bench: str = "",
    reads_tools: bool = False,
    with_grown: WithGrown[S] | None = None,
) -> Callable[[Work[S]], Recipe[S]]:
    """Make a recipe of a coroutine.

    Args:
        takes: Which kinds of seeds it works on.
        settings: Model of its section of agents.yaml.
        pools: What it draws from, by name.
        measures: What it measures of its trials.
        needs: What has to be there: the scorer models, judges that passed their exam.
        gives: Kinds of its children, where it has any: a chain whose next recipe does not take them is refused.
        name: Left out: that of the function.
        refuses: Role of trials of which the failed ones are counted by reason and arm.
        redecide: Which rows an outcome has under other settings, where that can be told without another call.
        catch_up: How finished seeds get what is asked for later. Such a recipe has no children.
        bench: A workbench of its own, as ``module:class``.
        reads_tools: It takes samples whose turns call tools as they are. Else it is given them as text in three roles.
        with_grown: Its outcomes may add arms to its pools, and this puts them into its settings.

    Raises:
        ValueError: it declares what there is not.
    """
    kinds, given = (_known(one, get_args(SeedKind), word) for one, word in ((takes, "takes"), (gives, "gives")))
    needed = _check_declared(settings, pools or {}, needs)

    def made(work: Work[S]) -> Recipe[S]:
        called = name or getattr(work, "__name__", "recipe")
        return Recipe(
            name=called,
            work=work,
            takes=frozenset(kinds),
            settings=settings,
            pools=pools or {},
            measures=tuple(measures),
            needs=frozenset(needed),
            settings_from=attrgetter(called),
            prompts=prompts_beside(work, called),
            gives=frozenset(given),
            refuses=refuses,
            redecide=redecide,
            catch_up=catch_up,
            bench=bench,
            reads_tools=reads_tools,
            with_grown=with_grown,
        )

    return made


def _check_declared(settings: type[Section], pools: Mapping[str, Arms], needs: Need | Sequence[Need]) -> Sequence[Need]:
    if not issubclass(settings, Section):
        raise ValueError(f"settings is {settings!r:.60}; give it a class that is made of `Settings`")
    for pool, arms in pools.items():
        if not callable(arms):
            _check_words(arms, f"pool {pool!r}")
    return _known(needs, get_args(Need), "needs")


def _known(given: Word | Sequence[Word], known: Sequence[str], what: str) -> Sequence[Word]:
    """One word or several as several; raises ValueError where one is not known."""
    words = cast("Sequence[Word]", [given] if isinstance(given, str) else given)
    if unknown := [one for one in words if one not in known]:
        raise ValueError(f"{what} {unknown[0]!r}; there are: {', '.join(known)}")
    return words


def _check_words(given: object, what: str) -> None:
    if isinstance(given, str) or not isinstance(given, Iterable) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"{what} holds {given!r:.60}; give it a list of texts, such as ['plain', 'tricky']")
