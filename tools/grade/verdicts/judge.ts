/**
 * From transcripts to results: pure functions, no program is started here.
 *
 * @module
 */

import type { Profile } from "../profile.ts";
import type { Run } from "../run.ts";
import { type ClauseId, clauseIds, type ClauseResult, outsideIds } from "../types.ts";
import { dialogResults } from "./dialog_rules.ts";
import { getResults } from "./get_rules.ts";
import { extraResults, lineResults } from "./line_rules.ts";
import { outsideResults } from "./outside_rules.ts";
import { putResults } from "./put_rules.ts";
import { clientResults } from "./client_rules.ts";
import { refusalResults } from "./refusal_rules.ts";
import { writeResults } from "./write_rules.ts";
import { Transcripts } from "./transcripts.ts";
import { valueResults } from "./value_rules.ts";

/** The results of one implementation, in the order of `clauseIds`. */
export interface Judgement {
  readonly clauses: readonly ClauseResult[];
  readonly outside: readonly ClauseResult[];
}

/** Judges the trials of one implementation. */
export function judge(profile: Profile, runs: Iterable<Run>): Judgement {
  const transcripts = new Transcripts(profile, runs);
  const results = [
    ...dialogResults(transcripts),
    ...lineResults(transcripts),
    ...extraResults(transcripts),
    ...putResults(transcripts),
    ...writeResults(transcripts),
    ...clientResults(transcripts),
    ...refusalResults(transcripts),
    ...getResults(transcripts),
    ...valueResults(transcripts),
    ...outsideResults(transcripts),
  ];
  const order = (id: ClauseId) => clauseIds.indexOf(id);
  results.sort((a, b) => order(a.clause) - order(b.clause));
  return {
    clauses: results.filter(({ clause }) => !outsideIds.includes(clause)),
    outside: results.filter(({ clause }) => outsideIds.includes(clause)),
  };
}
