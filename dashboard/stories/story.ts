/**
 * What a story is: a few steps on a cluster of real servers, told as they are played. Types only.
 *
 * The page and `deno task demo` tell the same stories: `stories.js` lists them, `play.ts` plays them.
 *
 * @module
 */

/** A server of a story: the leader, the first follower in sync and the last one. */
export type Role = "leader" | "near" | "far";

/** A client of a story. */
export type Client = "A" | "B" | "C" | "D";

/** A text in each language. */
export interface Text {
  /** In Portuguese. */
  readonly pt: string;
  /** In English. */
  readonly en: string;
}

/** A language of the texts. */
export type Lang = keyof Text;

/**
 * A story. In its texts `{leader}`, `{near}` and `{far}` stand for servers, `{A}` to `{D}` for
 * clients, `{A.seen}` for the timestamp that a client has seen, and for a write with the name "new"
 * `{new}` is its timestamp and `{new.value}` its value.
 */
export interface Story {
  /** What `--story` and POST /demo call it. */
  readonly id: string;
  /** The key that its clients write and read. */
  readonly key: string;
  /** What its button says. */
  readonly title: Text;
  /** What it shows, in one line. */
  readonly about: Text;
  /** Its steps, in their order. */
  readonly steps: readonly Step[];
}

/** A step of a story. It is told before its commands run. */
export interface Step {
  /** Its name, unique in the story. */
  readonly name: string;
  /** What is told. It names no write before the step in which it gets its timestamp has ended. */
  readonly text: Text;
  /** What happens. A command that gives something else ends the story. */
  readonly commands: readonly Command[];
}

/** A command of a step. Writes have names, so that later commands and texts can refer to them. */
export type Command =
  /** PUTs a value, with PUT_OK as the answer. With `later` nothing waits for it: see "answered". */
  | { do: "put"; by: Client; at: Role; value: string; as: string; later?: true }
  /** PUTs a value, which the server says that it cannot do. */
  | { do: "unavailable"; by: Client; at: Role; value: string }
  /** The later PUT has no answer yet. */
  | { do: "unanswered"; put: string }
  /** Waits for the answers to later PUTs. `newest` is another name for the last one in their order. */
  | { do: "answered"; puts: readonly string[]; newest?: string }
  /** GETs what a write has written. */
  | { do: "get"; by: Client; at: Role; sees: string }
  /** GETs TRY_OTHER_SERVER_OR_LATER from a server that stands at a write, `null`: at no write. */
  | { do: "refused"; by: Client; at: Role; standsAt: string | null }
  /** Writes, or deletes with `null`, if the key stands at a write, `null`: if it does not exist. */
  | {
    do: "write";
    by: Client;
    at: Role;
    value: string | null;
    expected: string | null;
    ttlMs?: number;
    as: string;
  }
  /** The same, but the key stands at another write. Nothing is written. */
  | {
    do: "conflict";
    by: Client;
    at: Role;
    value: string;
    expected: string | null;
    standsAt: string;
  }
  /** The leader holds the REPLICATIONs to a follower, or releases them. */
  | { do: "hold" | "release"; follower: Role }
  /** Stops a server, or starts it again with an empty memory. */
  | { do: "stop" | "start"; server: Role }
  /** Waits until a server has a write, `null`: until the key does not exist there. */
  | { do: "has"; server: Role; write: string | null }
  /** Waits until this number of servers is in sync, the leader included. */
  | { do: "in sync"; servers: number };

/** What a write has written. */
export interface Copy {
  /** Its value; `null` for a deletion. */
  readonly value: string | null;
  /** Its timestamp. */
  readonly timestamp: number;
}

/** A step of a story that is played, with what its text needs. */
export interface ShownStep {
  /** The id of the story. */
  readonly story: string;
  /** The name of the step; "done" and "failed" at the end. */
  readonly name: string;
  /** Its place among the steps, from 0. */
  readonly index: number;
  /** The key of the story. */
  readonly key: string;
  /** "ip:port" of each server. */
  readonly servers: Readonly<Record<Role, string>>;
  /** The timestamp that each client has seen for the key. */
  readonly seen: Readonly<Record<Client, number>>;
  /** What each write has written that has its timestamp, by its name. */
  readonly writes: Readonly<Record<string, Copy>>;
  /** Why the story failed, in the step "failed". */
  readonly failure?: Failure;
}

/** Why a story failed: a command gave something else than expected, or an error. */
export type Failure =
  | { readonly expected: string; readonly got: string }
  | { readonly reason: string };
