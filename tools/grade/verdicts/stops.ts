/**
 * What a run shows while a follower is stopped.
 *
 * @module
 */

import type { Run, Stop } from "../run.ts";

/** Whether a server printed something while it should have been stopped. */
export function printedDuring({ events }: Pick<Run, "events">, stop: Stop): boolean {
  return events.slice(stop.from, stop.to).some(({ console, kind }) =>
    console === stop.server && kind === "out"
  );
}

/**
 * Whether a stop shows whether GETs wait for a PUT.
 *
 * - The follower printed nothing meanwhile: a signal may come late.
 * - The leader had printed a line about the PUT before the GETs were typed.
 * - A GET was answered, or all programs had come to rest: under load an answer may come late.
 */
export function isTelling(run: Run): boolean {
  const [stop] = run.stops;
  if (stop === undefined || printedDuring(run, stop)) return false;
  const asked = run.requests.filter(({ typed }) => typed > stop.from && typed <= stop.to);
  const keys = asked.filter(({ op }) => op === "PUT").map(({ key }) => key);
  const isPrinted = (event: number, name: string, words: readonly string[]) => {
    const { console, kind, text } = run.events[event]!;
    return console === name && kind === "out" && words.some((word) => text.includes(word));
  };
  const during = range(stop.from, stop.to);
  const arrived = during.find((event) => isPrinted(event, run.servers[0]!.name, keys));
  if (arrived === undefined) return false;
  const gets = asked.filter(({ op, typed }) => op === "GET" && typed > arrived);
  const isAnswered = gets.some(({ client, key, typed }) =>
    during.some((event) => event >= typed && isPrinted(event, client, [key]))
  );
  return isAnswered || (gets.length > 0 && stop.rested);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
