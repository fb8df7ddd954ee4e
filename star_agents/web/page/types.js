// The shapes of what the API answers, as far as the page reads them. Types only; nothing here runs.

/**
 * @typedef {Object} Deployment
 * @property {string} name
 * @property {string} breaker `closed` while it takes calls
 * @property {number} limit calls that may be in flight
 * @property {number} in_flight
 * @property {number | null} opens_in_s
 * @property {string | null} last_error
 */

/**
 * @typedef {Object} Agent
 * @property {number} calls
 * @property {number | null} usd `null`: nobody knows
 * @property {number} calls_of_unknown_price
 * @property {number | null} usd_per_call
 * @property {number} [in_flight]
 * @property {number} [queued]
 * @property {boolean} [is_down]
 * @property {Deployment[]} [deployments]
 * @property {{cause: string, for_s: number}[]} [throttled] by `429` of its provider, or by a key of its own
 * @property {number} [failed]
 * @property {Record<string, number>} [errors]
 * @property {number} [retries]
 * @property {{p50: number, p95: number} | null} [latency_s]
 * @property {number | null} [tokens_per_second]
 * @property {number} [candidates]
 * @property {number} [wins]
 * @property {number | null} [win_rate]
 * @property {number} [win_rate_low] of its 95 % interval
 * @property {number} [win_rate_high]
 */

/**
 * @typedef {Object} Gaps
 * @property {number} width of a bin
 * @property {number} low where the first bin begins
 * @property {number[]} chosen
 * @property {number[]} others
 */

/**
 * @typedef {Object} Referee
 * @property {number} verdicts
 * @property {number} won_by_tie improved seeds whose winner was a tie with the base
 * @property {number} without_verdict candidates that were judged in vain
 * @property {number} both_orders readable votes that were asked for in both orders
 * @property {number} agree
 * @property {number | null} agreement
 * @property {number} ties
 * @property {number} wins
 * @property {number} losses
 * @property {number} unreadable
 * @property {{mode: string, judges: Object<string, Exam>} | null} exam of the judges in force
 */

/** @typedef {{judge: string, right: number, pairs: number, passed: boolean}} Exam */

/**
 * @typedef {Object} FailureCount
 * @property {string} part `agent`, `referee`, `scorer`, `embedder`, `usage`, `seeds` or `recipe`
 * @property {string} name
 * @property {string} reason
 * @property {number} failures
 * @property {number} tries
 * @property {string} example
 * @property {string} sentence
 */

/**
 * @typedef {Object} PairCost
 * @property {number} candidates
 * @property {number} wins
 * @property {number | null} usd_per_win
 * @property {number} candidates_of_unknown_cost
 */

/**
 * @typedef {Object} WinRate
 * @property {number} wins
 * @property {number} answers
 * @property {number | null} rate
 * @property {number} low of its 95 % interval
 * @property {number} high
 */

/**
 * @typedef {Object} Measure
 * @property {string} name
 * @property {string} what in words
 * @property {string} better `high`, `low` or empty
 * @property {number} low where the histogram begins
 * @property {number} high
 * @property {number} values
 * @property {number | null} mean
 * @property {number[]} histogram
 */

/**
 * @typedef {Object} Recipe
 * @property {string[]} takes
 * @property {boolean} in_chain whether agents.yaml has it
 * @property {Record<string, number>} outcomes
 * @property {Record<string, number>} rows by shape
 * @property {number} children
 * @property {number} trials
 * @property {Record<string, number>} failed_trials
 * @property {Record<string, Measure>} measures
 */

/** @typedef {{probability: number | null, draws: number, rewards: number, mean_reward: number | null}} Arm */

