// What the API answers. Made from its models by `python -m star_agents.web.page_types`; not to be edited.

/**
 * An agent of agents.yaml while a daemon is at work.
 *
 * @typedef {Object} AgentAtWork
 * @property {number} calls Answered ones.
 * @property {number | null} usd US dollars: the sum of the known prices; null where nothing is known of it.
 * @property {number} calls_of_unknown_price
 * @property {number | null} usd_per_call US dollars per call of known price; null before the first.
 * @property {number} candidates Answers of pairs that it is part of, base pairs aside.
 * @property {number} wins Those of them that were chosen.
 * @property {number | null} win_rate Share of its candidates that were chosen, from 0 to 1; null before the first.
 * @property {number} win_rate_low Where the 95 % interval of that share begins (Wilson).
 * @property {number} win_rate_high Where it ends.
 * @property {number} failed Calls that its providers failed, all their tries together.
 * @property {Record<string, number>} errors Calls without an answer by how they ended: `rate_limited`,
 *   `unavailable`, `refused`, `budget`, `cancelled`.
 * @property {number} retries Tries after the first.
 * @property {Latency | null} latency_s Null before the first answer.
 * @property {number | null} tokens_per_second Completion tokens per second of the newest answers; null before the
 *   first.
 * @property {number} in_flight Calls that it works on.
 * @property {number} queued Calls that wait for it.
 * @property {boolean} is_down None of its deployments takes calls; those that are asked for wait.
 * @property {DeploymentState[]} deployments
 * @property {ThrottleState[]} throttled What slows it down: its provider's 429s, its own requests or tokens per
 *   minute.
 */

/**
 * What one agent's calls by batch came to, over the life of the store.
 *
 * @typedef {Object} AgentBatches
 * @property {number} gathered Calls that wait for a batch now.
 * @property {number | null} gathered_since Seconds since 1970; null where none waits.
 * @property {number} batches
 * @property {number} requests
 * @property {number} answered
 * @property {number} failed Came back with an error.
 * @property {number} unanswered Were in batches that ended without them: they went again, alone, or failed.
 * @property {number} duplicates Results that came twice.
 * @property {number} unknown Results of calls that were not in the batch.
 * @property {number} unreadable Lines of results, or replies in them, that nobody can read.
 */

/**
 * Every agent that was ever called.
 *
 * @typedef {Object} Agents
 * @property {Record<string, AgentAtWork | CalledAgent>} agents
 */

/**
 * How far a judge can be trusted, by its own games. Shares have intervals of their own.
 *
 * @typedef {Object} ArenaJudge
 * @property {string} judge
 * @property {number} games
 * @property {number} unreadable Games whose reply could not be read, though it was asked once more.
 * @property {number} both_orders Battles that it judged in both orders: what the shares are of.
 * @property {WinRate} agreement Battles whose two orders name the same winner, or both none.
 * @property {WinRate} by_position Battles of which each order names the answer at the same place.
 * @property {WinRate} first_won Decided games won by what was shown first; fair is one half.
 * @property {boolean} has_position False of a reward model, which measures each answer by itself: of orders and
 *   places nothing can be said.
 * @property {number | null} first_bonus Points by which what is shown first is favoured.
 * @property {WinRate} longer_won Decided battles won by the longer answer.
 * @property {number} own_battles Battles in which it plays, too, and that others judged as well.
 * @property {number | null} self_preference Points by which it favours its own answers over what other judges think
 *   of them; null without such battles.
 */

/**
 * What an arm of a pool was drawn for, and what it earned.
 *
 * @typedef {Object} Arm
 * @property {number | null} probability With which it is drawn; null for one that is gone.
 * @property {number | null} probability_at_start Likewise when it came.
 * @property {boolean} came_later Whether it came to the pool after the first ones.
 * @property {string} mark What else is said of it, in a few words; mostly nothing.
 * @property {number} draws
 * @property {number} rewards
 * @property {number | null} mean_reward From 0 to 1; null before the first.
 * @property {Grown | null} [grown] Null for one that its recipe declares.
 */

/**
 * A question, and what each model has for it.
 *
 * @typedef {Object} AskedQuestion
 * @property {string} id
 * @property {string} category
 * @property {Record<string, number | null>} scores By model: the mean over turns and repeats; null without a grade.
 */

/**
 * A batch that is not done with.
 *
 * @typedef {Object} BatchAtWork
 * @property {string} id Ours.
 * @property {string} agent
 * @property {string} model
 * @property {"made" | "submitted" | "ended" | "done"} state Decided on; at the provider; taken in; and its files
 *   are deleted.
 * @property {string} said The provider's word for its state; empty before it was asked.
 * @property {string} provider_id
 * @property {number} requests
 * @property {number} answered
 * @property {number} made_at Seconds since 1970.
 * @property {number | null} submitted_at
 */

/**
 * Calls that go by the batches of their providers.
 *
 * @typedef {Object} Batches
 * @property {number} seeds Of those that wait: they wait for such calls.
 * @property {Record<string, AgentBatches>} agents Those that had any.
 * @property {BatchAtWork[]} at_work Batches that are not done with, oldest first.
 */

/**
 * A row with everything behind it.
 *
 * @typedef {Object} BrowsedDetail
 * @property {BrowsedRow} row
 * @property {RowReview[]} reviews All that were given, newest first.
 * @property {SeedStory} story
 */

/**
 * What can be looked for in a folder.
 *
 * @typedef {Object} BrowsedFacts
 * @property {string} folder
 * @property {number} outcomes
 * @property {string[]} recipes
 * @property {string[]} arms
 * @property {string[]} measures
 * @property {Record<string, string[]>} labels Values by label, of the newest outcomes.
 * @property {number} looked_at How many outcomes recipes and labels were read from.
 * @property {Record<string, number>} reviews Rows by the review that counts.
 * @property {string} reviewer Who reviews here; empty: nobody.
 * @property {string} why_no_review Why no row can be reviewed; empty where they can be.
 */

