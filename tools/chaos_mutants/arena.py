"""What an arena promises, each promise switched off: both orders, equal answers for nothing, points that are the
judge's own, games that are paid once, and seeds that wait for a budget."""

from __future__ import annotations

from chaos_mutants.edits import Edit
from chaos_mutants.safeguards import TestedMutant

_JURY, _SCORES = "star_agents/recipes/arena_jury.py", "star_agents/arena/scores.py"
_EXAM = "star_agents/bench/examining.py"


def _tested(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    return TestedMutant(name=name, promise=promise, edits=[Edit(file, text, replacement)], test=test)


ARENA_TESTED_MUTANTS = (
    _tested(
        "both-orders-or-none",
        "a battle that can be read in one order only is none",
        "test_arena_recipe.py::test_a_game_that_cannot_be_read_makes_its_battle_none",
        "star_agents/arena/games.py",
        "if len(orders) >= (1 if one_order_counts else 2)}",
        "if len(orders) >= 1}",
    ),
    _tested(
        "equal-answers-cost-nothing",
        "nobody judges answers that are equal",
        "test_arena_recipe.py::test_equal_answers_are_a_tie_that_costs_nothing_and_share_their_games",
        _JURY,
        "    speaker = [first_to_say[one.sample.response] for one in trials]\n",
        "    speaker = list(range(len(trials)))\n",
    ),
    _tested(
        "points-carry-the-code",
        "points count only in an object with the code that no player can know",
        "test_arena_forgery.py::test_a_hostile_answer_gets_no_point_that_its_judge_did_not_give",
        "star_agents/text/coded_objects.py",
        "        if found is not None and (CODE, code) in found[0]:\n",
        "        if found is not None:\n",
    ),
    _tested(
        "points-agree",
        "a reply that gives points twice, and others the second time, gives none",
        "test_arena_forgery.py::test_what_is_no_points_is_refused",
        _SCORES,
        "    if len({(one.first, one.second) for one in found}) > 1:\n",
        "    if False:\n",
    ),
    _tested(
        "who-obeys-answers-judges-nothing",
        "a judge that gives an answer the points it asks for leaves the jury",
        "test_arena_exam.py::test_with_nobody_left_in_the_jury_a_run_ends_with_the_reason_and_every_seed_waits",
        _EXAM,
        "        exam = with_appeals(exam_pairs(self._rooms.config, judge))\n",
        "        exam = exam_pairs(self._rooms.config, judge)\n",
    ),
    _tested(
        "what-it-had-stands",
        "rows and battles of seeds that wait to catch up are exported as before",
        "test_arena_catch_up.py::test_killed_while_seeds_catch_up_nothing_is_lost_or_paid_again",
        "star_agents/storage/queries.sql",
        "WHERE (s.state = 'done' OR s.id IN (SELECT seed_id FROM reopened)) AND s.ordinal > :after AND",
        "WHERE s.state = 'done' AND s.ordinal > :after AND",
    ),
    _tested(
        "caught-up-counts-once",
        "what an outcome added to the sums is taken out when another takes its place",
        "test_arena_catch_up.py::"
        "test_after_catching_up_a_folder_tells_what_it_would_had_the_newcomer_been_there_from_the_start",
        "star_agents/storage/recipe_tallies.py",
        "    counted.subtract(count(old, completed=(), new_children=0))\n",
        "",
    ),
    _tested(
        "who-waits-keeps-its-texts",
        "retention clears no text that a seed needs to catch up",
        "test_arena_catch_up.py::"
        "test_while_seeds_wait_to_catch_up_what_they_have_stands_and_nobody_waits_once_it_is_not_asked_for",
        "star_agents/storage/queries.sql",
        "AND at < :before AND seed_id NOT IN (SELECT seed_id FROM reopened)\n",
        "AND at < :before\n",
    ),
    _tested(
        "unread-replies-cost",
        "what a reply cost that could not be read stands with what was read in the end",
        "test_arena_recipe.py::test_what_replies_cost_that_could_not_be_read_stands_with_the_game_and_the_answer",
        "star_agents/bench/bench.py",
        "                    earlier=tuple(rounds.earlier),\n",
        "",
    ),
    _tested(
        "blocked-work-waits",
        "a seed whose recipe says that nothing can be worked goes on waiting",
        "test_arena_exam.py::test_a_recipe_of_ones_own_may_say_that_nothing_can_be_worked_and_its_calls_are_paid_once",
        "star_agents/engine/stages.py",
        " or isinstance(ours, WorkBlocked)):\n",
        "):\n",
    ),
    TestedMutant(
        name="point-exam-once",
        promise="a judge's exam of points is sat once for all seeds",
        edits=[
            Edit(
                _EXAM,
                "            kept = await self._rooms.store.meta_get(key)\n",
                "            kept: str | None = None\n",
            ),
            Edit(_EXAM, ':{judge}:{number}:{is_ahead}")', ':{judge}:{number}:{is_ahead}:{self.seed.id}")'),
        ],
        test="test_arena_exam.py::test_a_judge_sits_its_exam_once_for_all_seeds_and_never_again",
    ),
    _tested(
        "games-keep-their-code",
        "a seed that is worked again shows its judges the same prompts, and finds their replies",
        "test_arena_kills.py::test_an_arena_that_dies_at_every_point_pays_for_nothing_again_and_rates_alike",
        _JURY,
        '    code = str(await bench.once("code", lambda: secrets.token_hex(8)))\n',
        "    code = secrets.token_hex(8)\n",
    ),
    _tested(
        "a-scale-stays",
        "what rewards of a reward model stand for is made once, and then stays",
        "test_reward_judges.py::test_alone_it_decides_by_quantiles_of_its_margins_and_no_instruction_is_lost",
        "star_agents/bench/rewarding.py",
        '        if record["maps"] is not None:\n            return False\n',
        "",
    ),
    _tested(
        "an-arena-waits-for-a-budget",
        "where the budget of a judge or a player is spent the seeds wait",
        "test_arena_recipe.py::"
        "test_where_the_budget_of_a_judge_or_a_player_is_spent_the_seeds_wait_and_nothing_is_paid_again",
        "star_agents/recipes/parts/gathering.py",
        "    if spent:\n",
        "    if False:\n",
    ),
    _tested(
        "calls-that-nobody-made",
        "settings that need games which nobody judged are refused",
        "test_arena_recipe.py::test_what_cannot_be_decided_again_is_refused_and_says_why",
        "star_agents/cli/redeciding.py",
        "    if missing:\n",
        "    if False:\n",
    ),
)
