"""Tokens and keys of Google, Entra and AWS on the translated way, and what hostile givers of them can do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from credential_fetches import fetches_have_ended
from shaped_replies import FORMS, Told
from translated_providers import ENTRA, needs_google, service_account

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import resolve
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.credentials import CredentialsByName, CredentialsRefused, CredentialsUnavailable
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.litellm_capture import capture
from star_agents.agents.transports.litellm_handlers import translation_of
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentError, AgentRefused, AgentUnavailable
from star_agents.text.redaction import redactor

HELLO = ({"role": "user", "content": "Hello."},)
SHAPE = {"max_tokens": 5}
CLAUDE = "bedrock/anthropic.claude-3-5-haiku-20241022-v1:0"
ROLE = "arn:aws:iam::123456789012:role/"
Handler = Callable[[web.Request], Any]


@dataclass
class Cloud:
    """One server that gives out tokens and keys, and answers as providers do."""

    url: str = ""
    gives: Handler | None = None
    """In place of tokens and keys."""
    given: int = 0
    asked: list[web.Request] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tokens by path, else an answer of the provider's."""
        body = await request.read()
        if request.path.endswith("/token") or request.path == "/" or request.path.startswith("/latest/"):
            self.given += 1
            if self.gives is not None:
                found: web.StreamResponse = await self.gives(request)
                return found
            return self._token(request, body.decode())
        self.asked.append(request)
        forms = {"model": "converse", "v1": "gemini", "openai": "openai"}
        if self.status != 200:
            return web.json_response({"message": "The token is no good."}, status=self.status)
        return web.json_response(FORMS[forms[request.path.split("/")[1]]](Told()))

    def _token(self, request: web.Request, body: str) -> web.Response:
        ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "Action=AssumeRole" in body:
            return web.Response(text=ASSUMED.format(ends=ends), content_type="text/xml")
        if request.path.endswith("/api/token"):
            return web.Response(text="a-session", headers={"x-aws-ec2-metadata-token-ttl-seconds": "21600"})
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="the-machine")
        if request.path.endswith("/the-machine"):
            keys = {"AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "machine-secret-canary", "Token": "a-token-canary"}
            return web.json_response({"Code": "Success", "Type": "AWS-HMAC", "Expiration": ends, **keys})
        return web.json_response({"access_token": f"token-canary-{self.given:06}", "expires_in": 3600})


ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret-canary</SecretAccessKey>
<SessionToken>session-token-canary</SessionToken><Expiration>{ends}</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""


@pytest_asyncio.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Cloud]:
    found = Cloud()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    nowhere = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    nowhere |= {"AWS_EC2_METADATA_SERVICE_ENDPOINT": found.url, "AZURE_AUTHORITY_HOST": found.url}
    for name, value in {**nowhere, "AWS_REGION": "us-east-1", "VERTEXAI_LOCATION": "us-central1"}.items():
        monkeypatch.setenv(name, value)
    yield found
    await runner.cleanup()


@pytest_asyncio.fixture
async def way() -> AsyncIterator[TranslatedTransport]:
    pool = HttpPool()
    yield TranslatedTransport(pool, litellm_env.load, LiteLLMTransport(litellm_env.load, lambda: None))
    await fetches_have_ended()  # Else they meet a cloud that is gone, or that of the next test.
    await pool.aclose()
    await litellm_env.close_connections()


def call_to(cloud: Cloud, model: str, extra: dict[str, Any], **settings: Any) -> Call:
    agent = AgentConfig(model=model, api_base=cloud.url, extra=extra, **settings)
    (found,) = resolve(litellm_env.load, {"it": agent}, {}, {})["it"]
    assert found.way == "translated", found.why_litellm
    return Call(endpoint=found, messages=HELLO, shape={**SHAPE, **extra}, timeout_s=20.0)


def to_entra(cloud: Cloud, tmp_path: Path) -> Call:
    return call_to(cloud, "azure/gpt-4o", ENTRA, api_version="2026-01-01")


def to_vertex(cloud: Cloud, tmp_path: Path) -> Call:
    file = service_account(tmp_path, cloud.url)
    return call_to(cloud, "vertex_ai/gemini-2.5-flash", {"vertex_credentials": str(file)})


def to_role(cloud: Cloud, tmp_path: Path) -> Call:
    keys = {"aws_access_key_id": "AKIAUSER", "aws_secret_access_key": "user-secret-canary"}
    extra = {**keys, "aws_role_name": f"{ROLE}{tmp_path.name}", "aws_session_name": "it", "aws_sts_endpoint": cloud.url}
    return call_to(cloud, CLAUDE, extra)


def to_machine(cloud: Cloud, tmp_path: Path) -> Call:
    return call_to(cloud, CLAUDE, {"aws_external_id": tmp_path.name})  # no other test has these in LiteLLM's cache


GIVERS = [to_entra, pytest.param(to_vertex, marks=needs_google), to_role, to_machine]
OF_TOKENS = [to_entra, pytest.param(to_vertex, marks=needs_google)]
Maker = Callable[[Cloud, Path], Call]


