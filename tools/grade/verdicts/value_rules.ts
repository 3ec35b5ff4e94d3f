/**
 * Rules about values with spaces and accents, and about long ones.
 *
 * @module
 */

import type { ClauseId, ClauseResult } from "../types.ts";
import {
  inconclusive,
  linesDuring,
  linesOf,
  type Place,
  placesOf,
  result,
  type Transcripts,
} from "./transcripts.ts";

const longChars = 500;
const shownChars = 60;

const kinds: readonly (readonly [ClauseId, (value: string) => boolean])[] = [
  ["value-spaces", (value) => value.includes(" ")],
  ["value-accents", (value) => /[^\x20-\x7e]/.test(value) && !value.includes(" ")],
  ["value-long", (value) => value.length > longChars],
];

/** The results of the three clauses. */
export function valueResults(transcripts: Transcripts): ClauseResult[] {
  return kinds.map(([clause, isKind]) => valueResult(transcripts, clause, isKind));
}

function valueResult(
  transcripts: Transcripts,
  clause: ClauseId,
  isKind: (value: string) => boolean,
): ClauseResult {
  if (clause === "value-spaces" && transcripts.profile.values === "no-spaces") {
    return inconclusive(clause, { reason: "not-in-profile", args: { field: "values" } });
  }
  const [transcript] = transcripts.working("values");
  if (transcript === undefined) return inconclusive(clause, transcripts.problem("values")!);
  const good: Place[] = [];
  let answered = 0;
  let asked = 0;
  for (const put of transcript.run.requests) {
    if (put.op !== "PUT" || put.value === undefined || !isKind(put.value)) continue;
    asked++;
    const typed = { trial: transcript.id, event: put.typed - 1 };
    const get = transcript.run.requests.find(({ op, key }) => op === "GET" && key === put.key);
    const lines = get === undefined ? [] : linesDuring(transcript, get, "client-get");
    const wrong = lines.find((line) =>
      line.exact && !line.refused && line.value !== undefined && line.value !== put.value
    );
    if (wrong !== undefined) {
      const args = { expected: shown(put.value), printed: shown(wrong.value!) };
      return result(clause, "not-met", [typed, ...placesOf(transcript, [wrong])], {
        reason: "value-changed",
        args,
      });
    }
    const right = lines.filter(({ value }) => value === put.value);
    if (right.length > 0) {
      answered++;
      good.push(...placesOf(transcript, right.slice(0, 1)));
    } else if (put.waited && linesOf(transcript, "client-put-ok", put.key).length === 0) {
      return result(clause, "not-met", [typed], {
        reason: "put-not-acknowledged",
        args: { key: put.key, seconds: `${transcripts.profile.putTimeoutS}` },
      });
    }
  }
  if (asked > 0 && answered === asked) return result(clause, "met", good);
  return inconclusive(clause, {
    reason: "too-few",
    args: { seen: `${answered}`, needed: `${Math.max(asked, 1)}` },
  }, good);
}

function shown(value: string): string {
  return value.length > shownChars ? `${value.slice(0, shownChars)}… (${value.length})` : value;
}