/**
 * @typedef {Object} Status
 * @property {string} version
 * @property {string} state `starting`, `ready`, `paused` or `draining`
 * @property {number} started_at
 * @property {number} now
 * @property {number} latest_seq
 * @property {number} revision
 * @property {string[]} config_problems
 * @property {{reason: string, until: number | null} | null} waiting_for
 * @property {{waiting: number, working: number, kept: number, base: number, dropped: number, quarantined: number, stranded: number}} seeds
 * @property {{recipe: string, kind: string, seeds: number, sentence: string}[]} stranded seeds that wait for a recipe which is not in the chain
 * @property {{answered: number, maybe_paid_twice: number, prompt_tokens: number, completion_tokens: number}} calls
 * @property {{usd: number | null, calls_of_unknown_price: number, usd_per_sample: number | null, usd_per_improved: number | null, projected_usd: number | null}} cost
 * @property {{key: string, unit: string, limit: number, spent: number, reached: string}[]} budgets
 * @property {{seeds_per_minute: number, seeds_per_minute_overall: number, usd_per_hour: number | null, eta_s: number | null}} rate
 * @property {Record<string, Agent>} agents
 * @property {Record<string, number>} pairs probability of each
 * @property {Record<string, PairCost>} pair_costs
 * @property {Record<string, WinRate>} win_rates of the pairs that are drawn
 * @property {string | null} best_pair the one that is clear of all others; `null` where chance may order them
 * @property {string | null} best_agent
 * @property {Gaps} gaps
 * @property {Record<string, Recipe>} recipes those of the chain in its order, then those that are gone
 * @property {Record<string, {arms: Record<string, Arm>}>} pools by `recipe.pool`, Star's pairs aside
 * @property {Referee} referee
 * @property {FailureCount[]} failures
 * @property {string} held_because empty unless failures passed a limit
 * @property {{size: number | null, draws: number, hits: number, hit_rate: number | null}} memory
 * @property {{workers: number, waiting: number, answered: number, answered_per_second: number, deaths: number, troubles: string[]} | null} scorer
 * @property {{agents: string[], pairs: string[], base_pairs: string[], candidates: number, selection: string, small: string | null, large: string | null}} config
 */

/**
 * @typedef {{seq: number, at: number, probabilities: Record<string, number>}} CurvePoint
 */

/**
 * An edit of agents.yaml that came into force.
 *
 * @typedef {{revision: number, seq: number, at: number, changes: string[]}} ConfigMark
 */

/**
 * @typedef {Object} OutcomeSummary
 * @property {number} seq
 * @property {number} at
 * @property {string} seed_id
 * @property {string} kind `kept`, `base` or `dropped`
 * @property {string} reason
 * @property {string | null} pair
 * @property {number | null} pi
 * @property {number | null} gap
 * @property {number | null} cost_usd
 * @property {number} candidates
 * @property {number} failed
 * @property {string} question
 */

/** @typedef {{role: string, content: string}} Message */
/** @typedef {{referee: string, value: number | null, agreed: boolean, readable: boolean}} Vote */

/**
 * @typedef {Object} Candidate
 * @property {string} pair
 * @property {boolean} is_base
 * @property {boolean} chosen
 * @property {Message[]} messages empty where they were cleared
 * @property {string} failure
 * @property {{ifd_small: number | null, ifd_large: number | null, gap: number | null, reason: string, response_tokens: number} | null} score
 * @property {number | null} pi_llm
 * @property {number | null} pi_dual
 * @property {number | null} pi
 * @property {{value: number | null, votes: Vote[], failure: string} | null} verdict
 * @property {number | null} cost_usd
 */

/**
 * @typedef {Object} StoredOutcome
 * @property {number} seq
 * @property {number} at
 * @property {string} kind
 * @property {string} reason
 * @property {Candidate[]} candidates
 * @property {number | null} cost_usd
 * @property {number} revision
 * @property {number | null} cleared_at
 * @property {string} why
 */

/**
 * @typedef {Object} Call
 * @property {string} step
 * @property {string} agent
 * @property {string | null} model
 * @property {string} state
 * @property {number} sends
 * @property {number | null} cost_usd
 * @property {number | null} prompt_tokens
 * @property {number | null} completion_tokens
 * @property {number} intended_at
 * @property {number | null} answered_at
 */

/**
 * @typedef {Object} Story
 * @property {{id: string, sample: {messages: Message[]}, source: string, meta: Record<string, unknown>, state: string, attempts: number, deaths: number, added_at: number}} seed
 * @property {{base: string[], sampled: string[], from_memory: number} | null} draw
 * @property {Call[]} calls
 * @property {StoredOutcome[]} outcomes newest first
 */

/** @typedef {{n: number, timestamp: string, level: string, event: string} & Record<string, unknown>} LogLine */
/** @typedef {{id: string, source: string, attempts: number, deaths: number}} Quarantined */

export {};