def said(error: AgentError) -> str:
    """What a person reads; nothing secret may be in it."""
    assert "canary" not in str(error)
    assert "PRIVATE KEY" not in str(error)
    return str(error)


async def refusal(way: TranslatedTransport, call: Call) -> AgentError:
    with pytest.raises(Exception) as caught:  # noqa: PT011  whichever it is, it is translated
        await way.complete(call)
    return translate(caught.value, agent="it", model=call.endpoint.model)


@pytest.mark.parametrize("to", GIVERS)
async def test_many_calls_go_with_credentials_that_were_fetched_once(
    to: Maker, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    call = to(cloud, tmp_path)
    answers = await asyncio.gather(*(way.complete(call) for _ in range(20)))
    assert [one.choices[0].text for one in answers] == ["Four."] * 20
    first = 3 if to in (to_machine, to_role) else 0  # botocore asks the machine, which says it in three replies
    assert cloud.given - first == (0 if to is to_machine else 1)
    assert len({one.headers["Authorization"].partition("/")[0] for one in cloud.asked}) == 1


@pytest.mark.parametrize(
    ("to", "key", "token"),
    [(to_role, "ASIAROLE", "session-token-canary"), (to_machine, "ASIAMACHINE", "a-token-canary")],
)
async def test_bedrock_is_signed_with_the_keys_of_the_role_or_the_machine(
    to: Maker, key: str, token: str, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    await way.complete(to(cloud, tmp_path))
    (asked,) = cloud.asked
    assert f"Credential={key}/" in asked.headers["Authorization"]
    assert "x-amz-security-token" in asked.headers["Authorization"], "it is signed, too"
    assert asked.headers["X-Amz-Security-Token"] == token
    assert redactor.text(f"it is {token}") == "it is ***"


@pytest.mark.parametrize("to", OF_TOKENS)
async def test_a_token_goes_where_a_key_would_and_is_struck_out_of_what_is_written(
    to: Maker, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    await way.complete(to(cloud, tmp_path))
    assert cloud.asked[0].headers["Authorization"] == "Bearer token-canary-000001"
    assert "api-key" not in cloud.asked[0].headers
    assert redactor.text("it is token-canary-000001") == "it is ***"


# Hostile givers.


async def rubbish(_: web.Request) -> web.Response:
    return web.Response(text="<html>Sign in, please.</html>", content_type="text/html")


async def a_list(_: web.Request) -> web.Response:
    return web.json_response([1, 2])


async def no_text(_: web.Request) -> web.Response:
    return web.json_response({"access_token": 5, "expires_in": 3600})


async def a_header_more(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "a\r\nX-Evil: yes", "expires_in": 3600})


async def an_ended_one(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "token-canary-ended", "expires_in": -5})


async def without_an_end(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "token-canary-odd", "expires_in": "nan"})


async def a_failure(_: web.Request) -> web.Response:
    return web.json_response({"error": "server_error"}, status=500)


async def much_too_much(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "x" * (1 << 20), "expires_in": 3600})


async def a_way_elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": f"{request.url.origin()}/elsewhere"})


async def a_refusal(_: web.Request) -> web.Response:
    told = {
        "error": "invalid_client",
        "error_description": f"Invalid client secret {ENTRA['client_secret']}.",
    }
    return web.json_response(told, status=401)