/**
 * Rows that were looked for.
 *
 * @typedef {Object} BrowsedPage
 * @property {BrowsedRow[]} rows
 * @property {string | null} next Cursor of what follows; null at the end.
 * @property {number} outcomes How many there are.
 * @property {number} looked_at Of them, with this page and those before it; with an order by a measure, with this
 *   page.
 * @property {boolean} is_cut Time was up before all were looked at: by its cursor it goes on; an order by a measure
 *   is one of those seen.
 */

/**
 * A row of the dataset, or a seed that gave none.
 *
 * @typedef {Object} BrowsedRow
 * @property {number} seq The outcome that gave it.
 * @property {number} ord Its place among the rows of the outcome; -1: a seed without rows.
 * @property {number} at
 * @property {string} seed_id
 * @property {"sft" | "preference" | "reward" | "instruction" | ""} shape Empty for a seed without rows.
 * @property {"kept" | "base" | "dropped"} kind
 * @property {string} reason Why it was dropped.
 * @property {string} recipe
 * @property {string} arm Whose text it is, such as an agent-pair; empty where nobody's.
 * @property {number | null} cost_usd Of the seed's calls; null where a price is unknown.
 * @property {string} source
 * @property {Record<string, string>} labels
 * @property {Record<string, number | null>} measures Of the trial behind it, and a reward row's margin.
 * @property {Record<string, string>} texts What it says, by name: `instruction`, `input`, `response`, or `chosen`
 *   and `rejected`; these may be edited.
 * @property {RowReview | null} review The one that counts.
 */

/**
 * One budget of agents.yaml and where it stands; amounts are in its unit.
 *
 * @typedef {Object} BudgetState
 * @property {string} key Where agents.yaml sets it, such as `agents.gpt.budget_usd_per_day`.
 * @property {"usd" | "calls" | "tokens"} unit
 * @property {number} limit What may be spent.
 * @property {number} spent What is spent.
 * @property {number} reserved What calls in flight may still take.
 * @property {number | null} resets_at Seconds since 1970 when a daily budget begins anew; null for one that holds
 *   for the life of the store.
 * @property {string} reached Why a call was refused, in one sentence; empty while the budget is not reached.
 */

/**
 * A measure of the seeds with a label.
 *
 * @typedef {Object} ByLabel
 * @property {Values} all
 * @property {Values | null} before All but the newest ones; null while there are too few to tell them apart.
 * @property {Values | null} newest The newest 50 to 99.
 */

/**
 * An agent while a daemon is at work; agents.yaml need not have it any more.
 *
 * @typedef {Object} CalledAgent
 * @property {number} calls Answered ones.
 * @property {number | null} usd US dollars: the sum of the known prices; null where nothing is known of it.
 * @property {number} calls_of_unknown_price
 * @property {number | null} usd_per_call US dollars per call of known price; null before the first.
 * @property {number} candidates Answers of pairs that it is part of, base pairs aside.
 * @property {number} wins Those of them that were chosen.
 * @property {number | null} win_rate Share of its candidates that were chosen, from 0 to 1; null before the first.
 * @property {number} win_rate_low Where the 95 % interval of that share begins (Wilson).
 * @property {number} win_rate_high Where it ends.
 * @property {number} failed Calls that its providers failed, all their tries together.
 * @property {Record<string, number>} errors Calls without an answer by how they ended: `rate_limited`,
 *   `unavailable`, `refused`, `budget`, `cancelled`.
 * @property {number} retries Tries after the first.
 * @property {Latency | null} latency_s Null before the first answer.
 * @property {number | null} tokens_per_second Completion tokens per second of the newest answers; null before the
 *   first.
 */

/**
 * Calls to agents over the life of the store.
 *
 * @typedef {Object} Calls
 * @property {number} answered
 * @property {number} pending Sent without an answer yet: in flight, or cut off when a daemon was killed.
 * @property {number} maybe_paid_twice Sent again because no answer had been recorded.
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 */

/**
 * One trial of a seed.
 *
 * @typedef {Object} Candidate
 * @property {string} pair Its arm, such as an agent-pair.
 * @property {string} role As its recipe names it.
 * @property {boolean} is_base
 * @property {boolean} chosen
 * @property {Message[]} messages Empty where they were cleared.
 * @property {string} failure Empty where it could be used.
 * @property {CandidateScore | null} score
 * @property {number | null} pi_dual Factor of Eq. 5.
 * @property {number | null} pi_llm Factor of Eq. 6.
 * @property {number | null} pi Eq. 7.
 * @property {Record<string, number | null>} measures What its recipe measured; null where it could not be.
 * @property {CandidateVerdict | null} verdict
 * @property {Record<string, string>} models By agent.
 * @property {string[]} prompts Versions of the prompts.
 * @property {string} trace What tools were called on the way and what they gave, to be read; empty where none was.
 * @property {number | null} cost_usd
 */

/**
 * What the scorer says of a candidate (Eq. 4).
 *
 * @typedef {Object} CandidateScore
 * @property {number | null} ifd_small Null together with a reason.
 * @property {number | null} ifd_large
 * @property {number | null} gap IFD_small - IFD_large.
 * @property {string} reason Why there is no score.
 * @property {string} formula Which IFD it is.
 * @property {number} response_tokens Scored by the small model.
 */

/**
 * What the referees said of a candidate.
 *
 * @typedef {Object} CandidateVerdict
 * @property {number | null} value Null: nothing that can be read stands behind it.
 * @property {Vote[]} votes
 * @property {string} failure Why no referee answered.
 */

/**
 * An edit of agents.yaml that came into force.
 *
 * @typedef {Object} ConfigMark
 * @property {number} revision
 * @property {number} seq The newest outcome when it did; 0: none yet.
 * @property {number} at Seconds since 1970.
 * @property {string[]} changes As `changes_between` has them.
 */

