"""distilabel on the job: 500 seeds, four generations each, then a judge. Where the provider speaks OpenAI's protocol
the four are one request with n=4; Anthropic's has no such parameter, so there distilabel sends four.

peers/distilabel/bin/python distilabel_job.py --url URL/v1 --seeds seeds.jsonl --folder DIR --batch 250
"""

from __future__ import annotations

from common import MAX_TOKENS, comparison, instructions, options
from distilabel.models import AnthropicLLM, OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

CANDIDATES = 4
# It looks for each column's name in a tag or alone in braces, so `answers[1]` by itself is refused.
TEMPLATE = "{% set found = answers %}" + comparison("{{ instruction }}", "{{ found[1] }}", "{{ found[0] }}")


def main() -> None:
    """Run the pipeline and print how many rows have a verdict."""
    given = options(__doc__)

    def model() -> OpenAILLM | AnthropicLLM:
        if given.form == "anthropic":
            return AnthropicLLM(
                model="claude-haiku-4-5",
                base_url=given.url,
                api_key="bench",
                generation_kwargs={"max_tokens": MAX_TOKENS},
            )
        return OpenAILLM(
            model="gpt-4o-mini",
            base_url=given.url,
            api_key="bench",
            generation_kwargs={"max_new_tokens": MAX_TOKENS},
        )

    with Pipeline(name="bench", cache_dir=given.folder) as pipeline:
        rows = [{"instruction": text} for text in instructions(given.seeds)]
        load = LoadDataFromDicts(data=rows, batch_size=given.batch)
        write = TextGeneration(
            name="write",
            llm=model(),
            num_generations=CANDIDATES,
            group_generations=True,
            input_batch_size=given.batch,
            output_mappings={"generation": "answers", "model_name": "writer"},
        )
        judge = TextGeneration(
            name="judge",
            llm=model(),
            template=TEMPLATE,
            columns=["instruction", "answers"],
            input_batch_size=given.batch,
            output_mappings={"generation": "verdict", "model_name": "referee"},
        )
        load >> write >> judge
    found = pipeline.run(use_cache=False)["default"]["train"]
    print(sum(bool(row["verdict"]) and len(row["answers"]) == CANDIDATES for row in found))


if __name__ == "__main__":
    main()
