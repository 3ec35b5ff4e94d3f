/**
 * What clients have seen of each key, as far as their consoles show it.
 *
 * @module
 */

import type { Request } from "../run.ts";
import type { Line } from "./lines.ts";
import { compareTimestamps, sameTimestamp } from "./timestamps.ts";
import { linesOf, type Transcript } from "./transcripts.ts";

/** What a client has seen of each key, as timestamps in the order of time. */
export class Seen {
  readonly #byKey = new Map<string, string[]>();

  /** Adds what a line shows to the client. */
  add(line: Line): void {
    const timestamp = line.kind === "client-put-ok" ? line.timestamp : line.own;
    if (timestamp === undefined || line.refused || line.absent) return;
    const known = this.#byKey.get(line.key);
    if (known === undefined) this.#byKey.set(line.key, [timestamp]);
    else known.push(timestamp);
  }

  /** The largest timestamp of a key. */
  largest(key: string): string | undefined {
    return (this.#byKey.get(key) ?? []).reduce<string | undefined>(
      (a, b) => a === undefined || (compareTimestamps(a, b) ?? 0) < 0 ? b : a,
      undefined,
    );
  }

  /** Whether a timestamp of any key is the given one: a client may keep one for all keys. */
  has(timestamp: string): boolean {
    return [...this.#byKey.values()].flat().some((one) => sameTimestamp(one, timestamp));
  }
}

/** Calls `visit` for each GET of a client, with what that client had seen before it. */
export function forEachGet(
  transcript: Transcript,
  visit: (get: Request, seen: Seen) => void,
): void {
  for (const client of transcript.run.clients) {
    const seen = new Seen();
    const own = transcript.run.requests.filter((request) => request.client === client);
    for (const request of own) {
      if (request.op === "GET") visit(request, seen);
      for (const kind of ["client-put-ok", "client-get"] as const) {
        for (const line of linesOf(transcript, kind, request.key)) {
          const ownTime = line.event >= request.from && line.event < request.to;
          if (line.console === client && ownTime) seen.add(line);
        }
      }
    }
  }
}