/**
 * US dollars over the life of the store.
 *
 * @typedef {Object} Cost
 * @property {number | null} usd Sum of the known prices; null where nothing is known of it.
 * @property {number} calls_of_unknown_price
 * @property {number | null} usd_per_sample Per seed that became a sample; null before the first.
 * @property {number | null} usd_per_improved Per seed that was kept and not as its base; null before the first.
 * @property {number | null} projected_usd What it will have cost once every seed is done, if the rest is like those
 *   that are; null before the first.
 */

/**
 * At most a thousand points from the first outcome to now, and the edits of agents.yaml on the way.
 *
 * @typedef {Object} Curve
 * @property {CurvePoint[]} points
 * @property {ConfigMark[]} marks
 */

/**
 * The probabilities of a pool that were in force after one outcome.
 *
 * @typedef {Object} CurvePoint
 * @property {number} seq The outcome; 0: none yet.
 * @property {number} at
 * @property {Record<string, number>} probabilities Of each arm that was configured then.
 */

/**
 * One deployment of an agent, right now.
 *
 * @typedef {Object} DeploymentState
 * @property {string} name
 * @property {"closed" | "open" | "half_open"} breaker `closed` while it takes calls, `open` while it is down,
 *   `half_open` while one call tries it.
 * @property {number} limit Calls that may be in flight.
 * @property {number} in_flight Calls.
 * @property {number | null} opens_in_s Seconds until it may be tried; null where it may be tried now, or its probe
 *   is out.
 * @property {string | null} last_error What it failed with, or what its server waits for; null once it has answered
 *   again.
 * @property {boolean} is_held Its server is started beside the work, and cannot be asked now.
 */

/**
 * One process that sends.
 *
 * @typedef {Object} EgressProcess
 * @property {string} name Where it is.
 * @property {number} in_flight Requests without a reply yet.
 * @property {number} sent Requests that it was given.
 */

/**
 * Who sends the requests of calls beside the daemon.
 *
 * @typedef {Object} EgressState
 * @property {EgressProcess[]} processes
 * @property {number} sent_here Requests that the daemon sent itself: no process was at work, or none that reaches
 *   this machine's own servers.
 * @property {number} lost Processes that were lost so far.
 * @property {number} calls_lost Requests that they had in flight: they were sent again, and count as maybe paid
 *   twice.
 */

/**
 * One model's answer to one turn, and what the judge made of it.
 *
 * @typedef {Object} EvaluatedAnswer
 * @property {string} model
 * @property {number} repeat
 * @property {number} turn
 * @property {string} asked
 * @property {string} answer
 * @property {number | null} score
 * @property {string} judgement
 * @property {string} [unread] Why there is no grade; empty where there is one.
 * @property {string} [ended] How the answer ended, if not well.
 */

/**
 * What one model came to on a benchmark.
 *
 * @typedef {Object} EvaluatedModel
 * @property {string} model
 * @property {ScoreEstimate} score
 * @property {Record<string, ScoreEstimate>} by_category
 * @property {number} graded
 * @property {number} unreadable
 * @property {number} missing
 */

/**
 * All answers to a question, turn by turn.
 *
 * @typedef {Object} EvaluatedQuestion
 * @property {string} id
 * @property {string} category
 * @property {EvaluatedAnswer[]} answers
 */

/**
 * The evaluation that a folder holds, as `evaluate` last wrote it; without models where there is none.
 *
 * @typedef {Object} Evaluation
 * @property {string} [benchmark]
 * @property {string} [judge]
 * @property {EvaluatedModel[]} [models] The best first.
 * @property {AskedQuestion[]} [questions]
 * @property {string} [unread] Why nothing can be told of an evaluation that is there; empty where something can.
 */

/**
 * Who judges, and how well.
 *
 * @typedef {Object} Exams
 * @property {string} mode `refuse`, `warn` or `off`; empty where nobody judges.
 * @property {Record<string, JudgeExam>} judges Each judge that sat its exam, the ones that failed included.
 * @property {Record<string, string>} not_examined Judges that could not be asked, and why.
 */

/**
 * A training that gave no model.
 *
 * @typedef {Object} FailedTraining
 * @property {string} reason
 */

/**
 * How often one part failed for one reason, and was done without.
 *
 * @typedef {Object} FailureTold
 * @property {"agent" | "referee" | "scorer" | "embedder" | "usage" | "seeds" | "documents" | "chunks" | "recipe" |
 *   "tool" | "instructions" | "arm" | "pool" | "rows" | "reported" | "admission"} part
 * @property {string} name Of the agent, embedder, seed file or recipe; empty for the scorer.
 * @property {string} reason
 * @property {number} failures
 * @property {number} tries Of the part, whatever came of them.
 * @property {string} example What was said the first time.
 * @property {string} sentence All of it in words.
 */

/**
 * IFD gaps of candidates (numerator of Eq. 5), counted by bins of equal width.
 *
 * @typedef {Object} Gaps
 * @property {number} width Of a bin.
 * @property {number} low Where the first bin begins. The first and the last bin hold all beyond them, too.
 * @property {number[]} chosen Of the candidates that were chosen.
 * @property {number[]} others Of the others.
 */

/**
 * How an arm came into a pool to which its recipe added it while it worked.
 *
 * @typedef {Object} Grown
 * @property {string} what In words.
 * @property {number} seq Number of the outcome that added it.
 * @property {string[]} evidence Ids of the seeds that it was made from.
 * @property {string} retired Why it is drawn no more; empty while it is.
 * @property {number} retired_seq Number of the outcome that took it out; 0 while it is drawn from.
 */

