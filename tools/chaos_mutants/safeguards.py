"""Safeguards of money and of the journal, each switched off, with the test that has to fail then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos_mutants.edits import Edit


@dataclass(frozen=True, kw_only=True)
class TestedMutant:
    """One safeguard switched off."""

    name: str
    promise: str
    edits: Sequence[Edit]
    test: str
    """Of the tests, without the folder: ``test_x.py::test_that_it_holds``."""


_CALLS, _JUDGES, _BENCH = (
    "star_agents/bench/paid_calls.py",
    "star_agents/engine/judges.py",
    "star_agents/bench/bench.py",
)
_PAIRS = "star_agents/bench/pairs.py"
_SENDING, _BUDGETS = "star_agents/agents/sending.py", "star_agents/agents/budgets.py"
_LEDGER, _READING = "star_agents/agents/budget_ledger.py", "star_agents/agents/replies/reading.py"
_BUILDING, _STAR = "star_agents/engine/wiring.py", "star_agents/recipes/star.py"
_INBOX, _JOURNAL, _STORE, _SQL = (
    "star_agents/engine/inbox.py",
    "star_agents/storage/journal.py",
    "star_agents/storage/store.py",
    "star_agents/storage/queries.sql",
)


def _mutant(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    return TestedMutant(name=name, promise=promise, edits=[Edit(file, text, replacement)], test=test)


TESTED_MUTANTS = (
    # The journal
    TestedMutant(
        name="intent-before-it-is-sent",
        promise="an intent is durable before its call is sent",
        edits=[
            Edit(_CALLS, "                await self._intend(intents)\n", ""),
            Edit(
                _CALLS,
                "result = await call.send()\n",
                "result = await call.send()\n                await self._intend(intents)\n",
            ),
        ],
        test="test_paid_calls.py::test_whenever_a_request_arrives_the_intent_of_its_call_is_durable",
    ),
    _mutant(
        "withdraw-only-the-unpaid",
        "an intent is taken back only where its call was certainly not paid",
        "test_paid_calls.py::test_a_failed_call_that_may_be_paid_stays_in_the_journal_and_in_the_budget_of_the_next_process",
        _CALLS,
        "if intended and error.certainly_unpaid:",
        "if intended:",
    ),
    _mutant(
        "withdraw-the-unpaid",
        "an intent is taken back where its call was certainly not paid",
        "test_paid_calls.py::test_a_call_that_was_refused_is_taken_back_and_costs_no_budget",
        _CALLS,
        "if intended and error.certainly_unpaid:",
        "if intended and False:",
    ),
    _mutant(
        "paid-by-an-earlier-try",
        "a try that may be paid counts whatever the tries after it were",
        "test_paid_calls.py::test_a_try_that_may_be_paid_is_not_forgotten_for_a_later_one_that_is_not",
        "star_agents/agents/admitted_call.py",
        "attempts.maybe_paid = paid_before or not ours.certainly_unpaid",
        "attempts.maybe_paid = not ours.certainly_unpaid",
    ),
    _mutant(
        "answer-recorded-in-a-cancellation",
        "an answer is recorded, and what was not answered taken back, although the seed is cancelled",
        "test_paid_calls.py::test_an_answer_that_came_is_recorded_and_one_that_was_left_out_taken_back_although_the_seed_is_cancelled",
        _CALLS,
        "with anyio.CancelScope(shield=True):",
        "with anyio.CancelScope():",
    ),
    _mutant(
        "one-payment-for-one-call",
        "who asks the same at the same time pays once",
        "test_paid_calls.py::test_two_who_ask_the_same_at_once_pay_for_it_once",
        _CALLS,
        "while key in self._asking:",
        "while False:",
    ),
    _mutant(
        "replies-left-out",
        "intents that a request brought no reply for are taken back",
        "test_replicates.py::test_a_provider_that_ignores_n_still_gives_as_many_as_were_asked_for",
        _CALLS,
        "if len(answered) < len(keys):",
        "if False:",
    ),
    _mutant(
        "answered-is-not-intended-again",
        "the store refuses to intend a call that is answered",
        "test_storage_store.py::test_an_answered_call_is_never_intended_or_answered_again",
        _SQL,
        "intended_at = excluded.intended_at\nWHERE state != 'answered';",
        "intended_at = excluded.intended_at;",
    ),
    _mutant(
        "intents-all-or-none",
        "of calls that are intended together all are or none",
        "test_storage_store.py::test_of_calls_that_are_recorded_together_all_are_or_none",
        _STORE,
        "is_one_statement=len(intents) == 1",
        "is_one_statement=True",
    ),
    _mutant(
        "answers-all-or-none",
        "of answers that come together all are recorded or none",
        "test_storage_store.py::test_of_calls_that_are_recorded_together_all_are_or_none",
        _STORE,
        "is_one_statement=len(answers) == 1",
        "is_one_statement=True",
    ),
    _mutant(
        "earlier-sends-stay",
        "taking back the last send leaves the ones before, which may be paid",
        "test_storage_store.py::test_a_withdrawn_call_leaves_no_intent_but_an_earlier_send_stays_counted",
        _SQL,
        "DELETE FROM calls WHERE key = :key AND state = 'intent' AND sends = 1;",
        "DELETE FROM calls WHERE key = :key AND state = 'intent';",
    ),
    _mutant(
        "cleared-is-not-paid-again",
        "an answer whose text was cleared is not paid for again unseen",
        "test_storage_retention.py::test_a_cleared_answer_is_refused_and_never_paid_for_again",
        _JOURNAL,
        '    if reply["text"] is None:\n        raise AgentRefused(',
        '    if reply["text"] is None:\n        return None\n        raise AgentRefused(',
    ),
    _mutant(
        "exam-journaled",
        "an exam that was broken off goes on with what was answered",
        "test_judges.py::test_an_exam_that_was_broken_off_is_gone_on_with_and_nothing_of_it_is_paid_twice",
        _JUDGES,
        'name = f"{EXAM}:{exam.version}:{step}"',
        'name = f"{EXAM}:{time.monotonic()}:{step}"',
    ),
    TestedMutant(
        name="exam-paid-once",
        promise="a judge's exam is paid once per model and prompt",
        edits=[
            Edit(_JUDGES, "kept = await self._store.meta_get(key)", "kept: str | None = None"),
            Edit(_JUDGES, 'name = f"{EXAM}:{exam.version}:{step}"', 'name = f"{EXAM}:{time.monotonic()}:{step}"'),
        ],
        test="test_judges.py::test_a_judge_that_passes_is_examined_once_before_the_first_seed_and_never_again",
    ),
    _mutant(
        "slot-given-back",
        "a call that was admitted and not sent gives its slot back",
        "test_agents_admission.py::test_where_the_intent_cannot_be_recorded_nothing_is_sent_and_all_is_given_back",
        _SENDING,
        "        call.give_back()\n",
        "",
    ),
    # Money
    _mutant(
        "reserved-before-it-is-sent",
        "what calls in flight may cost counts against a budget",
        "test_agents_client.py::test_many_calls_at_once_hold_a_small_budget",
        _BUDGETS,
        "if self._fits(limit, amount, reserved=self._totals(limit.per_day).reserved(limit.owner, limit.unit)):",
        "if self._fits(limit, amount):",
    ),
    _mutant(
        "maybe-paid-keeps-its-reservation",
        "a call that may be paid counts as what was reserved for it",
        "test_agents_client.py::test_a_failed_call_that_may_have_been_billed_keeps_its_reservation",
        _SENDING,
        "        elif attempts.maybe_paid:\n            self._budgets.settle(reservation, None)",
        "        elif False:\n            self._budgets.settle(reservation, None)",
    ),
    _mutant(
        "budget-of-calls-and-tokens",
        "a budget of calls or tokens holds where nobody knows the price",
        "test_agents_budgets.py::test_a_budget_of_calls_or_tokens_holds_where_nobody_knows_the_price",
        _BUDGETS,
        "if (amount := charge.of(limit.unit)) != 0:",
        'if limit.unit == "usd" and (amount := charge.of(limit.unit)) != 0:',
    ),
    _mutant(
        "uncounted-tokens",
        "tokens that nobody counted are as many as were reserved",
        "test_agents_budgets.py::test_tokens_that_nobody_counted_are_as_many_as_were_reserved",
        _LEDGER,
        "_amounts(actual, round_down, unknown=reserved)",
        "_amounts(actual, round_down)",
    ),
    _mutant(
        "budget-over-restarts",
        "a budget counts what earlier processes spent",
        "test_unknown_prices.py::test_a_budget_of_calls_is_spent_to_its_end_and_holds_over_restarts",
        _BUILDING,
        "restore_budgets(budgets, taken, today, day_began=day_began)",
        "restore_budgets(budgets, {}, {}, day_began=day_began)",
    ),
    _mutant(
        "day-over-restarts",
        "a daily budget counts what earlier processes spent today",
        "test_line_budgets.py::test_a_restart_on_the_same_day_goes_on_with_what_the_day_has_left",
        _BUILDING,
        "restore_budgets(budgets, taken, today, day_began=day_began)",
        "restore_budgets(budgets, taken, {}, day_began=day_began)",
    ),
    _mutant(
        "rate-over-restarts",
        "requests of the last minute count over a restart",
        "test_throttling.py::test_the_journal_says_what_was_sent_before_a_restart",
        _BUILDING,
        "client.restore_rates(await _sent_lately(store, now()))",
        "client.restore_rates({})",
    ),
    _mutant(
        "run-limit",
        "`-n` works the first N seeds and no others",
        "test_run_limit.py::test_seeds_that_wait_from_before_are_left_and_a_run_without_a_limit_works_them",
        "star_agents/storage/run_scope.py",
        'execute(connection, "span_of_run_seeds").fetchone()) if only else EVERYTHING',
        'execute(connection, "span_of_run_seeds").fetchone()) if False else EVERYTHING',
    ),
    _mutant(
        "failure-limits",
        "work that has become worthless stops",
        "test_failure_limits.py::test_nothing_is_judged_before_20_tries_and_more_than_half_of_them_is_too_much",
        "star_agents/engine/failure_limits.py",
        "if n and is_judged and failed > allowed * n:",
        "if n and is_judged and failed > n:",
    ),
    _mutant(
        "failure-limits-stop",
        "a limit that is passed ends a batch",
        "test_failures.py::test_a_judge_that_cannot_be_read_stops_the_batch_with_what_it_said",
        "star_agents/engine/failure_watch.py",
        "            self._give_up(message)\n",
        "",
    ),
    _mutant(
        "run-drains-within-its-limit",
        "a batch that was told to stop waits for a provider that hangs no longer than its limit",
        "test_run_drain.py::test_a_provider_that_hangs_is_waited_for_no_longer_than_the_limit",
        "star_agents/engine/interruption.py",
        "                scope.deadline = anyio.current_time() + limit\n",
        "",
    ),
    # What is chosen and learned
    _mutant(
        "unreadable-wins-nothing",
        "nothing wins by a verdict that cannot be read",
        "test_star_recipe.py::test_a_candidate_without_a_readable_verdict_cannot_win_and_the_next_best_is_judged",
        "star_agents/recipes/choosing.py",
        "        if pi_llm is None:\n            self._without_verdict.add(index)\n            return\n",
        "        pi_llm = 0.5 if pi_llm is None else pi_llm\n",
    ),
    _mutant(
        "unreadable-teaches-nothing",
        "nothing is learned from a verdict that cannot be read",
        "test_star_recipe.py::test_where_no_verdict_can_be_read_the_base_stays_and_nothing_is_learned_of_anybody",
        _STAR,
        "if pair in by_pair and by_pair[pair].is_without_verdict:",
        "if False:",
    ),
    _mutant(
        "largest-beta",
        "one outcome moves no probability by more than the largest β",
        "test_policies.py::test_one_outcome_moves_no_probability_by_more_than_the_largest_beta",
        "star_agents/scheduling/policies.py",
        "min(self.most, max(self.least, self.scale / outcomes)) if outcomes else self.most",
        "max(self.least, self.scale / outcomes) if outcomes else self.scale",
    ),
    # One candidate's fault
    _mutant(
        "longest-reply",
        "a reply longer than its tokens explain is cut where it comes in",
        "test_one_candidates_fault.py::test_a_reply_longer_than_its_tokens_explain_is_cut_where_it_comes_in_and_wins_nothing",
        _READING,
        "if len(text) <= longest:",
        "if True:",
    ),
    _mutant(
        "one-candidates-fault",
        "what a referee fails on is no verdict on that candidate",
        "test_one_candidates_fault.py::test_a_text_that_the_referees_provider_cannot_bear_is_no_verdict_and_the_other_candidates_go_on",
        _PAIRS,
        "            if not self._may_lie_in_the_text(error):\n                raise\n",
        "            raise\n",
    ),
    _mutant(
        "a-wrong-key-is-no-texts-fault",
        "a referee that would fail on any text settles no seed",
        "test_one_candidates_fault.py::test_what_would_be_said_of_any_text_is_no_candidates_fault",
        "star_agents/agents/translate.py",
        "row not in _WHATEVER_THE_TEXT",
        "True",
    ),
    _mutant(
        "all-unjudged-is-dropped",
        "a seed of which no candidate could be judged can be queued again",
        "test_one_candidates_fault.py::test_where_no_candidate_at_all_can_be_judged_the_seed_is_dropped_and_can_be_queued_again",
        _STAR,
        "if unjudged := _why_unjudged(assessed, referees_answer=bench.referees_answer):",
        "if unjudged := '':",
    ),
    _mutant(
        "always-returned",
        "a seed that always comes back while others end well ends",
        "test_returned_seeds.py::test_a_seed_that_comes_back_for_one_reason_while_others_end_well_gets_a_last_try",
        "star_agents/engine/returned_seeds.py",
        "return last.proven >= RETURNS or",
        "return",
    ),
    _mutant(
        "an-outage-is-nobodys-fault",
        "an outage in which nobody ends well drops no seed",
        "test_returned_seeds.py::test_an_outage_in_which_no_seed_ends_well_is_nobodys_fault_however_long_it_lasts",
        "star_agents/engine/returned_seeds.py",
        "return last.proven >= RETURNS or",
        "return last.times >= RETURNS or",
    ),
    _mutant(
        "last-try",
        "on its last try a seed waits no more for a referee that is down for it",
        "test_one_candidates_fault.py::test_on_its_last_try_a_referee_that_is_down_for_one_candidate_is_no_verdict_on_it_and_an_outage_before",
        _PAIRS,
        "            return self._is_last_try\n",
        "            return False\n",
    ),
    # What is taken in
    _mutant(
        "inbox-before-the-move",
        "a file that changed while it was read is read again",
        "test_inbox.py::test_what_grows_while_it_is_read_waits_and_is_read_whole_before_it_moves",
        _INBOX,
        "        if now != file.look:\n",
        "        if now is None:\n",
    ),
    _mutant(
        "inbox-after-the-move",
        "what grew after the move is read on",
        "test_inbox.py::test_what_grows_between_reading_and_moving_is_taken_too",
        _INBOX,
        "        self._moved[target] = file\n",
        "",
    ),
    _mutant(
        "long-posts-in-turns",
        "a long POST is parsed in turns with everybody else",
        "test_web_documents.py::test_others_have_their_turns_while_a_long_document_is_parsed",
        "star_agents/limits/turns.py",
        "if time.perf_counter() >= self._over:",
        "if False:",
    ),
    _mutant(
        "members-one-by-one",
        "a row with more elements than a row may have is refused while it is parsed",
        "test_web_documents.py::test_what_is_too_much_is_refused_with_its_place",
        "star_agents/web/documents.py",
        "if self._members > self._limits.members:",
        "if False:",
    ),
    _mutant(
        "long-rows",
        "a row that is too long is refused",
        "test_web_documents.py::test_what_is_too_much_is_refused_with_its_place",
        "star_agents/web/documents.py",
        "rows.append(row)\n            if (size := self.bytes() - begin) > self._limits.size:",
        "rows.append(row)\n            if (size := self.bytes() - begin) < 0:",
    ),
    # What providers answer
    _mutant(
        "packed-size",
        "a reply that unpacks to nothing is hung up on however long it is",
        "test_transport_limits.py::test_gzip_that_holds_nothing_however_long_is_hung_up_on",
        "star_agents/agents/replies/body.py",
        "if self._packed > self._largest:",
        "if False:",
    ),
    _mutant(
        "no-wait-on-the-event-loop",
        "LiteLLM's sync requests are refused on the event loop",
        "test_transport_limits.py::test_litellm_never_waits_for_a_server_on_the_event_loop",
        "star_agents/agents/transports/litellm_http.py",
        "            asyncio.get_running_loop()\n            raise",
        "            raise RuntimeError\n            raise",
    ),
    # Secrets, and texts that would be run
    _mutant(
        "secrets-in-answers",
        "a secret that a reply repeats is struck out before anybody keeps the reply",
        "test_canary_forms.py::test_a_reply_that_repeats_a_secret_is_no_answer_and_holds_it_nowhere",
        _READING,
        "    answer = redactor.known(written)\n",
        "    answer = written\n",
    ),
    _mutant(
        "secrets-in-thoughts",
        "a secret in a model's thoughts is struck out before they are kept",
        "test_canary_forms.py::test_a_reply_that_repeats_a_secret_is_no_answer_and_holds_it_nowhere",
        _READING,
        "redactor.known(thoughts[: _LONGEST_THOUGHTS + 1_000])",
        "thoughts",
    ),
    _mutant(
        "secrets-in-errors",
        "a secret in a provider's error is struck out before it is quoted",
        "test_agents_translate.py::test_secrets_are_removed_before_a_message_is_shortened",
        "star_agents/agents/translate.py",
        "said = redactor.text(text[:_READ])",
        "said = text[:_READ]",
    ),
    _mutant(
        "secrets-in-base64",
        "a secret is found wherever in base64 it stands",
        "test_canary_forms.py::test_of_a_secret_of_any_length_nothing_remains_in_any_form",
        "star_agents/text/redaction.py",
        "for before in range(3):",
        "for before in range(1):",
    ),
    _mutant(
        "secrets-in-revisions",
        "a revision of the config is kept without the secrets that stand in agents.yaml",
        "test_canary_forms.py::test_no_form_of_a_secret_in_any_place_of_a_reply_is_kept_or_shown",
        _BUILDING,
        "*revision_of(config, os.environ)",
        '"digest", config.model_dump_json()',
    ),
    _mutant(
        "secrets-in-the-journal",
        "the journal keeps the parameters of a call without the values of headers",
        "test_canary_forms.py::test_no_form_of_a_secret_in_any_place_of_a_reply_is_kept_or_shown",
        "star_agents/agents/deployment_groups.py",
        "= shown_parameters({",
        "= dict({",
    ),
    _mutant(
        "secrets-at-rest",
        "repair strikes secrets out of what older releases kept of calls and outcomes",
        "test_secrets_at_rest.py::test_repair_leaves_nothing_of_them_in_the_folder_but_in_a_copy_that_it_names",
        "star_agents/storage/secrets_at_rest.py",
        "for name in _STRUCK:",
        "for name in ():",
    ),
    _mutant(
        "text-of-a-row",
        "retention keeps the text of a trial that a row stands in for",
        "test_storage_retention.py::test_old_texts_go_and_the_books_stay",
        "star_agents/storage/queries.sql",
        "    AND NOT EXISTS (SELECT 1 FROM rows WHERE rows.seq = trials.seq AND rows.text_of = trials.ord);",
        ";",
    ),
    _mutant(
        "bits-of-older-measures",
        "a measure of an older store is counted from its trials",
        "test_storage_curve.py::test_tallies_are_what_a_recount_of_every_outcome_gives",
        "star_agents/storage/old_candidates.py",
        'found["pi_llm"] = assessed["verdict"]["value"]',
        'found["pi_llm"] = 0.5',
    ),
    _mutant(
        "secrets-in-unused-pages",
        "repair leaves no secret in pages of the file that are not in use",
        "test_secrets_at_rest.py::test_repair_leaves_nothing_of_them_in_the_folder_but_in_a_copy_that_it_names",
        "star_agents/storage/secrets_at_rest.py",
        '    connection.execute("VACUUM")\n',
        "",
    ),
    _mutant(
        "terminal-escapes",
        "what is printed steers no terminal",
        "test_printing.py::test_every_other_character_is_shown_and_not_sent",
        "star_agents/text/printing.py",
        "    return _escaped(redactor.known(text))",
        "    return redactor.known(text)",
    ),
    _mutant(
        "formulas-in-csv",
        "no cell of a CSV that is written is a formula",
        "test_formula_cells.py::test_cells_names_of_columns_and_nothing_else_are_marked",
        "star_agents/storage/row_writing.py",
        "return guard(writable(value)) if isinstance(value, str)",
        "return writable(value) if isinstance(value, str)",
    ),
    _mutant(
        "carriage-returns-in-csv",
        "a carriage return in a cell ends no row",
        "test_formula_cells.py::test_a_carriage_return_in_a_cell_ends_no_row",
        "star_agents/storage/row_writing.py",
        "csv.writer(_LineFeeds(text), lineterminator=_CR_LF)",
        'csv.writer(text, lineterminator="\\n")',
    ),
    # What holds on one transport holds on all
    _mutant(
        "sent-once",
        "LiteLLM's SDKs send nothing a second time behind our budgets",
        "test_litellm_ways.py::test_every_provider_is_asked_through_a_guard_or_known_not_to_be",
        "star_agents/agents/transports/litellm_http.py",
        "lambda self, max_retries: 0)",
        "lambda self, max_retries: max_retries)",
    ),
    _mutant(
        "other-ways-are-refused",
        "a provider that LiteLLM reaches past our guards is refused",
        "test_litellm_ways.py::test_a_provider_that_passes_the_guards_is_refused_with_its_field_and_a_way_out",
        "star_agents/agents/endpoints.py",
        'message, fix = REFUSED.get(provider, ("", ""))',
        'message, fix = "", ""',
    ),
    _mutant(
        "counts-cost-no-answer",
        "a count that cannot be costs no answer on LiteLLM's way",
        "test_transport_limits.py::test_a_count_that_cannot_be_costs_no_answer_on_any_way",
        "star_agents/agents/transports/litellm_http.py",
        "return body if mended is None else encode(mended)",
        "return body",
    ),
    _mutant(
        "fields-cost-no-answer",
        "what LiteLLM raises over beside an answer costs no answer",
        "test_transport_limits.py::test_a_message_without_a_role_is_an_answer_all_the_same",
        "star_agents/agents/transports/litellm.py",
        "if (answer := await _own_reading(heard.body, call)) is None:",
        "if (answer := None) is None:",
    ),
    _mutant(
        "headers-that-none-can-be",
        "a header that no request can carry is a problem of agents.yaml",
        "test_config.py::test_a_header_that_no_request_can_carry_is_refused_with_its_line",
        "star_agents/config/requests.py",
        "elif not (value.isascii() and value.isprintable()):",
        "elif False:",
    ),
    _mutant(
        "password-beside-a-key",
        "a password in an address beside a key is a problem of agents.yaml",
        "test_config.py::test_a_password_in_an_address_beside_a_key_is_refused_and_never_repeated",
        "star_agents/config/requests.py",
        "if one.api_key is not None and",
        "if False and",
    ),
    _mutant(
        "a-long-rest-is-down",
        "a rest longer than an outage is waited for is as good as one",
        "test_agents_gate.py::"
        "test_a_rest_longer_than_an_outage_is_waited_for_is_as_good_as_one_to_who_comes_and_to_who_waits",
        "star_agents/agents/waiters.py",
        "return longest_rest_s(when_down_s) < rest_s < give_up_after_s",
        "return False",
    ),
)
