"""Every way by which LiteLLM reaches a server is known: through our guards, refused, or one that carries no prompt.

A release that adds a provider, or a place that opens connections, fails here until somebody has looked at it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from star_agents.agents.client import AgentClient
from star_agents.agents.endpoints import resolve
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.litellm_refused import REFUSED
from star_agents.config.models import AgentConfig
from star_agents.config.reading import parse_config
from star_agents.errors import ConfigError

HERE = Path(__file__).resolve().parent

NO_CHAT = frozenset(
    {"a2a_agent", "auto_router", "aws_polly", "aws_textract", "azure_speech", "black_forest_labs", "cursor"}
    | {"deepgram", "dotprompt", "elevenlabs", "humanloop", "infinity", "jina_ai", "langfuse"}
    | {"litellm_agent", "manus", "milvus", "mongodb", "nvidia_riva", "openai_like", "pg_vector"}
    | {"recraft", "reducto", "runwayml", "s3_vectors", "soniox", "stability", "strands_decider"}
    | {"topaz", "transcribe", "typesafe", "valkey", "voyage"}
)
"""LiteLLM has no chat with these."""
READ = {
    "bytez": "one address, api.bytez.com, by the common handler",
    "fal_ai": "takes pictures only, by the common handler",
    "gigachat": "fetches a token by the guarded sync handler, and sends by the common one",
    "oci": "signs with a private key, and sends by the common handler",
    "predibase": "wants a tenant, and sends by the common handler",
    "replicate": "one address, api.replicate.com, by the common handler",
    "sagemaker": "sends to AWS by the common handler, but for embeddings, which are refused",
    "sagemaker_chat": "sends to AWS by the common handler",
    "sagemaker_nova": "sends to AWS by the common handler",
    "vertex_ai": "wants google-auth, which is not installed; sends by the common handler, or is refused",
    "vertex_ai_beta": "wants google-auth, which is not installed; sends by the common handler",
}
"""Nothing that they send reaches a server of this machine; how they send was read in LiteLLM's source."""

OPENING = re.compile(
    r"(?<![\w.])(?:httpx\.(?:Client|AsyncClient|get|post|put|stream|request)\(|requests\.(?:get|post|request|Session)\("
    r"|(?:aiohttp\.)?ClientSession\(|(?:websockets\w*|asyncio)\.(?:connect|open_connection)\(|urlopen\(|http\.client"
    r"|boto3\.(?:client|Session|session\.Session)\(|session\.client\(|(?:grpc|aio)\.\w*channel\(|import_module\(\"grpc)"
)
"""How Python opens connections."""
OPENED = {
    "llms/azure/azure.py": "a client for images; chats get theirs from the common handler",
    "llms/azure/realtime/handler.py": "speech",
    "llms/base.py": "sessions that nobody asks for",
    "llms/bedrock/base_aws_llm.py": "AWS credentials",
    "llms/bedrock/batches/handler.py": "batches",
    "llms/bedrock/common_utils.py": "a client that nobody asks for",
    "llms/bedrock/files/handler.py": "files",
    "llms/bedrock/search/transformation.py": "searches",
    "llms/custom_httpx/aiohttp_handler.py": "`aiohttp_openai/`, which is refused",
    "llms/custom_httpx/http_handler.py": "the common handler, whose transports are guards",
    "llms/custom_httpx/httpx_handler.py": "a client that nobody asks for",
    "llms/custom_httpx/llm_http_handler.py": "speech and responses over web sockets",
    "llms/databricks/common_utils.py": "tokens, where there is no key, which is refused",
    "llms/gdc/chat/transformation.py": "tokens of `gdc/`, which is refused",
    "llms/huggingface/common_utils.py": "which servers have a model, by a `get` that is guarded",
    "llms/ollama/common_utils.py": "which models there are, by a `get` that is guarded",
    "llms/openai/common_utils.py": "clients of the SDK, with the common handler's transports",
    "llms/openai/realtime/handler.py": "speech",
    "llms/sagemaker/completion/handler.py": "embeddings, which are refused",
    "llms/sap/credentials.py": "tokens of `sap/`, which is refused",
    "llms/sap/embed/transformation.py": "addresses of `sap/`, which is refused",
}
"""Every place under `llms/` that may open one by itself, and for what."""