/**
 * How a judge did in its exam: counts of pairs of answers, but for `unreadable`.
 *
 * @typedef {Object} JudgeExam
 * @property {string} judge The agent.
 * @property {string} model
 * @property {string} exam Version of the pairs.
 * @property {string} prompt Version of the prompt that the judge was asked with.
 * @property {number} pairs
 * @property {number} right Pairs in which both orders named the better answer.
 * @property {number} unreadable Orders in which no reply could be read, the second try included; of twice as many
 *   as there are pairs.
 * @property {number} named_first Pairs in which both orders named the answer that was shown first.
 * @property {number} named_second Likewise the second.
 * @property {number} frames Pairs whose worse answer breaks its frame.
 * @property {number} broken Those of them in which the worse answer was named.
 * @property {number} needed Pairs that have to be right.
 * @property {string} needs What it takes to pass, in words.
 * @property {boolean} passed
 * @property {number} accuracy Share of the pairs that are right, from 0 to 1.
 * @property {number} unreadable_share Share of the orders without a verdict, from 0 to 1.
 * @property {number | null} position_bias Share of the pairs in which both orders named the same place, from 0 to
 *   1; null of a reward model, which measures each answer by itself.
 */

/**
 * What the rewards of a judge that is a reward model stand for, in points.
 *
 * @typedef {Object} JudgeScale
 * @property {string} judge `reward:MODEL`.
 * @property {string} target Who learns; empty where nobody does.
 * @property {string[]} jury Who judges.
 * @property {number} battles That were measured for it so far.
 * @property {number} wanted That it is made of.
 * @property {string} scale Its name; empty before it is made.
 * @property {number | null} same_winner Share of its battles in which the other judges name the same winner, from 0
 *   to 1; null where nobody knows.
 * @property {number} seeds_waiting Seeds that are decided once it is made.
 * @property {string} sentence All of it in words.
 */

/**
 * Seconds from asking to the answer, of the newest answers.
 *
 * @typedef {Object} Latency
 * @property {number} p50 Half of them took no longer.
 * @property {number} p95 Of twenty, nineteen took no longer.
 */

/**
 * Outcomes, oldest first, and the cursor that goes on behind them.
 *
 * @typedef {Object} LaterOutcomes
 * @property {OutcomeSummary[]} outcomes
 * @property {number} next_after
 */

/**
 * Ratings of the players of an arena: a Bradley-Terry fit, with intervals from a bootstrap over prompts.
 *
 * @typedef {Object} Leaderboard
 * @property {number} seq The newest outcome in it.
 * @property {string} anchor Player whose rating is fixed; empty where nobody played.
 * @property {number} anchor_rating
 * @property {number} prompts
 * @property {number} battles
 * @property {number} one_order_only Battles of a judge with one order that can be read; they do not count.
 * @property {RatedPlayer[]} players The strongest first.
 * @property {Record<string, Record<string, number>>} points Battles that a player won against another, a tie half a
 *   battle.
 * @property {Record<string, Record<string, number>>} meetings Battles of a player with another.
 * @property {ArenaJudge[]} judges
 * @property {number | null} juror_spread How far jurors lie apart on the same battle, in points; null for one
 *   juror.
 * @property {Record<string, Record<string, Record<string, number | null>>>} by_label By label (`category`,
 *   `language`), by its value and by player: the share of points won, a tie half a point.
 */

/**
 * The event loop turns.
 *
 * @typedef {Object} Live
 * @property {true} live
 */

/**
 * Lines of the log, oldest first.
 *
 * @typedef {Object} LogLines
 * @property {({n: number, timestamp: string, level: string, event: string} & Record<string, unknown>)[]} lines
 */

/**
 * What came of something that a recipe measures of its trials.
 *
 * @typedef {Object} Measured
 * @property {string} name
 * @property {number} low Where the histogram begins; what lies below counts in its first bin.
 * @property {number} high Where it ends; what lies above counts in its last bin.
 * @property {"high" | "low" | ""} better Which way is better; empty where neither is.
 * @property {string} what In words.
 * @property {number} values How many there are; a trial of which it could not be measured has none.
 * @property {number | null} mean Of the values; null before the first.
 * @property {number} sum Of the values.
 * @property {number[]} histogram Values by bins of equal width.
 */

/**
 * The memory bank of instructions.
 *
 * @typedef {Object} Memory
 * @property {number | null} size Instructions that it finds; null where no daemon holds it.
 * @property {number | null} at_most The most that it holds, `memory.max_items`; null where no daemon holds it.
 * @property {number} waiting Instructions that are not in its index yet: many after a start that had to make the
 *   index anew, and until then not all that is near is found. Those that other pools recall by count here and
 *   below, too.
 * @property {number} forgotten The oldest, which it no longer holds.
 * @property {number} left_out Those that cannot be compared: their vectors have another length than the others, or
 *   could not be read.
 * @property {string} trouble Why no more are taken in; empty: they are.
 * @property {number} renewed Graphs of its index that were made anew since the start, for they found too little; of
 *   instructions unlike the first ones, for the most part.
 * @property {number | null} recall Share of the nearest five that the worst graph was found to find, from 0 to 1;
 *   null before one was measured.
 * @property {number} draws Draws of pairs, one for each seed that was worked.
 * @property {number} hits Those of them in which the bank proposed a pair.
 * @property {number | null} hit_rate Share of the draws, from 0 to 1; null before the first.
 */

/**
 * One turn of a conversation.
 *
 * @typedef {Object} Message
 * @property {string} role
 * @property {string} content
 */

/**
 * Outcomes, newest first, and the cursor of the next page.
 *
 * @typedef {Object} OutcomePage
 * @property {OutcomeSummary[]} outcomes
 * @property {number | null} next_before Null on the last page.
 */

