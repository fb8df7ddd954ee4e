"""OpenAI's batches, and those of servers that speak its protocol.

A file of requests is uploaded, a batch is made of it and named by its metadata; it ends as ``completed``, ``failed``,
``expired`` or ``cancelled``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from star_agents.agents.batching.files import (
    MOST_PAGES,
    PAGE,
    FileBatches,
    file_in,
    is_marked,
    made_at,
    marks,
)
from star_agents.agents.batching.http import id_of
from star_agents.agents.batching.protocol import BatchedCall, Found, Look, Submission
from star_agents.agents.transports.direct_routes import flat
from star_agents.agents.transports.json_body import encode

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_FULL = frozenset({"token_limit_exceeded", "batch_limit_exceeded"})
"""Codes of a batch that was not taken because the account has too much in its queue."""
_SLACK_S = 3600.0
"""By which clocks may differ."""


class OpenAIBatches(FileBatches):
    """The batches of one endpoint, as for ``FileBatches``."""

    endpoint = "/v1/chat/completions"
    """Where each call of a batch goes."""
    lists_newest_first = True

    def line(self, call: BatchedCall) -> bytes:
        """A call as it stands in the file."""
        offered = {"tools": [tool.to_dict() for tool in call.tools]} if call.tools else {}
        body = {"model": self._route.model, "messages": call.messages, **flat(call.shape), **offered}
        return encode({"custom_id": call.key, "method": "POST", "url": self.endpoint, "body": body})

    def _named(self, submission: Submission) -> dict[str, Any]:
        """What a new batch carries."""
        return {"metadata": marks(submission)}

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the batch."""
        body = {
            "input_file_id": submission.input_file,
            "endpoint": self.endpoint,
            "completion_window": "24h",
            **self._named(submission),
        }
        return id_of(await self._http.json("POST", self._url("batches"), self._headers, body=body))

    async def reach(self) -> None:
        """Ask for the list of batches."""
        await self._http.json("GET", self._url("batches", "limit=1"), self._headers)

    async def find(self, submission: Submission) -> Found:
        """By the metadata or the file, back to before it was decided on."""
        after, oldest = "", submission.made_at - _SLACK_S
        for _ in range(MOST_PAGES):
            query = f"limit={PAGE}{f'&after={after}' if after else ''}"
            page = await self._http.json("GET", self._url("batches", query), self._headers)
            batches = [one for one in page["data"] if isinstance(one, Mapping)]
            for one in batches:
                is_of_file = submission.input_file and one.get("input_file_id") == submission.input_file
                if is_of_file or is_marked(one.get("metadata"), submission):
                    return Found(id_of(one))
            made = [at for one in batches if (at := made_at(one)) is not None]
            is_past = self.lists_newest_first and made and min(made) < oldest
            if not page.get("has_more") or not batches or is_past:
                break
            after = id_of(batches[-1])
        return Found()

    async def look(self, batch: str) -> Look:
        """How it stands."""
        read = await self._http.json("GET", self._url(f"batches/{batch}"), self._headers)
        said = str(read.get("status") or "").lower()
        errors = (read.get("errors") or {}).get("data") or []
        told = [one for one in errors if isinstance(one, Mapping)]
        files = (file_in(read.get(name)) for name in ("output_file_id", "error_file_id"))
        return Look(
            is_ended=said in _ENDED,
            said=said,
            problem="; ".join(f"{one.get('code')}: {one.get('message')}" for one in told[:3]),
            is_full=said == "failed" and any(one.get("code") in _FULL for one in told),
            files=tuple(filter(None, files)),
            input_file=file_in(read.get("input_file_id")),
        )
