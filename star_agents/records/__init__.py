"""What travels between the rooms: frozen values that know nothing of files, models or providers.

Each record converts itself to plain data (``to_dict``) and back (``from_dict``); store and journal keep that form.
Words as in the design: a *seed* becomes one *outcome*; on the way it gathers *trials* and *judgements*, and leaves
*rows*, *children* and *rewards*.
"""

from star_agents.records.flat import Flat
from star_agents.records.grown_arms import Earner, GrownArm, NewArm, RetiredArm, Standing
from star_agents.records.measures import Declaration, Measure
from star_agents.records.messages import Message, Role, Tool, ToolCall
from star_agents.records.outcomes import Outcome, OutcomeKind
from star_agents.records.pairs import KEEP, PAIRS, SEED, STAR, AgentPair, Draw
from star_agents.records.replies import Reply
from star_agents.records.samples import Document, Sample
from star_agents.records.scores import Score
from star_agents.records.seeds import Seed, SeedKind
from star_agents.records.tool_text import TOOL_RESULT
from star_agents.records.trials import (
    REWARD_MODEL,
    Failure,
    FailureKind,
    Judgement,
    Reward,
    Row,
    RowShape,
    Trial,
    is_reward_model,
    verdict_of,
)
from star_agents.records.verdicts import Verdict, Vote
from star_agents.records.wording import Claim, Wording

__all__ = [
    "KEEP",
    "PAIRS",
    "REWARD_MODEL",
    "SEED",
    "STAR",
    "TOOL_RESULT",
    "AgentPair",
    "Claim",
    "Declaration",
    "Document",
    "Draw",
    "Earner",
    "Failure",
    "FailureKind",
    "Flat",
    "GrownArm",
    "Judgement",
    "Measure",
    "Message",
    "NewArm",
    "Outcome",
    "OutcomeKind",
    "Reply",
    "RetiredArm",
    "Reward",
    "Role",
    "Row",
    "RowShape",
    "Sample",
    "Score",
    "Seed",
    "SeedKind",
    "Standing",
    "Tool",
    "ToolCall",
    "Trial",
    "Verdict",
    "Vote",
    "Wording",
    "is_reward_model",
    "verdict_of",
]