/**
 * How a seed ended, in a line.
 *
 * @typedef {Object} OutcomeSummary
 * @property {number} seq Place in the order in which outcomes took effect.
 * @property {number} at
 * @property {string} seed_id
 * @property {string} recipe Which worked it.
 * @property {"kept" | "base" | "dropped"} kind
 * @property {string} reason
 * @property {string | null} pair Arm of what was chosen, such as an agent-pair; null where there is none.
 * @property {number | null} pi What was measured of it under these names, like the next three; null where it was
 *   not.
 * @property {number | null} gap
 * @property {number | null} ifd_small
 * @property {number | null} ifd_large
 * @property {number | null} cost_usd Of the seed's calls.
 * @property {number} candidates Trials.
 * @property {number} failed Those that could not be used.
 * @property {number} rows Which it gave to the dataset.
 * @property {number} children Seeds that were made from its seed.
 * @property {string} question How the seed begins.
 */

/**
 * What an agent-pair did for the finished seeds.
 *
 * @typedef {Object} Pair
 * @property {number} candidates
 * @property {number} wins Candidates that were chosen.
 * @property {number | null} usd US dollars: the sum of the known costs of its candidates; null where nothing is
 *   known of it.
 * @property {number} candidates_of_unknown_cost
 * @property {number | null} usd_per_win Known US dollars per candidate that was chosen; null before the first.
 * @property {number | null} probability Null for base pairs, which are not drawn, and for pairs that are gone.
 */

/**
 * What an agent-pair did for the finished seeds, and for how much.
 *
 * @typedef {Object} PairCost
 * @property {number} candidates
 * @property {number} wins Candidates that were chosen.
 * @property {number | null} usd US dollars: the sum of the known costs of its candidates; null where nothing is
 *   known of it.
 * @property {number} candidates_of_unknown_cost
 * @property {number | null} usd_per_win Known US dollars per candidate that was chosen; null before the first.
 */

/**
 * Every pair that was ever asked.
 *
 * @typedef {Object} Pairs
 * @property {Record<string, Pair>} pairs
 */

/**
 * What a recipe draws from.
 *
 * @typedef {Object} Pool
 * @property {Record<string, Arm>} arms By name: those that it declares in its order, then those that are gone.
 */

/**
 * One thing wrong in a file that a person wrote.
 *
 * @typedef {Object} Problem
 * @property {string} where `agents.yaml:12` or `seeds.jsonl:7`.
 * @property {string} field Dotted path of the field, such as `agents.gpt.model`; empty where the whole line is at
 *   fault.
 * @property {string} message What is wrong.
 * @property {string} [fix] What to do about it.
 */

/**
 * An error, as RFC 9457 has it.
 *
 * @typedef {Object} ProblemDocument
 * @property {string} type
 * @property {string} title
 * @property {number} status
 * @property {string} detail
 * @property {Problem[]} [problems] Of seeds that could not be taken in: every bad row.
 */

/**
 * The seeds that were set aside.
 *
 * @typedef {Object} Quarantine
 * @property {QuarantinedSeed[]} seeds
 */

/**
 * A seed that is not worked any more, because the process died with it in hand too often.
 *
 * @typedef {Object} QuarantinedSeed
 * @property {string} id
 * @property {string} source Where it came from, for people: `seeds.jsonl:12`.
 * @property {number} attempts How often it was taken from the queue.
 * @property {number} deaths
 */

/**
 * How fast it goes.
 *
 * @typedef {Object} Rate
 * @property {number} seeds_per_minute Of the last five minutes.
 * @property {number} seeds_per_minute_overall Since the process started.
 * @property {number | null} usd_per_hour US dollars, of the last five minutes; null where nothing is known of it.
 * @property {number | null} eta_s Seconds until every seed is done at this pace; null while nothing moves.
 */

/**
 * How strong a player is.
 *
 * @typedef {Object} RatedPlayer
 * @property {string} player Its agent.
 * @property {string} standing `rated`; or `wins all`, `loses all`, `unrated`, for which no rating fits.
 * @property {number | null} rating Elo points; null unless rated.
 * @property {number | null} low Ends of the 95 % interval; null: open on that side.
 * @property {number | null} high
 * @property {number} battles
 * @property {number} wins
 * @property {number} ties
 * @property {number} losses
 */

/**
 * What a recipe did over the life of the store.
 *
 * @typedef {Object} RecipeState
 * @property {string[]} takes Kinds of seeds: `sample`, `instruction`, `document`.
 * @property {boolean} in_chain Whether agents.yaml has it; what is no longer there keeps its numbers.
 * @property {Record<string, number>} outcomes Seeds by what became of them: `kept`, `base`, `dropped`.
 * @property {Record<string, number>} rows What it gave to the dataset, by shape: `sft`, `preference`, `reward`,
 *   `instruction`.
 * @property {number} children Seeds that it gave to the next recipe.
 * @property {number} trials Attempts at seeds, failed ones included.
 * @property {Record<string, number>} failed_trials By kind of failure.
 * @property {Record<string, Measured>} measures By name, in the order in which the recipe declares them.
 */

/**
 * What the referees said of candidates, in numbers.
 *
 * @typedef {Object} Referee
 * @property {number} verdicts Candidates that were compared with the base and on which there was a verdict.
 * @property {number} wins
 * @property {number} losses
 * @property {number} ties
 * @property {number} won_by_tie Improved seeds whose winner was a tie with the base: its gap decided (Eq. 7).
 * @property {number} without_verdict Candidates that were judged in vain.
 * @property {number} both_orders Readable votes that were asked for in both orders.
 * @property {number} agree Those of them in which both orders said the same.
 * @property {number | null} agreement Share of them, from 0 to 1; null before the first.
 * @property {number} unreadable Votes with a reply that held no verdict.
 * @property {Exams | null} exam Of the judges in force; null before there was one.
 */

/**
 * What was refused of the instructions that an arm was drawn for.
 *
 * @typedef {Object} RefusedArm
 * @property {string} recipe
 * @property {string} arm
 * @property {number} instructions That came of it.
 * @property {number} refused
 * @property {Record<string, number>} reasons How many for each, the most frequent first.
 */

