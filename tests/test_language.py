"""In which language a text is written, and when nobody can tell."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from star_agents.admission.language import LOOKED_AT, SURE, UNKNOWN, language_of, languages_known

SAID = {
    "en": "Explain in two sentences why the sky looks blue at noon and red in the evening.",
    "de": "Erkläre in zwei Sätzen, warum der Himmel mittags blau und abends rot aussieht.",
    "fr": "Explique en deux phrases pourquoi le ciel est bleu à midi et rouge le soir.",
    "es": "Explica en dos frases por qué el cielo se ve azul al mediodía y rojo por la tarde.",
    "it": "Spiega in due frasi perché il cielo è azzurro a mezzogiorno e rosso la sera.",
    "pl": "Wyjaśnij w dwóch zdaniach, dlaczego niebo w południe jest niebieskie, a wieczorem czerwone.",
    "tr": "Gökyüzünün öğlen neden mavi, akşam ise neden kırmızı göründüğünü iki cümleyle açıkla.",
    "ru": "Объясни в двух предложениях, почему днём небо голубое, а вечером красное.",
    "ar": "اشرح في جملتين لماذا تبدو السماء زرقاء ظهرا وحمراء في المساء.",
    "hi": "दो वाक्यों में समझाइए कि आसमान दोपहर में नीला और शाम को लाल क्यों दिखता है।",
    "ja": "空が昼は青く、夕方は赤く見える理由を二つの文で説明してください。",
    "ko": "하늘이 낮에는 파랗고 저녁에는 붉게 보이는 이유를 두 문장으로 설명하세요.",
    "zh": "请用两句话解释为什么天空在中午是蓝色的，而在傍晚是红色的。",
}


@pytest.mark.parametrize("code", SAID)
def test_a_sentence_tells_its_language(code: str) -> None:
    found = language_of(SAID[code])
    assert found.code == code
    assert SURE <= found.probability <= 1


@pytest.mark.parametrize("text", ["", "  \n", "12345", "2 + 2 = 4", "…", "\ud800", "Sort [3,1,2]", "Hello"])
def test_what_is_too_short_or_of_no_language_is_unknown_and_not_guessed(text: str) -> None:
    assert language_of(text).code == UNKNOWN


def test_a_long_text_is_told_by_its_beginning() -> None:
    german = (SAID["de"] + " ") * (LOOKED_AT // len(SAID["de"]) + 1)
    assert language_of(german + SAID["en"] * 1000) == language_of(german)


def test_the_codes_are_known_before_a_text_is_read() -> None:
    assert languages_known() >= SAID.keys()
    assert languages_known().isdisjoint({UNKNOWN, "zxx", "english"})


def test_english_instructions_of_the_field_are_english(shared_data: Path) -> None:
    files = ["fastchat/mt_bench_question.jsonl", "self_instruct/seed_tasks.jsonl", "arena_hard/question.jsonl"]
    rows = [json.loads(line) for name in files for line in (shared_data / name).read_text("utf-8").splitlines()]
    texts = [row.get("instruction") or row["turns"][0] for row in rows]
    found = Counter(language_of(text if isinstance(text, str) else text["content"]).code for text in texts)
    assert found["en"] >= 0.99 * len(texts)
    assert sum(found.values()) - found["en"] - found[UNKNOWN] <= 0.002 * len(texts)
