/**
 * Rules about the seven lines themselves: exact, in other words, missing, or more than asked for.
 *
 * @module
 */

import { promptPattern, type Step } from "../profile.ts";
import type { ClauseId, ClauseResult, Reason } from "../types.ts";
import type { Line, LineKind } from "./lines.ts";
import {
  acknowledgedPuts,
  inconclusive,
  linesOf,
  type Place,
  placesOf,
  result,
  type Transcript,
  type Transcripts,
} from "./transcripts.ts";

/** The lines as the assignment has them, for the reader of a report. */
const asked: Readonly<Record<LineKind, string>> = {
  "client-put-ok":
    "PUT_OK key: [key] value [value] timestamp [timestamp] realizada no servidor [IP:porta]",
  "client-get": "GET key: [key] value: [valor] obtido do servidor [IP:porta], " +
    "meu timestamp [timestamp_do_cliente] e do servidor [timestamp_do_servidor]",
  "server-put": "Cliente [IP]:[porta] PUT key:[key] value:[value]",
  "server-forward": "Encaminhando PUT key:[key] value:[value]",
  "server-replication": "REPLICATION key:[key] value:[value] ts:[timestamp]",
  "server-put-ok": "Enviando PUT_OK ao Cliente [IP]:[porta] da key:[key] ts:[timestamp]",
  "server-get": "Cliente [IP]:[porta] GET key:[key] ts:[timestamp]. " +
    "Meu ts é [timestamp_da_key], portanto devolvendo [valor ou erro]",
};

const clauses: Readonly<Record<LineKind, ClauseId>> = {
  "client-put-ok": "client-put-ok-line",
  "client-get": "client-get-line",
  "server-put": "server-put-line",
  "server-forward": "server-forward-line",
  "server-replication": "server-replication-line",
  "server-put-ok": "server-put-ok-line",
  "server-get": "server-get-line",
};

/** The results of the seven lines, in the order of the kinds. */
export function lineResults(transcripts: Transcripts): ClauseResult[] {
  return (Object.keys(clauses) as LineKind[]).map((kind) => lineResult(transcripts, kind));
}

function lineResult(transcripts: Transcripts, kind: LineKind): ClauseResult {
  const clause = clauses[kind];
  const working = transcripts.working("basics", "choice");
  const found = working.flatMap((one) => linesOf(one, kind).map((line) => ({ one, line })));
  const exact = found.filter(({ line }) => line.exact);
  const shown = (some: typeof found) =>
    some.slice(0, 3).flatMap(({ one, line }) => placesOf(one, [line]));
  // a few lines of threads that were printed into each other are not another wording
  if (exact.length > found.length / 2) return result(clause, "met", shown(exact));
  if (found.length > 0) {
    const other = found.find(({ line }) => !line.exact)!;
    const args = { expected: asked[kind], printed: other.line.text };
    return result(clause, "met-in-other-words", shown([other]), { reason: "other-words", args });
  }
  const basics = working[0];
  if (basics === undefined) return inconclusive(clause, transcripts.problem("basics")!);
  return missing(basics, kind);
}

/** The result for a line that was never printed in a trial in which PUTs succeed. */
function missing(transcript: Transcript, kind: LineKind): ClauseResult {
  const clause = clauses[kind];
  const side = kind.startsWith("client") ? "C1" : kind === "server-put" ? "S1" : "S2, S3";
  const why: Reason = {
    reason: "line-missing",
    args: { expected: asked[kind], console: kind === "server-put-ok" ? "S1" : side },
  };
  const places = reasonsToExpect(transcript, kind);
  if (places === undefined) {
    const args = { server: "S2, S3", requests: `${transcript.run.requests.length}` };
    return inconclusive(clause, { reason: "server-not-reached", args });
  }
  const unread = unreadAbout(transcript, kind);
  if (unread !== undefined) {
    const printed = transcript.run.events[unread]!.text;
    return inconclusive(clause, { reason: "not-understood", args: { printed } }, [
      { trial: transcript.id, event: unread },
    ]);
  }
  return result(clause, "not-met", places, why);
}

/** Lines that show that a missing line should have been there. `undefined` if none does. */
function reasonsToExpect(transcript: Transcript, kind: LineKind): Place[] | undefined {
  const { run, lines } = transcript;
  const first = (some: readonly Line[]) =>
    some.length === 0 ? undefined : placesOf(transcript, some.slice(0, 3));
  const puts = acknowledgedPuts(transcript);
  const acknowledged = lines.filter((line) =>
    line.kind.endsWith("put-ok") && puts.some(({ key }) => key === line.key)
  );
  switch (kind) {
    case "client-put-ok":
    case "server-put":
    case "server-put-ok":
    case "server-replication":
      return first(acknowledged);
    case "server-forward": {
      const followers = new Set(run.servers.slice(1).map(({ port }) => port));
      return first(
        acknowledged.filter((line) =>
          line.kind === "client-put-ok" && line.address !== undefined &&
          followers.has(line.address.port)
        ),
      );
    }
    case "client-get":
    case "server-get": {
      const other = linesOf(transcript, kind === "client-get" ? "server-get" : "client-get");
      if (other.length > 0) return first(other);
      // PUTs succeed, and GETs lead to no line at all
      const gets = run.requests.filter(({ op }) => op === "GET");
      return gets.length < 3
        ? undefined
        : gets.slice(0, 3).map(({ typed }) => ({ trial: transcript.id, event: typed - 1 }));
    }
  }
}