/**
 * How many were queued again.
 *
 * @typedef {Object} Released
 * @property {number} released
 */

/**
 * One step of rounds: what its battles came to, what was learned, and how good the target is since. What is not
 * there yet is null.
 *
 * @typedef {Object} RoundStep
 * @property {string} name
 * @property {string[]} phases Those that are done.
 * @property {boolean} given_up Its training failed, and the rounds went on without it.
 * @property {FailedTraining[]} failures
 * @property {number | null} rows
 * @property {number | null} own_rows Of these rows, those of its own part.
 * @property {number | null} battles
 * @property {number | null} loss_rate Share of its battles that the target of then lost.
 * @property {number | null} difficulty Points by which the best opponent was ahead, over instructions that gave a
 *   row to fine-tune on.
 * @property {number | null} first_loss
 * @property {number | null} last_loss
 * @property {TargetRating | null} rating
 * @property {TargetRating | null} gain
 * @property {string | null} gain_over The step whose target the gain is over.
 * @property {TargetScore | null} benchmark
 */

/**
 * The rounds that a folder is part of; without steps where there are none.
 *
 * @typedef {Object} Rounds
 * @property {number} [rounds] How many there are to be.
 * @property {string} [target] The newest one that took the place.
 * @property {string | null} [anchor] Player whose rating is 1000.
 * @property {number} [exam_prompts]
 * @property {number} [exam_battles]
 * @property {string} [stopped] Why they ended early; empty: they did not.
 * @property {string[]} [troubles]
 * @property {RoundStep[]} [steps]
 * @property {string} [unread] Why nothing can be told of rounds that are there; empty where something can.
 */

/**
 * What a person said of a row.
 *
 * @typedef {Object} RowReview
 * @property {"accepted" | "rejected" | "edited" | "withdrawn"} verdict
 * @property {string} reviewer
 * @property {number} at Seconds since 1970.
 * @property {Record<string, string>} texts What an edited row says now, by the name of the text; empty otherwise.
 */

/**
 * A mean grade with its 95 % interval.
 *
 * @typedef {Object} ScoreEstimate
 * @property {number | null} value
 * @property {number | null} low
 * @property {number | null} high
 */

/**
 * A scorer process that runs on another machine.
 *
 * @typedef {Object} ScorerPlace
 * @property {string} name Of its node.
 * @property {boolean} works Whether a process runs there; false while it starts.
 * @property {number} tokens Tokens that went through its models so far.
 */

/**
 * How the scorer does, over all of its processes.
 *
 * @typedef {Object} ScorerState
 * @property {number} workers Processes that run.
 * @property {number} waiting Items that are in no request yet.
 * @property {number} oldest_seconds Age of the call that waits the longest; 0 where none waits.
 * @property {number} answered Items answered so far: samples scored and texts embedded.
 * @property {number} tokens Tokens that went through models so far.
 * @property {number} busy_seconds Time in requests, summed over the processes.
 * @property {number} pack_fill Tokens per row of the packs: below 1 by padding, above 1 where prompts were shared;
 *   0 before the first pack.
 * @property {number} memory Bytes of main memory at the most, summed over the processes.
 * @property {number} gpu_memory Likewise of GPU memory.
 * @property {number} deaths Processes that died or hung so far; another one took the place of each.
 * @property {number} moved Items that were asked again elsewhere, since the machine that had them was lost.
 * @property {ScorerPlace[]} places The processes on other machines; empty where the scorer runs on this one.
 * @property {string[]} troubles Why processes are missing that should be there.
 * @property {number} answered_per_second Throughput of all processes while they were busy.
 * @property {number} tokens_per_second Likewise in tokens.
 */

/**
 * A call that was made for a seed.
 *
 * @typedef {Object} SeedCall
 * @property {string} step
 * @property {string} agent
 * @property {string | null} model
 * @property {string} state
 * @property {number} sends More than one where no answer had been recorded.
 * @property {number | null} cost_usd
 * @property {number | null} prompt_tokens
 * @property {number | null} completion_tokens
 * @property {number} intended_at
 * @property {number | null} answered_at
 */

/**
 * Which agent-pairs were drawn for a seed, the last time.
 *
 * @typedef {Object} SeedDraw
 * @property {string[]} base
 * @property {string[]} sampled
 * @property {number} from_memory How many of them the memory bank proposed.
 */

/**
 * A seed.
 *
 * @typedef {Object} SeedFacts
 * @property {string} id
 * @property {"sample" | "instruction" | "document"} kind
 * @property {string} recipe Which takes it; empty for the first of the chain.
 * @property {Record<string, string>} labels What was drawn for it on the way: arms by pool.
 * @property {string} part Of the seeds; empty where they are not divided.
 * @property {string} parent Seed that it was made from; empty for one from outside.
 * @property {number} round
 * @property {SeedText} sample
 * @property {string} source Where it came from, for people: `seeds.jsonl:12`.
 * @property {Record<string, unknown>} meta
 * @property {string} state
 * @property {number} attempts How often it was taken from the queue.
 * @property {number} deaths How often the process died with it in hand.
 * @property {number} added_at
 */

/**
 * How a seed ended, with everything behind it.
 *
 * @typedef {Object} SeedOutcome
 * @property {number} seq
 * @property {number} at
 * @property {number} revision Of agents.yaml.
 * @property {number | null} cleared_at When the texts of candidates that lost were cleared.
 * @property {string} recipe Which worked it.
 * @property {"kept" | "base" | "dropped"} kind
 * @property {string} reason
 * @property {string} why Why the chosen one was chosen, in one sentence.
 * @property {number | null} chosen Which of the candidates.
 * @property {number | null} cost_usd
 * @property {Candidate[]} candidates
 * @property {StoryJudgement[]} judgements In the order of asking.
 */

/**
 * The seeds of one part, by state.
 *
 * @typedef {Object} SeedPart
 * @property {number} seeds
 * @property {number} waiting
 * @property {number} working
 * @property {number} quarantined
 * @property {number} done
 */

