import type { Profile } from "../../tools/grade/profile.ts";
import { parseProfile } from "../../tools/grade/profile.ts";
import type { Request, Run, Stop } from "../../tools/grade/run.ts";
import type { ClauseId, ClauseResult, ConsoleEvent, TrialId } from "../../tools/grade/types.ts";
import { judge } from "../../tools/grade/verdicts/judge.ts";

/** A profile whose programs are never started. */
export const profile: Profile = parseProfile(
  JSON.stringify({
    server: ["server"],
    client: ["client"],
    menu: "Choice",
    init: [[null, "INIT"]],
    put: [[null, "PUT"], ["Key", "{key}"], ["Value", "{value}"]],
    get: [[null, "GET"], ["Key", "{key}"]],
  }),
  "fake",
);

const servers = [1, 2, 3].map((n) => ({ name: `S${n}`, ip: "127.0.0.1", port: 10096 + n }));

/**
 * A transcript from lines `CONSOLE text`. A client's `> PUT key value` and `> GET key` are
 * requests. `!STOP S2` and `!CONT` are a stop, `!RESTED` before `!CONT` says that all had come to
 * rest.
 */
export function transcript(id: TrialId, script: string): Run {
  const events: ConsoleEvent[] = [];
  const requests: Request[] = [];
  const stops: Stop[] = [];
  let stopped: { server: string; from: number } | undefined;
  let rested = false;
  const add = (console: string, kind: ConsoleEvent["kind"], text: string) => {
    events.push({ atMs: events.length * 10, console, kind, text });
  };
  for (const line of script.trim().split("\n").map((one) => one.trim())) {
    const [first = "", ...words] = line.split(" ");
    const [mark, op, key = "", ...value] = words;
    if (first === "!STOP") {
      stopped = { server: words[0]!, from: events.length };
      add(words[0]!, "note", "SIGSTOP");
    } else if (first === "!RESTED") rested = true;
    else if (first === "") continue;
    else if (first === "!CONT") {
      stops.push({ ...stopped!, to: events.length, durationMs: 1_000, rested });
      add(stopped!.server, "note", "SIGCONT");
    } else if (mark === ">") {
      for (const request of requests) request.to = Math.min(request.to, events.length);
      const from = events.length;
      add(first, "in", words.slice(1).join(" "));
      requests.push({
        ...{ client: first, op: op as "PUT" | "GET", key, from, waited: false },
        ...(op === "PUT" ? { value: value.join(" ") } : {}),
        ...{ typed: events.length, to: Infinity },
      });
    } else add(first, "out", words.join(" "));
  }
  for (const request of requests) request.to = Math.min(request.to, events.length);
  return {
    trial: { id, title: `trial-${id}`, events, durationMs: 0, repeat: "" },
    ...{ events, requests, servers, stops },
    errorLines: new Set(),
    clients: [...new Set(requests.map(({ client }) => client))],
    connections: new Map(),
    otherListeners: new Set(),
    restarts: [],
    ready: requests[0]?.from ?? 0,
    undisturbed: events.length,
  };
}

/** What is said of a clause after the given trials. */
export function verdictOf(clause: ClauseId, ...runs: readonly Run[]): ClauseResult {
  const { clauses, outside } = judge(profile, runs);
  return [...clauses, ...outside].find((one) => one.clause === clause)!;
}

/** A PUT of which every console prints what the assignment asks for. */
export function goodPut(key: string, value: string, ts: number | string, client = "C1"): string {
  return `
    ${client} > PUT ${key} ${value}
    S2 Encaminhando PUT key:${key} value:${value}
    S1 Cliente 127.0.0.1:5001 PUT key:${key} value:${value}
    S2 REPLICATION key:${key} value:${value} ts:${ts}
    S3 REPLICATION key:${key} value:${value} ts:${ts}.
    S1 Enviando PUT_OK ao Cliente 127.0.0.1:5001 da key:${key} ts:${ts}
    ${client} PUT_OK key: ${key} value ${value} timestamp ${ts} realizada no servidor 127.0.0.1:10098
  `.trim();
}

/** A GET of which both consoles print what the assignment asks for. */
export function goodGet(
  key: string,
  value: string,
  { seen = "0", own = "0", server = 1, client = "C1" } = {},
): string {
  return `
    ${client} > GET ${key}
    S${server} Cliente 127.0.0.1:5001 GET key:${key} ts:${seen}. Meu ts é ${own}, portanto devolvendo ${value}
    ${client} GET key: ${key} value: ${value} obtido do servidor 127.0.0.1:${
    10096 + server
  }, meu timestamp ${seen} e do servidor ${own}
  `.trim();
}
