/**
 * What a server tells its observers: the events in an `EVENTS` message.
 *
 * @module
 */

import {
  address,
  boolean,
  type Fields,
  integer,
  key,
  list,
  number,
  object,
  oneOf,
  value,
} from "./validate.ts";

/** What an operator may do to the replication towards one follower. */
export const faultActions = ["pause", "delay", "resume"] as const;

/** See {@linkcode faultActions}. */
export type FaultAction = typeof faultActions[number];

/**
 * An event of one kind. `at` is when it happened, in milliseconds since the Unix epoch, by the
 * server's clock. Keys and values are cut where they are long.
 */
export type EventOf<Kind extends string, Of> =
  & { readonly kind: Kind; readonly at: number }
  & Readonly<Of>;

/** Something that has happened in a server. All addresses are "ip:port". */
export type ServerEvent =
  /**
   * `table`: the server holds it; sent when an observer comes, and when the table was brought up to
   * date by other means than writes. `written`: the leader has stamped and applied it, and its
   * REPLICATIONs leave. `replication`: a follower has received and applied it.
   */
  | EventOf<"table" | "written" | "replication", { key: string; value: string; timestamp: number }>
  /** The leader has received a PUT of this client. */
  | EventOf<"put", { client: string; key: string; value: string }>
  /** A follower passes a PUT on to the leader. */
  | EventOf<"forwarding", { key: string; value: string }>
  /** The leader has learned that a follower holds everything up to `timestamp`. */
  | EventOf<"acknowledged", { follower: string; timestamp: number }>
  /** The leader answers a PUT that came `ms` milliseconds ago, with decimals. */
  | EventOf<"put_ok", { client: string; key: string; timestamp: number; ms: number }>
  /**
   * A server that holds `own` for the key answers a client that has seen `seen`, `null` where the
   * key does not exist.
   */
  | EventOf<"get", { client: string; key: string; seen: number; own: number; value: string | null }>
  /** The same, but the answer is TRY_OTHER_SERVER_OR_LATER. */
  | EventOf<"get", { client: string; key: string; seen: number; own: number; refused: true }>
  /**
   * Who takes part has changed: the followers that have `joined`, the servers `inSync` as in
   * STATUS_OK, and whether the leader takes PUTs. Told by the leader alone, also when an observer
   * comes.
   */
  | EventOf<"members", { joined: readonly string[]; inSync: readonly string[]; open: boolean }>
  /**
   * A fault begins, or ends: by command, by itself, or because the follower has left. `delayMs` is
   * there where the action is "delay". Also told when an observer comes.
   */
  | EventOf<"fault", { follower: string; action: FaultAction; delayMs?: number }>;

const kinds = [
  "table",
  "put",
  "forwarding",
  "written",
  "replication",
  "acknowledged",
  "put_ok",
  "get",
  "members",
  "fault",
] as const;

/** How often things have happened while somebody observed, since the server's start. */
export interface Counts {
  /** PUTs that the leader received. */
  readonly puts: number;
  /** PUTs that the leader answered with PUT_OK. */
  readonly putOks: number;
  /** GETs, refused ones included. */
  readonly gets: number;
  /** GETs that were answered with TRY_OTHER_SERVER_OR_LATER. */
  readonly refused: number;
  /** REPLICATIONs that a follower applied. */
  readonly replications: number;
}

/**
 * The `counts` of a message.
 *
 * @throws {MensagemError} where they are none.
 */
export function counts(f: Fields): Counts {
  const inner = object(f, "counts", f.counts);
  return {
    puts: integer(inner, "puts"),
    putOks: integer(inner, "putOks"),
    gets: integer(inner, "gets"),
    refused: integer(inner, "refused"),
    replications: integer(inner, "replications"),
  };
}

/**
 * The `events` of a message.
 *
 * @throws {MensagemError} where one of them is none.
 */
export function events(f: Fields): ServerEvent[] {
  return list(f, "events").map((element) => event(object(f, "events", element)));
}

function event(f: Fields): ServerEvent {
  const kind = oneOf(f, "kind", kinds);
  const at = integer(f, "at");
  switch (kind) {
    case "table":
    case "written":
    case "replication": {
      const timestamp = integer(f, "timestamp");
      return { kind, at, key: key(f, f.key), value: value(f, f.value), timestamp };
    }
    case "put": {
      const client = address(f, "client");
      return { kind, at, client, key: key(f, f.key), value: value(f, f.value) };
    }
    case "forwarding":
      return { kind, at, key: key(f, f.key), value: value(f, f.value) };
    case "acknowledged":
      return { kind, at, follower: address(f, "follower"), timestamp: integer(f, "timestamp") };
    case "put_ok": {
      const timestamp = integer(f, "timestamp");
      const client = address(f, "client");
      return { kind, at, client, key: key(f, f.key), timestamp, ms: number(f, "ms") };
    }
    case "get": {
      const client = address(f, "client");
      const [seen, own] = [integer(f, "seen"), integer(f, "own")];
      const get = { kind, at, client, key: key(f, f.key), seen, own };
      if (f.refused !== undefined && boolean(f, "refused")) return { ...get, refused: true };
      return { ...get, value: f.value === null ? null : value(f, f.value) };
    }
    case "members": {
      const servers = (name: string) => list(f, name).map((one) => address(f, name, one));
      const [joined, inSync] = [servers("joined"), servers("inSync")];
      return { kind, at, joined, inSync, open: boolean(f, "open") };
    }
    case "fault": {
      const action = oneOf(f, "action", faultActions);
      const delay = f.delayMs === undefined ? {} : { delayMs: integer(f, "delayMs") };
      return { kind, at, follower: address(f, "follower"), action, ...delay };
    }
  }
}