/**
 * Everything that is known of one seed: what was drawn for it, what was asked, and how it ended, each time.
 *
 * @typedef {Object} SeedStory
 * @property {SeedFacts} seed
 * @property {SeedDraw | null} draw Null before the first draw.
 * @property {SeedCall[]} calls In order.
 * @property {SeedOutcome[]} outcomes Newest first.
 */

/**
 * What agents were shown of a seed; a document stands as one message.
 *
 * @typedef {Object} SeedText
 * @property {string} instruction Of a document, its title.
 * @property {string} input
 * @property {string | null} response
 * @property {Message[]} messages
 */

/**
 * Seeds by state; every seed counts once.
 *
 * @typedef {Object} Seeds
 * @property {number} waiting
 * @property {number} working
 * @property {number} kept Became rows; of Star, those that it improved.
 * @property {number} base Kept as their base.
 * @property {number} dropped
 * @property {number} quarantined Their work killed the process; a person may release them.
 * @property {number} stranded They wait for a recipe which is not in the chain, or for the turn of their part.
 * @property {number} catching_up Of those that wait or are worked: they add to what they have what agents.yaml asks
 *   for now.
 */

/**
 * One server of `serve` in agents.yaml.
 *
 * @typedef {Object} ServerState
 * @property {string[]} agents Whom it serves.
 * @property {"waiting" | "starting" | "ready" | "attached" | "ended" | "down" | "stopping"} state `waiting`: until
 *   somebody asks it; `attached`: it ran already and is used; `ended`: it is started again; `down`: given up.
 * @property {string} address
 * @property {number | null} pid Null where none runs that was started here.
 * @property {number | null} ready_after_s Seconds from its newest start until it could be asked; null before.
 * @property {number} restarts How often it was started again.
 * @property {number | null} gpu_memory Bytes of GPU memory that its processes hold; null where nobody can say.
 * @property {string} log File of what it writes.
 * @property {string} trouble Why it cannot be asked; empty where it can.
 * @property {string} sentence All of it in words.
 */

/**
 * The settings in force that a reader of numbers has to know.
 *
 * @typedef {Object} Settings
 * @property {number} revision Of agents.yaml.
 * @property {string[]} agents
 * @property {string[]} pairs Agent-pairs that are drawn.
 * @property {string[]} base_pairs
 * @property {number} candidates Pairs drawn for each seed.
 * @property {string} selection
 * @property {string | null} small The small scorer model; null where none is needed.
 * @property {string | null} large
 */

/**
 * Everything about a daemon, in numbers.
 *
 * @typedef {Object} Status
 * @property {Seeds} seeds
 * @property {Stranded[]} stranded
 * @property {Record<string, SeedPart>} parts Of the seeds, by name; empty where they are not divided.
 * @property {Calls} calls
 * @property {Cost} cost
 * @property {BudgetState[]} budgets
 * @property {Batches} batches Of providers, at half the price.
 * @property {Target | null} target Null where all rows are wanted that come.
 * @property {Record<string, AgentAtWork | CalledAgent>} agents Every agent that is configured, was paid, or wrote
 *   something. What it does right now is told only while it is in agents.yaml.
 * @property {Record<string, number>} pairs Agent-pairs that are drawn, with the probability of each.
 * @property {Record<string, PairCost>} pair_costs Every agent-pair that wrote for a finished seed.
 * @property {Record<string, WinRate>} win_rates How often the answers of each pair that is drawn were chosen.
 * @property {string | null} best_pair The pair whose interval lies above every other's; null where chance may order
 *   them.
 * @property {string | null} best_agent Likewise the agent.
 * @property {Gaps} gaps
 * @property {Record<string, RecipeState>} recipes By name: those of the chain in its order, then those that are no
 *   longer in it.
 * @property {Record<string, Pool>} pools By `recipe.pool`; Star's pairs stand in `pairs`.
 * @property {Record<string, Turns>} turns What the pools turned to whose recipe gives children to another one, and
 *   how seeds of an arena ended by what stands in their columns; by pool or column. GET /v1/turns/NAME tells all
 *   rows of one.
 * @property {Referee} referee
 * @property {Record<string, Exams>} exams By recipe whose judges give points: how each did in the exam of that
 *   form.
 * @property {JudgeScale[]} scales What rewards of reward models that judge stand for.
 * @property {FailureTold[]} failures What failed and was done without.
 * @property {RefusedArm[]} refused Of the instructions that recipes made, those refused, by the arm that they were
 *   drawn for: the forty arms of which most were.
 * @property {Memory} memory
 * @property {number} started_at Seconds since 1970.
 * @property {number} now Likewise.
 * @property {number} latest_seq Number of the newest outcome; 0 before the first.
 * @property {number} revision Of agents.yaml.
 * @property {Waiting | null} waiting_for Null while seeds are taken.
 * @property {string} held_because What failed beyond `failure_limits`, so that no seed is taken until somebody has
 *   mended it; else empty.
 * @property {Rate} rate
 * @property {ScorerState | null} scorer Null where none is loaded.
 * @property {StoreState} store
 * @property {ServerState[]} servers Those of `serve` in agents.yaml.
 * @property {EgressState | null} egress Null where this process sends all calls itself.
 * @property {Settings} config
 * @property {string} version Of star_agents.
 * @property {"starting" | "ready" | "paused" | "draining" | "stopped"} state
 * @property {number} pid
 * @property {string[]} config_problems What keeps an edit of agents.yaml from being in force.
 */

/**
 * How the store's writer does.
 *
 * @typedef {Object} StoreState
 * @property {number} commits Transactions so far.
 * @property {number} commit_seconds Time in them, syncing to disk included.
 * @property {number} file_bytes
 * @property {number} wal_bytes Size of the write-ahead log; it is used anew from its beginning and shrinks only at
 *   the end.
 */