/** A line with a key of the trial that was not recognised, where the missing one should be. */
function unreadAbout(transcript: Transcript, kind: LineKind): number | undefined {
  const side = kind.startsWith("client")
    ? /^C/
    : kind === "server-put" || kind === "server-put-ok"
    ? /^S1/
    : kind === "server-get"
    ? /^S/
    : /^S[23]/;
  const keys = new Set(transcript.run.requests.map(({ key }) => key));
  return extraLines(transcript, side, [], null).find((event) =>
    [...keys].some((key) => transcript.run.events[event]!.text.includes(key))
  );
}

/** The results for "nem mais nem menos". */
export function extraResults(transcripts: Transcripts): ClauseResult[] {
  const { menu, init, put, get } = transcripts.profile;
  const steps = [...init, ...put, ...get];
  return [
    extraResult(transcripts, "client-extra-lines", /^C/, "client", steps, menu),
    extraResult(transcripts, "server-extra-lines", /^S/, "server", [], null),
  ];
}

function extraResult(
  transcripts: Transcripts,
  clause: ClauseId,
  side: RegExp,
  kinds: string,
  steps: readonly Step[],
  menu: string | null,
): ClauseResult {
  const working = transcripts.working("basics", "choice");
  if (working.length === 0) return inconclusive(clause, transcripts.problem("basics")!);
  const extra: Place[] = working.flatMap((one) =>
    extraLines(one, side, steps, menu).map((event) => ({ trial: one.id, event }))
  );
  if (extra.length === 0) return result(clause, "met", []);
  const other = working.flatMap(({ lines }) => lines)
    .find((line) => line.kind.startsWith(kinds) && !line.exact);
  if (other !== undefined) {
    // an extra line may be a part of a line in other words
    return inconclusive(
      clause,
      {
        reason: "depends-on",
        args: { clause: `${kinds}-${other.kind.slice(kinds.length + 1)}-line` },
      },
      extra.slice(0, 3),
    );
  }
  const [first] = extra;
  const event = transcripts.get(first!.trial)!.run.events[first!.event]!;
  return result(clause, "not-met", extra.slice(0, 3), {
    reason: "extra-lines",
    args: { count: `${extra.length}`, example: event.text, console: event.console },
  });
}

/** Printed lines that are no line of the assignment, no prompt, no menu and no echo. */
function extraLines(
  transcript: Transcript,
  side: RegExp,
  steps: readonly Step[],
  menu: string | null,
): number[] {
  const { run, others } = transcript;
  const prompts = [menu, ...steps.map(([prompt]) => prompt)]
    .filter((prompt) => prompt !== null).map(promptPattern);
  const menuLines = menuShapes(transcript, side);
  return others.filter((event) => {
    const { console, text } = run.events[event]!;
    if (!side.test(console) || event < run.ready || isPromptTime(transcript, event)) return false;
    if (!/[\p{L}\d]/u.test(text)) return false; // a rule or an empty line
    if (menuLines.has(shape(text)) || prompts.some((prompt) => prompt.test(text))) return false;
    return !run.requests.some(({ client, key, value }) =>
      client === console &&
      [key, value].some((typed) => typed !== undefined && text.endsWith(typed))
    );
  });
}

/**
 * The shapes of the lines that belong to a dialogue: those printed before the first request, and those
 * that mostly come while a request is typed. A line that is printed late comes then once by chance.
 */
function menuShapes(transcript: Transcript, side: RegExp): ReadonlySet<string> {
  const shapes = new Set<string>();
  const balances = new Map<string, number>();
  for (const [event, { console, kind, text }] of transcript.run.events.entries()) {
    if (kind !== "out" || !side.test(console)) continue;
    const one = shape(text);
    if (isBeforeRequests(transcript, event)) shapes.add(one);
    else {
      const step = isPromptTime(transcript, event) ? 1 : -1;
      balances.set(one, (balances.get(one) ?? 0) + step);
    }
  }
  for (const [one, balance] of balances) if (balance > 0) shapes.add(one);
  return shapes;
}

/** Whether an event of a client comes before its first request, or one of a server before it is ready. */
function isBeforeRequests({ run }: Transcript, event: number): boolean {
  const { console } = run.events[event]!;
  if (!console.startsWith("C")) return event < run.ready;
  const first = run.requests.find(({ client }) => client === console);
  return first === undefined || event < first.from;
}

/** Whether an event of a client comes before its first request, or while a request is typed. */
function isPromptTime(transcript: Transcript, event: number): boolean {
  if (isBeforeRequests(transcript, event)) return true;
  const { run } = transcript;
  const { console } = run.events[event]!;
  if (!console.startsWith("C")) return false;
  const own = run.requests.filter(({ client }) => client === console);
  // the last thing before a typed line is its prompt
  const next = run.events.findIndex((other, i) => i > event && other.console === console);
  if (run.events[next]?.kind === "in") return true;
  return own.some(({ from, typed }) => event >= from && event < typed);
}

/** A line without its digits and with single spaces: a menu may count. */
function shape(text: string): string {
  return text.replaceAll(/\d+/g, "#").replaceAll(/\s+/g, " ").trim();
}
