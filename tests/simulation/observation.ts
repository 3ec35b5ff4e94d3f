/** What is seen of clients and servers, for the rules. */

import type { AnyMensagem, Change, Gap, ListEntry } from "../../lib/mensagem.ts";
import type { Value } from "../../lib/wire/long_value.ts";
import type { Standing } from "./history.ts";
import type { Known, Target } from "./watch_checker.ts";

/** Something that a client or a server was seen to do. */
export type Observation =
  /**
   * A client sends a request. `value` is that of a PUT or WRITE, `null` to delete. `latest` is whether
   * it is a GET_LATEST.
   */
  | {
    kind: "asked";
    op: number;
    client: string;
    key: string;
    value: string | null | undefined;
    expected?: number | undefined;
    ttlMs?: number | undefined;
    latest?: true;
  }
  /** A client sends a LIST. */
  | { kind: "listing"; op: number; client: string }
  /** A client got PUT_OK or WRITE_OK. */
  | { kind: "put"; op: number; client: string; key: string; timestamp: number }
  /**
   * A client got GET_OK. `startFloor` is the highest timestamp that was committed for the key when
   * the process that answered began. `version` is the newest write of the key that the answer shows,
   * if that is not `timestamp`: the key does not exist. It may show one up to `versionMax`. `latest` is whether the request was a
   * GET_LATEST.
   */
  | {
    kind: "got";
    op: number;
    client: string;
    key: string;
    value: string | null;
    timestamp: number;
    version?: number;
    versionMax?: number;
    startFloor: number;
    latest?: boolean;
  }
  /** A client got LIST_OK. `versions` has what it shows of each key, as in "got". */
  | { kind: "listed"; op: number; client: string; versions: ReadonlyMap<string, number> }
  /** A client got CHANGES. `versions` has what it then knows of each key of the watch. */
  | { kind: "watched"; client: string; versions: ReadonlyMap<string, number> }
  /** A client got WRITE_OK for the deletion of a key that did not exist: nothing was written. */
  | { kind: "deletedNothing"; op: number; client: string; key: string }
  /** A client got CONFLICT. */
  | {
    kind: "conflict";
    op: number;
    client: string;
    key: string;
    value: string | null;
    timestamp: number;
  }
  /** A client was told that a PUT or WRITE was not applied. */
  | { kind: "notApplied"; op: number }
  /** A client got an answer that the library takes for no answer to its request. */
  | { kind: "unfit"; op: number; asked: AnyMensagem; reply: AnyMensagem }
  /** A client was told that what it saw is lost. `seen` are the timestamps of its request. */
  | { kind: "lost"; client: string; seen: readonly number[] }
  /** A client begins a session that has seen nothing. */
  | { kind: "forgot"; client: string }
  /** A leader has stamped a write. `value` is `null` if it deletes the key. */
  | {
    kind: "stamped";
    key: string;
    value: string | null;
    timestamp: number;
    /** The simulated time. */
    atMs: number;
  }
  /**
   * A leader begins with this table and this floor. Its timestamps go on after `timestamp`.
   */
  | {
    kind: "begun";
    server: string;
    timestamp: number;
    floor: number;
    /** The timestamps that the leader takes for lost. */
    gaps: readonly Gap[];
    entries: ReadonlyMap<string, Standing>;
    atMs: number;
  }
  /** A server that has applied everything up to `applied` says that a key does not exist. */
  | { kind: "absent"; server: string; key: string; applied: number }
  /** A server sends a page of a list. */
  | {
    kind: "page";
    server: string;
    prefix: string;
    after: string | undefined;
    limit: number | undefined;
    entries: readonly ListEntry[];
    more: boolean;
  }
  /** A client asks for changes after a timestamp. `known` is what it knows of the keys. */
  | { kind: "watching"; op: number; target: Target; after: number; known: Known }
  /**
   * A server sends CHANGES. `applied` are the writes that its process has applied one by one, oldest
   * first.
   */
  | {
    kind: "streamed";
    op: number;
    server: string;
    changes: readonly Change[];
    timestamp: number;
    reset: boolean;
    /** Whether the state at the beginning of the watch goes on in the next CHANGES. */
    more: boolean;
    applied: readonly { readonly key: string; readonly timestamp: number }[];
  }
  /**
   * A server's table has a new entry. `life` is the number of its process. `counts` is whether it was
   * told that its table is complete: before that it may still clear the table.
   */
  | {
    kind: "held";
    life: number;
    counts: boolean;
    server: string;
    key: string;
    value: string | null;
    timestamp: number;
  }
  /**
   * The tables of the living servers that the leader counts as in sync, at a simulated time. Since
   * `healthySinceMs` the leader is open, has all followers in sync, and does not stand still.
   */
  | {
    kind: "inspected";
    inSync: readonly Table[];
    nowMs: number;
    healthySinceMs: number;
  }
  /**
   * The leader has committed a write and sends PUT_OK. `inSync` is the number of servers that it
   * counts as in sync. `copies` has the timestamps of the key at the living ones of them.
   */
  | { kind: "committed"; key: string; timestamp: number; inSync: number; copies: number[] }
  /**
   * A server answered a request that had reached it. Times do not count while its process stands
   * still.
   */
  | { kind: "answered"; op: number; afterMs: number }
  /**
   * The leader answers a GET_LATEST with a write of this timestamp. `copies` has the timestamps of the
   * key at the living servers in sync.
   */
  | { kind: "shownLatest"; key: string; timestamp: number; copies: number[] }
  /** A request has no answer yet. Its server is alive and its connection open. */
  | { kind: "unanswered"; op: number; forMs: number }
  /**
   * A server answered a GET with TRY_OTHER_SERVER_OR_LATER. `seen` is the client's timestamp, `own` the
   * server's. `answersGets` is whether its process has answered GETs before, and still has that table.
   */
  | {
    kind: "refused";
    op: number;
    server: string;
    seen: number;
    own: number;
    answersGets: boolean;
    /** Whether the server says that what the client has seen is lost, or that it lacks `atLeast`. */
    excused?: boolean;
  }
  /** One client's PUTs while a follower flapped, and how many of them were not answered soon. */
  | { kind: "flapped"; late: number; of: number }
  /** A PUT to one server has had enough time, while another server is cut off. */
  | { kind: "managed"; succeeded: boolean }
  /**
   * The end: no fault is left, and nothing is under way. `lastPuts` and `lastGets` are the numbers of
   * clients whose last PUT or GET succeeded. `watchers` have what they were told.
   */
  | {
    kind: "ended";
    tables: Table[];
    lastPuts: number;
    lastGets: number;
    clients: number;
    /** Reads after all faults that did not succeed, nor were told that what was seen is lost. */
    failedReads?: number;
    watchers?: readonly {
      readonly client: string;
      readonly target: Target;
      readonly known: Known;
    }[];
  };

/** What a table holds of a key: `value` is `null` after a deletion. */
export interface Held {
  readonly value: Value | null;
  readonly timestamp: number;
  readonly ttlMs?: number | undefined;
}

/** The table of one server. */
export interface Table {
  readonly server: string;
  readonly readable: boolean;
  readonly store: {
    get(key: string): Held | undefined;
    entries(): Iterable<[string, Held]>;
    /** Entries and tombstones; missing in a table without deletions, as are the two below. */
    held?(): Iterable<[string, Held]>;
    /** The timestamp of a key that does not exist. */
    absentSince?(key: string): number;
    readonly floor?: number;
  };
}

/** The newest write of a key that a table knows of; at least that one, if the key does not exist. */
export function heldAt({ store }: Pick<Table, "store">, key: string): number {
  return store.get(key)?.timestamp ?? store.absentSince?.(key) ?? 0;
}