/**
 * What a judge said of two candidates.
 *
 * @typedef {Object} StoryJudgement
 * @property {string} judge Empty for what no single judge said: a jury's common word, or that both answered the
 *   same.
 * @property {number} left Which of the candidates; with one order, what was shown first.
 * @property {number} right
 * @property {number[]} scores Of left and right, where the judge gives points.
 * @property {number | null} value 1: left is better, 0: right is, 0.5: neither; null: it could not be read.
 * @property {number} orders In how many orders they were shown for it; 0: each was measured by itself.
 * @property {number[]} rewards Of left and right, in units of a reward model.
 * @property {number | null} gap Left minus right in points, where rewards stand for a distance and not for points
 *   of each.
 * @property {string} reason
 */

/**
 * Seeds that wait for a recipe which is not in the chain, or for the turn of their part.
 *
 * @typedef {Object} Stranded
 * @property {string} recipe Empty for seeds from outside, which the first recipe takes.
 * @property {string} kind `sample`, `instruction` or `document`; empty where they wait for their part.
 * @property {number} seeds
 * @property {Record<string, number>} parts How many are of which part, where it is not worked now.
 * @property {string} sentence In words, with what to do.
 */

/**
 * The state after pausing or resuming.
 *
 * @typedef {Object} Switched
 * @property {"starting" | "ready" | "paused" | "draining" | "stopped"} state
 */

/**
 * What became of the seeds that were sent.
 *
 * @typedef {Object} Taken
 * @property {number} new
 * @property {number} duplicates How many were known already; they are taken once.
 * @property {number} [repeated] How many only repeat an earlier row of the request.
 * @property {string[]} [not_read] What of the rows no agent will see, a sentence each.
 */

/**
 * How many rows the dataset is to have.
 *
 * @typedef {Object} Target
 * @property {string} shape `sft`, `preference`, `reward` or `instruction`.
 * @property {number} wanted
 * @property {number} rows That are in the dataset.
 * @property {number} spare That are kept beside it, for a larger number.
 * @property {string} sentence All of it in words.
 */

/**
 * How strong a target is, or by how much it is ahead of another one.
 *
 * @typedef {Object} TargetRating
 * @property {string} standing `rated`; or `wins all`, `loses all`, `unrated`, for which no rating fits.
 * @property {number | null} rating Elo points; null unless rated.
 * @property {number | null} low Ends of the 95 % interval; null: open on that side.
 * @property {number | null} high
 */

/**
 * A target's mean grade on the benchmark of the rounds.
 *
 * @typedef {Object} TargetScore
 * @property {string} benchmark
 * @property {number | null} score
 * @property {number | null} low Ends of the 95 % interval; null: there is none.
 * @property {number | null} high
 * @property {number} unreadable Judgements without a grade that can be read.
 * @property {number} missing
 */

/**
 * One cause that slows an agent down right now.
 *
 * @typedef {Object} ThrottleState
 * @property {"429" | "requests_per_minute" | "tokens_per_minute"} cause `429`: its provider's. The others: the key
 *   of agents.yaml.
 * @property {number} for_s Seconds since it began.
 */

/**
 * An arm of a pool, or something else that seeds are counted by.
 *
 * @typedef {Object} Turn
 * @property {string} name
 * @property {string} group The folder that its name begins with, or the level that it ends with; empty where it has
 *   neither.
 * @property {string} mark What else is said of the arm, such as that it came later.
 * @property {number | null} share Probability with which it is drawn; null for one that is gone, and where nothing
 *   is drawn.
 * @property {number | null} share_at_start Likewise when it came.
 * @property {number} draws
 * @property {number} rewards
 * @property {number | null} mean_reward From 0 to 1; null before the first.
 * @property {number} outcomes Of seeds with it, in the recipe that measures them.
 * @property {number} dropped Those of them that came to nothing.
 * @property {Record<string, ByLabel>} measures By name.
 */

/**
 * What a pool turned to, or how seeds ended by what stands in a column.
 *
 * @typedef {Object} Turns
 * @property {boolean} is_pool
 * @property {string} recipe Which counted how its seeds ended; empty where none does.
 * @property {Turn} all Everything together.
 * @property {Turn[]} groups By group, where there is more than one, the most changed first.
 * @property {Turn[]} rows The most changed first; of a column, what was counted most.
 * @property {number} rows_left_out
 * @property {string[]} sentences What it turned to, what away from, and why, as far as that can be told.
 */

/**
 * Values of a measure.
 *
 * @typedef {Object} Values
 * @property {number} n
 * @property {number | null} mean Null before the first.
 * @property {number | null} low Where the 95 % interval of the mean begins (Wilson, with values as seeds: it is too
 *   wide for values between 0 and 1, never too narrow). Null where the measure does not range from 0 to 1.
 * @property {number | null} high Where it ends.
 */

/**
 * What one referee said of candidate against base, both orders joined.
 *
 * @typedef {Object} Vote
 * @property {string} referee
 * @property {number | null} value 1: the candidate is better, 0: the base is, 0.5: a tie or two orders that
 *   disagree (Eq. 6); null: unreadable.
 * @property {boolean} agreed Whether both orders said the same.
 * @property {boolean} readable
 */

/**
 * Why no seed is taken from the queue.
 *
 * @typedef {Object} Waiting
 * @property {string} reason
 * @property {number | null} until Seconds since 1970 at which it is tried again; null: once agents.yaml has
 *   changed, or somebody resumes.
 */

/**
 * How often answers were chosen.
 *
 * @typedef {Object} WinRate
 * @property {number} wins
 * @property {number} answers
 * @property {number | null} rate Share of the answers, from 0 to 1; null without an answer.
 * @property {number} low Where the 95 % interval begins (Wilson); 0 without an answer.
 * @property {number} high Where it ends; 1 without an answer.
 */

export {};
