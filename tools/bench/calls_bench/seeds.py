"""What everybody is asked: instructions of about 60 words, no two alike."""

from __future__ import annotations

STORY = "A farmer keeps bees beside a river and sells honey on two days of the week at the market of the town. " * 2
QUESTION = "Say in three short paragraphs what he should change first, what it costs, and when it has paid for itself."


def seed_rows(number: int) -> list[dict[str, str]]:
    """Rows of a seed file."""
    return [
        {"instruction": f"Case {index}. {STORY}This year there are {index % 97 + 3} hives. {QUESTION}"}
        for index in range(number)
    ]