BAD = [rubbish, a_list, no_text, a_header_more, an_ended_one, without_an_end, a_failure, much_too_much, a_way_elsewhere]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("gives", [*BAD, a_refusal])
@pytest.mark.parametrize("to", OF_TOKENS)
async def test_what_is_no_token_goes_to_no_provider_and_is_told_without_a_secret(
    to: Maker, gives: Handler, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    cloud.gives = gives
    ours = await refusal(way, to(cloud, tmp_path))
    assert ours.certainly_unpaid
    assert "its credentials" in said(ours)
    assert isinstance(ours, AgentUnavailable) or to is to_vertex or gives is a_refusal
    assert isinstance(ours, AgentRefused) or gives is not a_refusal
    assert not cloud.asked


@pytest.mark.parametrize("to", OF_TOKENS)
async def test_what_was_sent_for_a_token_is_struck_out_where_the_refusal_repeats_it(
    to: Maker, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    sent: list[str] = []

    async def repeats(request: web.Request) -> web.Response:
        form = await request.post()
        sent.append(str(form.get("assertion") or form["client_secret"]))
        told = {"error": "invalid_grant", "error_description": f"{sent[-1]} is none"}
        return web.json_response(told, status=400)

    cloud.gives = repeats
    ours = await refusal(way, to(cloud, tmp_path))
    assert "invalid_grant: *** is none" in said(ours)
    assert sent[-1] not in str(ours)


@pytest.mark.parametrize("to", GIVERS)
async def test_a_giver_that_hangs_holds_up_nobody_else_and_a_call_can_be_given_up(
    to: Maker, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    reached, may_go = asyncio.Event(), asyncio.Event()

    async def hangs(_: web.Request) -> web.Response:
        reached.set()
        await may_go.wait()
        return web.json_response({})

    cloud.gives = hangs
    calls = [asyncio.create_task(way.complete(to(cloud, tmp_path))) for _ in range(3)]
    async with asyncio.timeout(20.0):
        await reached.wait()  # the event loop goes on
    for call in calls:
        call.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*calls, return_exceptions=True))
    assert not cloud.asked
    may_go.set()


@pytest.mark.parametrize("to", GIVERS)
async def test_credentials_that_the_provider_refuses_soon_after_they_came_fail_the_call_for_good(
    to: Maker, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    cloud.status = 403
    ours = await refusal(way, to(cloud, tmp_path))
    assert isinstance(ours, AgentRefused)
    assert "refused the key" in said(ours)
    assert len(cloud.asked) == 1


async def test_a_role_that_may_not_be_assumed_is_refused(
    cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    async def denies(_: web.Request) -> web.Response:
        told = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>You may not.</Message></Error></ErrorResponse>"
        return web.Response(text=told, status=403, content_type="text/xml")

    cloud.gives = denies
    ours = await refusal(way, to_role(cloud, tmp_path))
    assert isinstance(ours, AgentRefused)
    assert "You may not." in said(ours)


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_a_machine_without_keys_has_none_whatever_it_says(
    status: int, cloud: Cloud, way: TranslatedTransport, tmp_path: Path
) -> None:
    async def says(_: web.Request) -> web.Response:
        return web.Response(text="{]", status=status)

    cloud.gives = says
    ours = await refusal(way, to_machine(cloud, tmp_path))
    assert isinstance(ours, AgentRefused)
    assert "no AWS keys were found in variables, files, roles or on the machine" in said(ours)
    assert not cloud.asked


# In the middle of a run.


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def written(call: Call, clock: Clock) -> Translation:
    """How the calls of an endpoint are written, by a clock of ours."""
    litellm, params = litellm_env.load(), {"model": call.endpoint.model, "api_base": call.endpoint.address}
    return translation_of(litellm, capture(litellm, params, call.shape, HELLO, 1), CredentialsByName(clock))


@needs_google
async def test_a_key_file_that_is_replaced_is_taken_over_and_one_that_is_removed_is_told(
    cloud: Cloud, tmp_path: Path
) -> None:
    clock, call = Clock(), to_vertex(cloud, tmp_path)
    credentials = written(call, clock).credentials
    assert credentials is not None
    assert await credentials.current() == "token-canary-000001"
    clock.now += 3_600.0
    service_account(tmp_path, cloud.url)
    assert await credentials.current() == "token-canary-000002"
    (tmp_path / "service_account.json").unlink()
    clock.now += 3_400.0
    assert await credentials.current() == "token-canary-000002", "it still holds"
    clock.now += 200.0
    with pytest.raises(CredentialsRefused, match="Unable to load vertex credentials"):
        await credentials.current()


async def test_keys_that_are_removed_from_the_machine_are_missed_when_their_time_is_over(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    config = tmp_path / "aws"
    keys = {"Version": 1, "AccessKeyId": "ASIAONE", "SecretAccessKey": "process-secret-canary", "SessionToken": "t"}
    ends = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")  # botocore renews so late ones
    (tmp_path / "keys").write_text(json.dumps({**keys, "Expiration": ends}))
    config.write_text(f"[profile mine]\ncredential_process = cat {tmp_path / 'keys'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    one = written(call_to(cloud, CLAUDE, {"aws_profile_name": "mine"}), clock)
    assert one.credentials is not None
    assert (await one.credentials.current()).access_key == "ASIAONE"
    (tmp_path / "keys").write_text(json.dumps({**keys, "Expiration": ends, "AccessKeyId": "ASIATWO"}))
    clock.now += 76.0
    assert (await one.credentials.current()).access_key == "ASIATWO"
    (tmp_path / "keys").unlink()
    clock.now += 76.0
    with pytest.raises((CredentialsRefused, CredentialsUnavailable)):
        await one.credentials.current()


NO_VARIABLE = "os.environ/NO_SUCH_VARIABLE"


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        pytest.param("vertex_ai/gemini-2.5-flash", {"vertex_credentials": NO_VARIABLE}, marks=needs_google),
        ("azure/gpt-4o", {**ENTRA, "client_secret": NO_VARIABLE}),
        (CLAUDE, {"aws_access_key_id": "AKIAUSER", "aws_secret_access_key": NO_VARIABLE}),
    ],
)
async def test_credentials_behind_a_variable_that_is_not_set_are_told_as_such(
    model: str, extra: dict[str, Any], cloud: Cloud, way: TranslatedTransport
) -> None:
    ours = await refusal(way, call_to(cloud, model, extra, api_version="2026-01-01"))
    assert "its credentials were refused, or are none: the environment variable NO_SUCH_VARIABLE is not set" in said(
        ours
    )
    assert not ours.may_lie_in_the_text
    assert not cloud.asked


async def test_a_wrong_region_is_refused_before_anything_is_sent(cloud: Cloud, way: TranslatedTransport) -> None:
    ours = await refusal(way, call_to(cloud, CLAUDE, {"aws_region_name": "us-east-1.evil.example/"}))
    assert isinstance(ours, AgentRefused)
    assert not cloud.asked
    assert not cloud.given
