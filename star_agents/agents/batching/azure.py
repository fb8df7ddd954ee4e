"""Azure OpenAI's batches: OpenAI's protocol under a resource's address, with a deployment where the model stands.

What differs: the key goes in a header of its own, a dated API names its version in every address, a file is looked at
by Azure before a batch may be made of it, a batch is known by its file (nothing says that metadata are kept), states
may be told with a capital, times in ISO 8601, and a list in any order. The deployment must be of a batch type.
"""

from __future__ import annotations

from typing import IO, Any

import anyio

from star_agents.agents.batching.openai import OpenAIBatches
from star_agents.agents.batching.protocol import Found, Submission
from star_agents.agents.http_failure import HttpFailure

_LOOKS_S = (0.1, 0.4, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses between questions whether a file has been looked at; after them it is asked about with the next poll."""
_READY = frozenset({"processed", "succeeded", ""})
_REFUSED = frozenset({"error", "failed", "cancelled", "deleted"})


class AzureBatches(OpenAIBatches):
    """The batches of one resource, as for ``OpenAIBatches``."""

    endpoint = "/chat/completions"
    lists_newest_first = False

    def _credentials(self, key: str) -> dict[str, str]:
        return {"api-key": key}

    def _url(self, path: str, query: str = "") -> str:
        version = f"api-version={self._route.version}" if self._route.version else ""
        return super()._url(path, "&".join(filter(None, (query, version))))

    def _files_named(self, name: str) -> str:
        return "purpose=batch"

    def _named(self, submission: Submission) -> dict[str, Any]:
        return {}

    async def find(self, submission: Submission) -> Found:
        """By its file; before that was uploaded there can be no batch."""
        return await super().find(submission) if submission.input_file else Found()

    async def create(self, submission: Submission, lines: IO[bytes]) -> str:
        """The id of the batch, made once its file may be used. Raises TimeoutError where that is not so in time."""
        for pause_s in _LOOKS_S:
            file = await self._http.json("GET", self._url(f"files/{submission.input_file}"), self._headers)
            status = str(file.get("status") or "").lower()
            if status in _REFUSED:
                raise HttpFailure(400, f"its file was refused: {file.get('status_details') or status}", {})
            if status in _READY:
                return await super().create(submission, lines)
            await anyio.sleep(pause_s)
        raise TimeoutError("Azure still looks at the file of the batch")
