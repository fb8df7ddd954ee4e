"""bespokelabs-curator on the job: 500 seeds, four requests each, then a judge; on its own aiohttp backend where the
provider speaks OpenAI's protocol, on its LiteLLM backend where it speaks Anthropic's.

    peers/curator/bin/python curator_job.py --url URL/v1 --seeds seeds.jsonl --folder DIR

It sends one more request per LLM object, to read the rate limits from its headers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from bespokelabs import curator
from common import IN_FLIGHT, MAX_TOKENS, comparison, instructions, options

CANDIDATES = 4
UNLIMITED = 10**9


class Writer(curator.LLM):
    """One answer of one seed."""

    def prompt(self, row: dict[str, Any]) -> str:
        """The instruction itself."""
        return str(row["instruction"])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        """Keep the answer beside its seed."""
        return {"seed": row["seed"], "instruction": row["instruction"], "answer": response}


class Judge(curator.LLM):
    """One comparison."""

    def prompt(self, row: dict[str, Any]) -> str:
        """Both answers."""
        return comparison(row["instruction"], row["answers"][1], row["answers"][0])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        """Keep the verdict."""
        return {"seed": row["seed"], "answers": row["answers"], "verdict": response}


def main() -> None:
    """Run both steps and print how many seeds have a verdict."""
    given = options(__doc__)
    settings: dict[str, Any] = {
        "model_name": "gpt-4o-mini" if given.form == "openai" else "anthropic/claude-haiku-4-5",
        "backend": "openai" if given.form == "openai" else "litellm",
        "generation_params": {"max_tokens": MAX_TOKENS},
        "backend_params": {
            "base_url": given.url,
            "api_key": "bench",
            "max_concurrent_requests": IN_FLIGHT,
            "max_requests_per_minute": UNLIMITED,
            "max_tokens_per_minute": UNLIMITED,
        },
    }
    rows = [
        {"seed": seed, "number": number, "instruction": text}
        for seed, text in enumerate(instructions(given.seeds))
        for number in range(CANDIDATES)
    ]
    written = Writer(**settings)(rows, working_dir=str(given.folder / "written")).dataset
    answers: defaultdict[int, list[str]] = defaultdict(list)
    texts: dict[int, str] = {}
    for row in written:
        answers[row["seed"]].append(row["answer"])
        texts[row["seed"]] = row["instruction"]
    pairs = [{"seed": seed, "instruction": texts[seed], "answers": found} for seed, found in answers.items()]
    judged = Judge(**settings)(pairs, working_dir=str(given.folder / "judged")).dataset
    print(sum(bool(row["verdict"]) and len(row["answers"]) == CANDIDATES for row in judged))


if __name__ == "__main__":
    main()