@pytest.fixture(scope="module")
def survey() -> dict[str, Any]:
    """What came of one chat with each provider, in a process that can reach this machine alone."""
    command = [sys.executable, str(HERE / "litellm_survey.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_prompt_follows_no_redirect_whichever_provider_it_was_for(survey: dict[str, Any]) -> None:
    assert {name for name, one in survey.items() if one["elsewhere"]} == {"aiohttp_openai"} <= REFUSED.keys()


def test_every_provider_is_asked_through_a_guard_or_known_not_to_be(survey: dict[str, Any]) -> None:
    """LiteLLM's own tries would be three for some of them, each of which may be paid."""
    guarded = {name for name, one in survey.items() if one["outcome"] == "guarded" and one["asked"] == 1}
    classes = [guarded, NO_CHAT, READ.keys(), REFUSED.keys()]
    assert len(guarded) > 100
    assert set(survey) == set().union(*classes)
    assert sum(map(len, classes)) == len(survey), "nobody is in two classes"


def test_what_is_said_to_have_no_chat_has_none(survey: dict[str, Any]) -> None:
    told = {name for name, one in survey.items() if one["outcome"].startswith("LiteLLMUnknownProvider")}
    assert told == NO_CHAT
    assert not any(survey[name]["asked"] for name in NO_CHAT | READ.keys())


def test_every_place_of_litellm_that_opens_a_connection_is_known() -> None:
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    found = {
        str(path.relative_to(package))
        for path in (package / "llms").rglob("*.py")
        if any(OPENING.search(line.partition("#")[0]) for line in path.read_text("utf-8").splitlines())
    }
    assert found == OPENED.keys()


def refusal(agent: AgentConfig) -> str:
    with pytest.raises(ConfigError) as raised:
        resolve(litellm_env.load, {"it": agent}, {"KEY": "k"}, {})
    return str(raised.value)


@pytest.mark.parametrize("provider", REFUSED)
def test_a_provider_that_passes_the_guards_is_refused_with_its_field_and_a_way_out(provider: str) -> None:
    said = refusal(AgentConfig(model=f"{provider}/m", api_base="http://127.0.0.1:9", api_key="os.environ/KEY"))
    assert said.startswith("agents.yaml: agents.it.model: LiteLLM ")
    assert REFUSED[provider][1] in said


@pytest.mark.parametrize(
    ("agent", "way_out"),
    [
        (AgentConfig(model="petals/m"), "`api_base` of a Petals server"),
        (AgentConfig(model="databricks/m", api_base="http://127.0.0.1:9"), "api_key: os.environ/DATABRICKS_API_KEY"),
        (AgentConfig(model="vertex_ai/chat-bison"), "use a Gemini model"),
    ],
)
def test_a_provider_that_passes_the_guards_in_some_cases_is_refused_in_those(agent: AgentConfig, way_out: str) -> None:
    assert way_out in refusal(agent)


@pytest.mark.parametrize(
    "agent",
    [
        AgentConfig(model="petals/m", api_base="http://127.0.0.1:9"),
        AgentConfig(model="databricks/m", api_base="http://127.0.0.1:9", api_key="os.environ/KEY"),
        AgentConfig(model="vertex_ai/gemini-2.5-pro"),
        AgentConfig(model="vertex_ai/text-embedding-005"),
        AgentConfig(model="vertex_ai/1234567890", api_base="http://127.0.0.1:9"),
    ],
)
def test_and_taken_in_the_others(agent: AgentConfig) -> None:
    assert resolve(litellm_env.load, {"it": agent}, {"KEY": "k"}, {})


@pytest.mark.parametrize("name", ["custom_llm_provider", "base_url", "client", "shared_session", "use_litellm_proxy"])
def test_no_parameter_leads_to_another_way_out(name: str) -> None:
    with pytest.raises(ConfigError, match=f"agents.yaml:3: agents.a.extra: {name} cannot be set here"):
        parse_config(f"agents:\n  a:\n    extra: {{{name}: aiohttp_openai}}\n    model: openai/m\nselection: base\n")


def test_an_embedder_that_litellm_reaches_by_another_way_is_refused() -> None:
    text = "agents:\n  e: {model: sagemaker/m, roles: []}\n  a: {model: openai/m}\nselection: random\n"
    with pytest.raises(ConfigError, match=r"agents\.yaml:6: memory\.embedder: .*AWS SDK.*use an embedder of another"):
        parse_config(f"{text}memory:\n  embedder: agent:e\n")


def test_nobody_is_asked_to_log_in() -> None:
    """Where LiteLLM would ask a person to log in, it is not even asked for the provider."""
    with pytest.raises(ConfigError, match="no daemon can"):
        AgentClient({"it": AgentConfig(model="github_copilot/gpt-4o")}, environ={})
