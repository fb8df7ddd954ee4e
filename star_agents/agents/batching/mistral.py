"""Mistral's batches.

A job is made of a file of requests, names the model of all of them and carries metadata. Its results lie in files as
OpenAI's do; it ends as ``SUCCESS``, ``FAILED``, ``TIMEOUT_EXCEEDED`` or ``CANCELLED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from star_agents.agents.batching.files import MOST_PAGES, PAGE, FileBatches, file_in, is_marked, marks
from star_agents.agents.batching.http import id_of
from star_agents.agents.batching.protocol import BatchedCall, Found, Look, Submission
from star_agents.agents.transports.direct_routes import flat
from star_agents.agents.transports.json_body import encode

_ENDED = frozenset({"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"})
_HOURS = 24
_NAMES = {"max_completion_tokens": "max_tokens", "seed": "random_seed"}
"""What it calls by another name."""


class MistralBatches(FileBatches):
    """The batches of one endpoint, as for ``FileBatches``."""

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands in the file."""
        offered = {"tools": [tool.to_dict() for tool in call.tools]} if call.tools else {}
        shape = {_NAMES.get(name, name): value for name, value in flat(call.shape).items()}
        return encode({"custom_id": call.key, "body": {"messages": call.messages, **shape, **offered}})

    def _files_named(self, name: str) -> str:
        return f"purpose=batch&page_size={PAGE}&search={name}"

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the job."""
        body = {
            "input_files": [submission.input_file],
            "endpoint": "/v1/chat/completions",
            "model": self._route.model,
            "timeout_hours": _HOURS,
            "metadata": marks(submission),
        }
        return id_of(await self._http.json("POST", self._url("batch/jobs"), self._headers, body=body))

    async def reach(self) -> None:
        """Ask for the list of jobs."""
        await self._http.json("GET", self._url("batch/jobs", "page_size=1"), self._headers)

    async def find(self, submission: Submission) -> Found:
        """By the metadata or the file. The list is in no order that is documented, so it is looked through."""
        for number in range(MOST_PAGES):
            page = await self._http.json(
                "GET", self._url("batch/jobs", f"page={number}&page_size={PAGE}"), self._headers
            )
            jobs = [one for one in page.get("data") or () if isinstance(one, Mapping)]
            for one in jobs:
                is_of_file = submission.input_file and submission.input_file in (one.get("input_files") or ())
                if is_of_file or is_marked(one.get("metadata"), submission):
                    return Found(id_of(one))
            if len(jobs) < PAGE:
                break
        return Found()

    async def look(self, batch: str) -> Look:
        """How it stands."""
        read = await self._http.json("GET", self._url(f"batch/jobs/{batch}"), self._headers)
        said = str(read.get("status") or "")
        told = [one for one in read.get("errors") or () if isinstance(one, Mapping)]
        files = (file_in(read.get(name)) for name in ("output_file", "error_file"))
        inputs = read.get("input_files") or ("",)
        return Look(
            is_ended=said in _ENDED,
            said=said.lower(),
            problem="; ".join(str(one.get("message")) for one in told[:3]) if said == "FAILED" else "",
            files=tuple(filter(None, files)),
            input_file=file_in(inputs[0]),
        )
