import type { ClauseId, ReasonId, TrialId } from "../../../../tools/grade/types.ts";

/** A fake implementation and what the grader has to say about it. */
export interface Case {
  readonly language: "python" | "java";
  readonly fault?: string;
  readonly style?: string;
  /** Trials that show the fault. A whole run has all trials. */
  readonly trials: readonly TrialId[];
  /** At least one of these is not met. */
  readonly found?: readonly ClauseId[];
  /** What follows from the fault may be called not met too. Nothing else may. */
  readonly follows?: readonly ClauseId[];
  /** These are met, in whatever words. */
  readonly met?: readonly ClauseId[];
  /** What the section outside the assignment says about PUTs at the same time. */
  readonly outside?: ReasonId;
}

/** What the trial of PUTs and GETs shows of an implementation that does what the assignment says. */
export const basicClauses: readonly ClauseId[] = [
  "client-menu",
  "client-put-ok-line",
  "client-get-line",
  "client-timestamp-sent",
  "server-put-line",
  "server-forward-line",
  "server-replication-line",
  "server-put-ok-line",
  "server-get-line",
  "put-forwarded",
  "replicated-to-both",
  "one-timestamp",
  "update",
  "get-value",
  "get-null",
  "two-clients",
];

const stops: readonly TrialId[] = ["stop-s2", "stop-s3"];
const pastValues: readonly ClauseId[] = ["get-value", "get-never-older", "two-clients", "update"];

/** Programs without a fault, with each way of asking. */
export const styles: readonly Case[] = [
  {
    language: "python",
    style: "plain",
    trials: ["basics", "choice", "values", ...stops, "cut", "restart", "concurrent"],
    met: [
      ...basicClauses,
      "client-init",
      "client-extra-lines",
      "client-random-server",
      "server-extra-lines",
      "put-ok-after-both",
      "timestamps-distinct",
      "get-never-older",
      "get-during-put",
      "value-spaces",
      "value-accents",
      "value-long",
    ],
  },
  ...["one-line", "arguments", "no-prompts", "prompt-lines", "leader-asks", "first-connections"]
    .map((style): Case => ({ language: "python", style, trials: ["basics"], met: basicClauses })),
  ...["integer-keys", "dates", "fractions", "second-reader", "numbered-menu", "slow-put"]
    .map((style): Case => ({ language: "python", style, trials: ["basics"], met: basicClauses })),
  ...["plain", "second-scanner", "brazilian-dates", "milliseconds", "run-together"]
    .map((style): Case => ({ language: "java", style, trials: ["basics"], met: basicClauses })),
];

type Fault = Pick<Case, "trials" | "found" | "follows" | "met" | "outside">;

const pythonFaults: Readonly<Record<string, Fault>> = {
  "early-put-ok": { trials: stops, found: ["put-ok-after-both"] },
  "inverted-get": { trials: ["basics"], found: ["try-other", "get-value"], follows: pastValues },
  "timestamp-never-sent": { trials: ["basics"], found: ["client-timestamp-sent"] },
  "same-timestamp": { trials: ["basics"], found: ["timestamps-distinct"], follows: ["update"] },
  "seconds-clock": { trials: ["basics"], found: ["timestamps-distinct"], follows: ["update"] },
  // concurrent PUTs are outside the assignment: this fault is told, but it breaks no clause
  "tables-differ": { trials: ["concurrent"], outside: "tables-differ" },
  "update-lost": { trials: ["basics"], found: ["get-value", "update"], follows: pastValues },
  "lost-put": { trials: ["basics"], found: ["get-value", "update"], follows: pastValues },
  "no-refusal": { trials: ["cut"], found: ["try-other", "get-never-older"] },
  "one-follower": {
    trials: ["basics"],
    found: ["replicated-to-both"],
    follows: [...pastValues, "server-replication-line", "try-other"],
  },
  "wrong-client": { trials: ["basics"], found: ["original-client"] },
  "not-forwarded": {
    trials: ["basics"],
    found: ["put-forwarded"],
    follows: [
      ...pastValues,
      ...["server-forward-line", "replicated-to-both", "timestamps-distinct"] as const,
      ...["original-client", "one-timestamp", "try-other"] as const,
    ],
  },
  "put-ok-other-timestamp": {
    trials: ["basics"],
    found: ["one-timestamp"],
    follows: [...pastValues, "client-timestamp-sent", "try-other"],
  },
  "get-blocked": { trials: stops, found: ["get-during-put"] },
  "fixed-server": { trials: ["choice"], found: ["client-random-server"] },
  "null-missing": { trials: ["basics"], found: ["get-null"], follows: ["get-value"] },
  "no-put-line": { trials: ["basics"], found: ["server-put-line"] },
  "no-forward-line": { trials: ["basics"], found: ["server-forward-line"] },
  "no-replication-line": {
    trials: ["basics"],
    found: ["server-replication-line"],
    follows: ["replicated-to-both"],
  },
  "no-sending-line": { trials: ["basics"], found: ["server-put-ok-line"] },
  "no-server-get-line": { trials: ["basics"], found: ["server-get-line"] },
  "no-put-ok-line": { trials: ["basics"], found: ["client-put-ok-line"] },
  "no-client-get-line": { trials: ["basics"], found: ["client-get-line"] },
  "extra-server-line": { trials: ["basics"], found: ["server-extra-lines"] },
  "extra-client-line": { trials: ["basics"], found: ["client-extra-lines"] },
  "other-words": { trials: ["basics"], met: basicClauses },
  "my-timestamp-differs": {
    trials: ["basics"],
    found: ["client-get-line", "client-timestamp-sent"],
  },
  "no-spaces": { trials: ["values"], found: ["value-spaces"] },
  "no-accents": { trials: ["values"], found: ["value-accents"] },
  "short-values": { trials: ["values"], found: ["value-long"] },
  "menu-without-get": { trials: ["basics"], found: ["client-menu"] },
};

const javaFaults = [
  ...["early-put-ok", "inverted-get", "timestamp-never-sent", "same-timestamp", "no-refusal"],
  ...["one-follower", "wrong-client", "null-missing", "no-sending-line", "no-accents"],
  ...["get-blocked", "extra-server-line", "fixed-server"],
];

/** Programs with one fault each. */
export const faults: readonly Case[] = [
  ...Object.entries(pythonFaults).map(([fault, expected]): Case => ({
    language: "python",
    fault,
    ...expected,
  })),
  ...javaFaults.map((fault): Case => ({ language: "java", fault, ...pythonFaults[fault]! })),
];
