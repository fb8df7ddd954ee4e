"""The OpenAPI document, held against the router, against real answers, and by requests that a machine makes up."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from daemons import Running
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from shelf import Shelf

from star_agents.web.app import make_app
from star_agents.web.limits import Limits
from star_agents.web.openapi import document
from star_agents.web.problems import problem_details
from star_agents.web.routes import ROUTES

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENT = document(ROUTES, "test")
ENDLESS = "/v1/events"


def _asks(operation: dict[str, Any]) -> bool:
    return any(one["in"] != "path" for one in operation["parameters"])


PROBED = [
    pytest.param(path, method, mode, id=f"{method} {path} {mode.value}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # Where nothing is asked but a path there is no wrong answer to it; what never ends cannot be waited for.
    if path != ENDLESS and (mode.is_positive or "requestBody" in operation or _asks(operation))
]
ROWS = [
    {"instruction": f"Name {number} things that fly.", "output": f"Birds, kites and {number} more."}
    for number in range(8)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon with the agents and models that ship, which has worked on a few seeds."""
    folder = tmp_path_factory.mktemp("daemon")
    with Running("serve", "-c", REPOSITORY / "agents.yaml", "--data-dir", folder, "--port", "0") as daemon:
        ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
        base = ready["detail"].split()[0]
        body = json.dumps(ROWS).encode()
        urllib.request.urlopen(urllib.request.Request(f"{base}/v1/seeds", body, method="POST")).close()
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == len(ROWS))
        yield base
        assert daemon.end() == 0
    assert daemon.other == []
    assert daemon.count("library_message") == daemon.count("fault") == 0, daemon.lines


def get(base: str, path: str) -> Any:
    with urllib.request.urlopen(base + path) as response:
        return json.load(response)


async def test_every_route_is_documented_and_nothing_else() -> None:
    app = make_app(Shelf(), host="127.0.0.1", token="", allowed_hosts=(), limits=Limits(), first=problem_details)
    served = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}


def test_every_parameter_of_a_path_is_named_and_every_reference_leads_somewhere() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            assert operation["summary"].endswith(".")
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]


def test_the_daemon_hands_out_this_document(base: str) -> None:
    served = get(base, "/v1/openapi.json")
    assert served["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))
    schemathesis.openapi.from_dict(served).validate()


def closed(schema: Any) -> Any:
    """The same, and no model holds a key that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one) for name, one in schema.items()}
    return {"additionalProperties": False, **made} if isinstance(schema.get("properties"), dict) else made


def test_what_a_daemon_at_work_answers_is_what_is_documented_and_no_key_more(base: str) -> None:
    seed_id = get(base, "/v1/outcomes")["outcomes"][0]["seed_id"]
    asked = {
        "/v1/status": "/v1/status",
        "/v1/agents": "/v1/agents",
        "/v1/pairs": "/v1/pairs",
        "/v1/pairs/curve": "/v1/pairs/curve",
        "/v1/pools/{pool}/curve": "/v1/pools/star.pairs/curve",
        "/v1/outcomes": "/v1/outcomes?limit=3",
        "/v1/outcomes/{seq}": "/v1/outcomes/1",
        "/v1/seeds/{id}": f"/v1/seeds/{seed_id}",
        "/v1/quarantine": "/v1/quarantine",
        "/v1/logs": "/v1/logs",
        "/livez": "/livez",
        "/readyz": "/readyz",
    }
    for path, url in asked.items():
        content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        schema = closed({**content["schema"], "components": DOCUMENT["components"]})
        errors = [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(get(base, url))]
        assert errors == [], path


def test_every_field_of_the_status_that_needs_words_has_some(base: str) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    status = schemas["Status"]["properties"]
    assert status["best_pair"]["description"].startswith("The pair whose interval lies above"), "inherited"
    assert schemas["AgentAtWork"]["properties"]["usd"]["description"].startswith("US dollars")
    assert all(one["description"] for one in schemas.values())


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("path", "method", "mode"), PROBED)
def test_no_request_that_a_machine_makes_up_is_answered_otherwise_than_documented(
    base: str, path: str, method: str, mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    cases = operation.as_strategy(generation_mode=mode)
    checks = [status_code_conformance, content_type_conformance, response_schema_conformance]

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def probe(data: st.DataObject) -> None:
        case = data.draw(cases)
        response = case.call(base_url=base, timeout=60)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=checks)

    probe()
