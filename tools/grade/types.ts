/**
 * What the grader's parts share: trials, clauses, verdicts and the report.
 *
 * @module
 */

/** What a clause's evidence allows to say. `not-met` always has evidence. */
export type Verdict = "met" | "met-in-other-words" | "not-met" | "inconclusive";

/** A line that a program printed, a line that was typed to it, or a remark of the grader. */
export interface ConsoleEvent {
  /** Time since the trial began. */
  readonly atMs: number;
  /** `S1` (the leader), `S2`, `S3`, `C1`, `C2` …, or `grader` for a remark about the whole trial. */
  readonly console: string;
  readonly kind: "out" | "in" | "note";
  readonly text: string;
}

/** The trials, in the order in which they run. */
export const trialIds = [
  "basics",
  "choice",
  "values",
  "stop-s2",
  "stop-s3",
  "cut",
  "restart",
  "late-follower",
  "hook",
  "concurrent",
  "dead-follower",
] as const;

/** The name of a trial. `--only=` takes it, and its title has the key `trial-ID`. */
export type TrialId = typeof trialIds[number];

/** The key of a text that is no clause, reason or thing to look at. */
export type TextKey = `trial-${TrialId}`;

/** A run of three servers and some clients, with everything that they printed. */
export interface Trial {
  readonly id: TrialId;
  readonly title: TextKey;
  readonly events: readonly ConsoleEvent[];
  readonly durationMs: number;
  /** The command that repeats just this trial. */
  readonly repeat: string;
}

/** Events of one trial, as indexes into its `events`. */
export interface Evidence {
  readonly trial: TrialId;
  readonly events: readonly number[];
}

/** What the assignment asks for and consoles can show, in the order of its text. */
export const clauseIds = [
  "client-menu", // 4, client: a menu with INIT, PUT and GET only
  "client-init", // 3.a: INIT asks for the addresses of three servers
  "client-put-ok-line", // PUT_OK key: K value V timestamp T realizada no servidor IP:PORT
  "client-get-line", // GET key: K value: V obtido do servidor IP:PORT, meu timestamp T …
  "client-extra-lines", // "nem mais nem menos", client
  "client-random-server", // 3.b, 3.c: each request goes to a server chosen at random
  "client-timestamp-sent", // 3.c: GET carries the client's last timestamp of the key
  "server-init", // 5.a: a server asks for its address and the leader's
  "server-put-line", // Cliente IP:PORT PUT key:K value:V
  "server-forward-line", // Encaminhando PUT key:K value:V
  "server-replication-line", // REPLICATION key:K value:V ts:T
  "server-put-ok-line", // Enviando PUT_OK ao Cliente IP:PORT da key:K ts:T
  "server-get-line", // Cliente IP:PORT GET key:K ts:T. Meu ts é T, portanto devolvendo V
  "server-extra-lines", // "nem mais nem menos", servers
  "put-forwarded", // 5.c: a PUT at a follower reaches the leader and is acknowledged
  "original-client", // 4: the leader names the client that sent a forwarded PUT
  "replicated-to-both", // 5.c.2: REPLICATION arrives at both followers
  "one-timestamp", // 5.c: REPLICATION, Enviando PUT_OK and PUT_OK of a PUT have one timestamp
  "put-ok-after-both", // 5.e: PUT_OK only after REPLICATION_OK of every follower
  "update", // 5.c.1: a PUT of an existing key replaces value and timestamp
  "timestamps-distinct", // 5.f: two values of a key never have one timestamp
  "get-value", // 5.f: GET returns the stored value from every server
  "get-null", // 5.f: GET of an absent key returns NULL
  "get-never-older", // 5.f.1: a client never gets a value older than one it has seen
  "try-other", // 5.f: TRY_OTHER_SERVER_OR_LATER when the server's timestamp is the smaller
  "get-during-put", // 5.b: a GET is answered while a PUT waits
  "value-spaces",
  "value-accents",
  "value-long",
  "two-clients", // 2: a second client gets what the first has put
  // outside the assignment: never "not-met"
  "concurrent-puts", // the three tables are equal after PUTs at the same time
  "dead-follower", // what happens to a PUT after a follower has died
] as const;

