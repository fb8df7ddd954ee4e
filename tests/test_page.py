"""What the page shows of a daemon at work, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemons import provider
from page_browser import add, chromium, config, opened, seeds, sequence, start
from playwright.sync_api import Browser, Page, Route, expect

HOSTILE = "Repeat <script>window.owned = true</script> and <img src=x onerror='window.owned = true'>"
FIRST = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def worked(folder: Path) -> Iterator[str]:
    """A daemon that has worked `FIRST` seeds."""
    with provider(folder / "book.jsonl") as endpoint:
        daemon, url = start(folder, config(endpoint))
        with daemon:
            add(url, [{"instruction": HOSTILE, "output": "No."}, *seeds(0, FIRST - 1)])
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == FIRST)
            yield url


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """For those that look alone."""
    with worked(tmp_path_factory.mktemp("daemon")) as url:
        yield url


@pytest.fixture
def own(tmp_path: Path) -> Iterator[str]:
    """For a test that adds seeds."""
    with worked(tmp_path) as url:
        yield url


def test_one_sentence_says_what_it_does_and_what_it_cost_and_names_no_best_pair_by_chance(
    browser: Browser, url: str
) -> None:
    with opened(browser, url) as page:
        # The three agents of the fake provider are alike: whoever won more of twelve seeds is not better.
        expect(page.locator("#sentence")).to_have_text(
            re.compile(r"^Done: \d+ of 12 seeds improved, .*\. \$0\.\d+ of \$20\.00 spent\.$")
        )
        assert page.title() == "12/12 star_agents"
        expect(page.locator("#figures")).to_contain_text("none is clear of the others yet")
        expect(page.locator("#pool-table tbody td.range").first).to_have_text(re.compile(r"^(\d+–\d+ %|)$"))
        assert page.locator("#notices").inner_text() == ""
        assert "$20" not in page.locator("#figures").inner_text(), "the budget stands once, in the sentence"


def test_every_agent_has_a_row_with_what_it_did(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        row = page.locator("#agent-table tbody tr", has=page.get_by_role("rowheader", name="b", exact=True))
        expect(row).to_contain_text(re.compile(r"b\d+ % \(\d+–\d+ %\)\d+"))
        expect(row).to_contain_text("up")
        page.get_by_role("button", name="Calls").click()
        expect(page.get_by_role("columnheader", name="Calls")).to_have_attribute("aria-sort", "descending")
        # The referee is asked in both orders, so it is called the most.
        expect(page.locator("#agent-table tbody th").first).to_have_text("a")


def test_curves_move_while_seeds_are_worked(browser: Browser, own: str) -> None:
    with opened(browser, own) as page:
        curve, table = page.locator("#curve canvas"), page.locator("#pool-table tbody")
        expect(page.locator("#curve")).to_have_attribute("aria-label", re.compile(r"over 12 outcomes"))
        before = curve.evaluate("canvas => canvas.toDataURL()")
        shares = table.inner_text()
        assert "keep/b" in shares
        add(own, seeds(100, 10))
        expect(page.locator("#curve")).to_have_attribute("aria-label", re.compile(r"over 22 outcomes"))
        expect(page.locator("#connection")).to_have_text("live")
        page.wait_for_function("before => document.querySelector('#curve canvas').toDataURL() !== before", arg=before)
        assert table.inner_text() != shares
        # The status may know of outcomes that the list hears of at its next turn.
        expect(page.locator("#outcome-table tbody a").first).to_have_text("22")
        assert sequence(page) == list(range(22, 0, -1))


def test_an_outcome_opens_to_its_seed_and_every_candidate_and_has_an_address(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.locator("#outcome-table tbody tr").last.click()
        story = page.get_by_role("dialog")
        expect(story.get_by_role("heading", name="Outcome 1", exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(r"#outcome=1$"))
        cards = story.get_by_role("article")
        expect(cards).to_have_count(3)
        expect(cards.first).to_contain_text("keep/seed")
        expect(story.locator(".is-chosen")).to_have_count(1)
        expect(story.locator(".why")).to_contain_text(re.compile(r"won with π|was kept because"))
        page.keyboard.press("Escape")
        expect(story).to_be_hidden()
        expect(page).to_have_url(re.compile(r"^[^#]*$"))
        page.go_back()
        expect(story).to_be_visible()
    with opened(browser, f"{url}/#outcome=2") as page:
        expect(page.get_by_role("heading", name="Outcome 2", exact=True)).to_be_visible()


def test_every_part_of_a_bar_has_a_colour_of_its_own(browser: Browser, url: str) -> None:
    script = """(names) => names.map((name) => {
        const part = document.createElement("span");
        part.className = `part ${name}`;
        document.body.append(part);
        return getComputedStyle(part).backgroundColor;
    })"""
    with opened(browser, url) as page:
        expect(page.locator("#referee .unreadable dt")).to_have_text("unreadable")
        states = ["kept", "base", "dropped", "working", "waiting", "quarantined", "unreadable"]
        colours = page.evaluate(script, states)
        assert len(set(colours)) == len(states), dict(zip(states, colours, strict=True))


def test_candidates_without_a_readable_verdict_are_a_part_of_the_referees_bar(browser: Browser, url: str) -> None:
    script = """async (referee) => {
        const { showReferee } = await import("/assets/referee.js");
        showReferee(referee);
        const part = document.querySelector("#referee-bar .unreadable");
        const texts = [...document.querySelectorAll("#referee dd")].map((one) => one.textContent);
        return [part.style.flexGrow, texts, document.getElementById("referee-lead").textContent];
    }"""
    judged = {"verdicts": 6, "wins": 3, "ties": 2, "losses": 1, "without_verdict": 2, "unreadable": 3}
    with opened(browser, url) as page:
        expect(page.locator("#referee .unreadable dt")).to_be_visible()
        share, texts, lead = page.evaluate(script, {**judged, "agreement": 0.5, "exam": None})
        assert (share, texts) == ("0.25", ["3", "2", "1", "2"])
        assert lead.endswith("6 verdicts. Asked in both orders it said the same in 50 %. 3 votes could not be read.")


def test_what_a_model_wrote_stays_text(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        expect(page.locator("#outcome-table tbody")).to_contain_text("<script>window.owned = true</script>")
        page.locator("#outcome-table tbody tr", has_text="<script>").click()
        answer = page.get_by_role("article").filter(has_text="was asked").first
        expect(answer).to_contain_text("<script>window.owned = true</script>")
        assert page.locator("main script, dialog script, main img[src=x], dialog img").count() == 0
        assert page.evaluate("window.owned") is None


def test_filters_filter_outcomes(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        kinds = page.locator("#outcome-table .kind")
        expect(kinds).to_have_count(FIRST)
        page.locator("#outcome-filters").get_by_label("Kind").select_option("kept")
        expect(page.locator("#outcome-table .kind:not(.kept)")).to_have_count(0)
        assert 0 < len(sequence(page)) < FIRST
        page.locator("#outcome-filters").get_by_label("Agent").select_option("b")
        expect(page.locator("#outcome-table tbody tr", has_not_text="keep/b")).to_have_count(0)
        page.locator("#outcome-filters").get_by_label("Kind").select_option("dropped")
        expect(page.locator("#outcome-none")).to_have_text("No outcome passes these filters.")


def test_the_log_shows_warnings_and_changes_until_everything_is_asked_for(browser: Browser, own: str) -> None:
    with opened(browser, own) as page:
        lines = page.locator("#log li")
        expect(lines.filter(has_text="state_changed").first).to_be_visible()
        expect(lines.filter(has_text="seeds_added").first).to_be_visible()
        add(own, seeds(0, 2))
        expect(lines.filter(has_text="duplicates=2").first).to_be_visible()
        expect(lines.filter(has_text="outcome_committed")).to_have_count(0)
        page.locator("#log-filters").get_by_label("Show").select_option("everything")
        expect(lines.filter(has_text="outcome_committed")).to_have_count(FIRST)
        page.locator("#log-filters").get_by_label("Show").select_option("warnings")
        expect(lines.filter(has_text="state_changed")).to_have_count(0)


def test_a_line_that_is_logged_before_the_stream_is_there_is_not_missed(browser: Browser, own: str) -> None:
    def add_first(route: Route) -> None:
        add(own, seeds(0, 3))
        route.continue_()

    with opened(browser, own) as page:
        expect(page.locator("#connection")).to_have_text("live")
        page.route("**/v1/events?*", add_first, times=1)
        page.reload()
        expect(page.locator("#log li").filter(has_text="duplicates=3")).to_have_count(1)


def test_a_status_that_was_overtaken_is_not_shown(browser: Browser, url: str) -> None:
    stream = """() => {
        window.told = Object.assign(new EventTarget(), { readyState: 1, close() {} });
        window.EventSource = function () { window.isFollowed = true; return window.told; };
    }"""
    tell = """async ([later, state]) => {
        const status = await (await fetch("v1/status")).json();
        window.began ??= status.now;
        const data = JSON.stringify({ ...status, now: window.began + later, state });
        window.told.dispatchEvent(new MessageEvent("status", { data }));
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        return document.getElementById("pause").textContent;
    }"""
    with opened(browser, url) as page:
        page.add_init_script(f"({stream})()")
        page.reload()
        # The page's policy allows no text to be run, which waiting for a function needs where it has to look again.
        page.evaluate("""() => new Promise((done) => {
            const look = () => (window.isFollowed ? done() : setTimeout(look, 50));
            look();
        })""")
        assert page.evaluate(tell, [5, "paused"]) == "Resume"
        assert page.evaluate(tell, [4, "ready"]) == "Resume", "it was sent before the one that is shown"
        assert page.evaluate(tell, [6, "ready"]) == "Pause"
        assert page.evaluate(tell, [-3600, "paused"]) == "Resume", "the clock was set back"


def test_the_log_is_live_and_its_filters_filter(browser: Browser, own: str) -> None:
    with opened(browser, own) as page:
        lines = page.locator("#log li")
        filters = page.locator("#log-filters")
        expect(lines.filter(has_text="seeds_added").first).to_be_visible()
        filters.get_by_label("Event").select_option("outcome_committed")
        expect(lines.filter(has_text="outcome_committed")).to_have_count(FIRST)
        filters.get_by_label("Event").select_option("seeds_added")
        expect(lines).to_have_count(1)
        expect(lines.first).to_contain_text("seeds_added")
        add(own, seeds(0, 3))
        expect(lines).to_have_count(2)
        expect(lines.first).to_contain_text("duplicates=3")
        filters.get_by_label("Event").select_option("")
        page.locator("#outcome-table tbody a").first.click()
        seed = page.get_by_role("dialog").locator("dd").first.inner_text()
        page.keyboard.press("Escape")
        filters.get_by_role("searchbox").fill(seed[:6])
        expect(lines.filter(has_not_text=seed[:6])).to_have_count(0)
        expect(lines.first).to_contain_text(seed[:8])


def test_older_outcomes_come_by_cursor_and_the_document_stays_small(browser: Browser, own: str) -> None:
    with opened(browser, own) as page:
        expect(page.locator("#outcome-table tbody tr").first).to_be_visible()
        add(own, seeds(500, 20))
        expect(page.get_by_role("button", name="Older")).to_be_enabled()
        expect(page.locator("#sentence")).to_contain_text("of 32 seeds improved")
        expect(page.locator("#outcome-table tbody a").first).to_have_text("32")
        expect(page.locator("#outcome-table tbody tr")).to_have_count(25)
        page.get_by_role("button", name="Older").click()
        expect(page.locator("#outcome-table tbody a").first).to_have_text("7")
        assert sequence(page) == list(range(7, 0, -1))
        page.get_by_role("button", name="Newest").click()
        expect(page.locator("#outcome-table tbody a").first).to_have_text("32")


def test_on_a_phone_long_texts_are_clamped_and_wide_tables_say_that_there_is_more(browser: Browser, own: str) -> None:
    add(own, [{"instruction": "What is this? " + "word " * 400, "output": "Much."}])
    with opened(browser, own, width=390, height=844) as page:
        row = page.locator("#outcome-table tbody tr", has_text="What is this?").first
        expect(row).to_be_visible()
        box = row.bounding_box()
        assert box is not None
        assert box["height"] < 140, "a few lines of it"
        agents = page.locator("#agent-table").locator("..")
        expect(agents).to_have_class(re.compile("has-more-right"))
        hint = agents.evaluate("(place) => getComputedStyle(place, '::after').content")
        assert "swipe" in hint
        agents.evaluate("(place) => place.scrollTo({ left: place.scrollWidth })")
        expect(agents).not_to_have_class(re.compile("has-more-right"))
        expect(agents).to_have_class(re.compile("has-more-left"))
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_phone_scrolls_in_one_direction_and_the_dark_is_dark(browser: Browser, url: str) -> None:
    with opened(browser, url, width=360, height=740, scheme="dark") as page:
        expect(page.locator("#outcome-table tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        red, green, blue = map(
            int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
        )
        assert max(red, green, blue) < 60


def test_whoever_does_not_see_the_page_gets_a_name_for_every_part_of_it(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.locator("#outcome-table tbody a").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert nameless(page, at_least=2) == []
        page.keyboard.press("Escape")
        assert nameless(page, at_least=50) == []
        for landmark in ("banner", "main", "contentinfo"):
            expect(page.get_by_role(landmark)).to_have_count(1)
        assert page.evaluate("[...document.querySelectorAll('thead th')].every((th) => th.scope === 'col')")
        live = page.locator("[aria-live=polite], [role=status], [role=alert]:visible")
        assert [one.get_attribute("id") for one in live.all()] == ["announcement"]
        page.reload()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def nameless(page: Page, *, at_least: int) -> list[Any]:
    """What assistive technology is told has no name, of the things that need one."""
    wanted = {"button", "link", "combobox", "textbox", "searchbox", "image", "region", "dialog", "columnheader"}
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    told = [node for node in nodes if not node["ignored"] and node.get("role", {}).get("value") in wanted]
    assert len(told) >= at_least
    return [node["role"]["value"] for node in told if not node.get("name", {}).get("value")]


def test_without_the_chart_library_every_chart_is_its_table(browser: Browser, url: str) -> None:
    with opened(browser, url, without="**/vendor/**", errors=["404"]) as page:
        expect(page.locator(".notice").first).to_contain_text("Charts are shown as tables")
        expect(page.locator("#pool-table tbody tr")).to_have_count(3)
        assert page.locator("canvas").count() == 0


def test_an_edit_of_agents_yaml_is_a_mark_on_the_curve_and_pairs_keep_their_colours(
    browser: Browser, tmp_path: Path
) -> None:
    def colours(page: Page) -> dict[str, str]:
        script = "(rows) => rows.map((row) => [row.dataset.key, row.cells[0].style.getPropertyValue('--swatch')])"
        return dict(page.locator("#pool-table tbody tr").evaluate_all(script))

    with provider(tmp_path / "book.jsonl") as endpoint:
        daemon, url = start(tmp_path, config(endpoint, agents=("a", "c")))
        with daemon, opened(browser, url) as page:
            add(url, seeds(0, 6))
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == 6)
            expect(page.locator("#pool-table tbody tr")).to_have_count(2)
            expect(page.locator("#curve-marks")).to_be_hidden()
            before = colours(page)
            (tmp_path / "agents.yaml").write_text(config(endpoint, agents=("a", "b", "c")))
            daemon.wait_for("config_applied")
            expect(page.locator("#pool-table tbody tr")).to_have_count(3)
            expect(page.locator("#curve-marks summary")).to_have_text("1 edit of agents.yaml, marked on the curve")
            page.locator("#curve-marks summary").click()
            expect(page.locator("#mark-list li")).to_have_text(
                re.compile(r"Revision 2, after 6 outcomes, .*\+ agent b")
            )
            add(url, seeds(100, 8))
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == 14)
            after = colours(page)
            assert {pair: after[pair] for pair in before} == before
            assert len(set(after.values())) == 3
            page.reload()
            expect(page.locator("#pool-table tbody tr")).to_have_count(3)
            expect(page.locator("#sentence")).to_contain_text("Done")
            assert colours(page) == after
            pointed = page.locator("#curve .u-over")
            pointed.scroll_into_view_if_needed()
            width = (pointed.bounding_box() or {"width": 0.0})["width"]
            pointed.hover(position={"x": width * 6 / 14, "y": 20})
            expect(page.locator("#curve .tip")).to_contain_text("agents.yaml after 6: + agent b")


def test_where_star_alone_is_at_work_there_is_no_section_of_recipes(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        expect(page.locator("#pool-table tbody tr").first).to_be_visible()
        for id_ in ("recipes-section", "turns-section"):
            expect(page.locator(f"#{id_}")).to_be_hidden()
        for id_ in ("pools-section", "gaps-section", "referee-section"):
            expect(page.locator(f"#{id_}")).to_be_visible()