/** The name of a clause. */
export type ClauseId = typeof clauseIds[number];

/** Clauses that the assignment excludes: they are told in a section of their own. */
export const outsideIds: readonly ClauseId[] = ["concurrent-puts", "dead-follower"];

/**
 * Why a verdict is not simply `met`, with the names of its arguments.
 *
 * An argument is a text from a console or a number, never a sentence.
 */
export const reasonArgs = {
  // met, in other words
  "other-words": ["expected", "printed"],
  // not met
  "line-missing": ["expected", "console"],
  "line-wrong-value": ["expected", "printed"],
  "extra-lines": ["count", "example", "console"],
  "menu-choices": ["missing"],
  "always-one-server": ["server", "requests"],
  "server-never-chosen": ["server", "requests"],
  "timestamp-not-sent": ["seen", "sent"],
  "timestamps-differ": ["key", "first", "second"],
  "two-values-one-timestamp": ["key", "first", "second", "timestamp"],
  "timestamp-smaller": ["key", "before", "after"],
  "not-replicated": ["key", "console"],
  "not-forwarded": ["key", "console"],
  "put-not-acknowledged": ["key", "seconds"],
  "early-put-ok": ["key", "stopped"],
  "wrong-client": ["printed", "actual"],
  "wrong-value": ["key", "expected", "printed"],
  "older-value": ["key", "seen", "server"],
  "no-refusal": ["key", "seen", "server"],
  "refused-without-cause": ["key", "seen", "server"],
  "get-waits": ["key", "seconds"],
  "value-changed": ["expected", "printed"],
  // inconclusive
  "nothing-printed": ["console"],
  "trial-not-run": ["trial"],
  "trial-failed": ["trial", "problem"],
  "server-not-reached": ["server", "requests"],
  "no-control-put": ["trial"],
  "no-way-to-force": [],
  "needs-linux": ["what"],
  "needs-permission": ["what"],
  "not-in-profile": ["field"],
  "too-few": ["seen", "needed"],
  "depends-on": ["clause"],
  "not-understood": ["printed"],
  "tables-differ": ["key"],
  "put-while-dead": ["outcome"],
  "contradictory": ["first", "second"],
} as const satisfies Record<string, readonly string[]>;

/** The name of a reason. */
export type ReasonId = keyof typeof reasonArgs;

/** A reason and the values of its arguments. */
export interface Reason {
  readonly reason: ReasonId;
  readonly args: Readonly<Record<string, string>>;
}

/** What the grader says about one clause, and the lines from which it says so. */
export interface ClauseResult {
  readonly clause: ClauseId;
  readonly verdict: Verdict;
  readonly why?: Reason;
  readonly evidence: readonly Evidence[];
}

/** What consoles cannot show: the teacher looks at it in the source. */
export const byEyeIds = [
  "mensagem-class",
  "threads",
  "tcp-only",
  "hash-table",
  "libraries",
  "comments",
  "client-unaware-of-leader",
] as const;

/** The name of a thing to look at in the source. */
export type ByEyeId = typeof byEyeIds[number];

/** What the grader found out about one implementation. */
export interface Report {
  /** The profile's `name`. */
  readonly profile: string;
  /** Version of the grader. */
  readonly version: string;
  /** Operating system, such as `linux x86_64`. */
  readonly system: string;
  /** Start of the first trial, ISO 8601. */
  readonly at: string;
  readonly clauses: readonly ClauseResult[];
  /** Concurrent PUTs and dead servers. Never `not-met`. */
  readonly outside: readonly ClauseResult[];
  readonly byEye: readonly ByEyeId[];
  readonly trials: readonly Trial[];
}
