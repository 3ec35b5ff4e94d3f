/**
 * The events in an `EVENTS` message, which a server sends to its observers.
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
  server,
  servers,
  value,
  valueOrNull,
} from "./validate.ts";

/** Events in one EVENTS. A server sends at most 1,256: those of one tick and 1,000 of its table. */
export const eventsPerFrameMax = 4_096;

/** The actions of a FAULT: what a client may do to the replication to one follower. */
export const faultActions = ["pause", "delay", "resume"] as const;

/** One of {@linkcode faultActions}. */
export type FaultAction = typeof faultActions[number];

/**
 * An event of one kind. `at` is its time on the server's clock, in milliseconds since the Unix
 * epoch. Long keys and values are cut at `eventTextCharsMax`.
 */
export type EventOf<Kind extends string, Details> =
  & { readonly kind: Kind; readonly at: number }
  & Readonly<Details>;

/** An event in a server. A client is "ip:port", a server "host:port". */
export type ServerEvent =
  /**
   * `table`: an entry or deletion in the server's table. Sent to a new observer, and after a snapshot changed the
   * table. `written`: the leader has stamped and applied a write. `replication`: a follower has applied
   * a REPLICATION. Of a deletion the `value` is `null`.
   */
  | EventOf<
    "table" | "written" | "replication",
    { key: string; value: string | null; timestamp: number }
  >
  /** The leader has received a PUT from this client. */
  | EventOf<"put", { client: string; key: string; value: string }>
  /** A follower forwards a PUT to the leader. */
  | EventOf<"forwarding", { key: string; value: string }>
  /** A follower has acknowledged everything up to `timestamp` to the leader. */
  | EventOf<"acknowledged", { follower: string; timestamp: number }>
  /** The leader answers a PUT with PUT_OK, `ms` milliseconds (with decimals) after the PUT came. */
  | EventOf<"put_ok", { client: string; key: string; timestamp: number; ms: number }>
  /**
   * A server answers a GET. `seen` is the client's timestamp, `own` the server's for the key. `value`
   * is `null` if the key does not exist.
   */
  | EventOf<"get", { client: string; key: string; seen: number; own: number; value: string | null }>
  /** A server answers a GET with TRY_OTHER_SERVER_OR_LATER. */
  | EventOf<"get", { client: string; key: string; seen: number; own: number; refused: true }>
  /**
   * The followers that have `joined`, the servers `inSync` as in STATUS_OK, and whether the leader is
   * `open` for PUTs. Only a leader sends it: when one of these changes, and to a new observer.
   */
  | EventOf<"members", { joined: readonly string[]; inSync: readonly string[]; open: boolean }>
  /**
   * A fault begins or ends: by a command, because too much text is held back, or because the
   * follower has left. `delayMs` belongs to "delay". Also sent to a new observer.
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

/** Counts of what happened while the server had an observer. They are never reset. */
export interface Counts {
  /** PUTs received by the leader. */
  readonly puts: number;
  /** PUTs answered with PUT_OK by the leader. */
  readonly putOks: number;
  /** GETs, refused ones included. */
  readonly gets: number;
  /** GETs answered with TRY_OTHER_SERVER_OR_LATER. */
  readonly refused: number;
  /** REPLICATIONs applied by a follower. */
  readonly replications: number;
}

/**
 * The `counts` of a message.
 *
 * @throws {MensagemError} if a count is missing or wrong.
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
 * @throws {MensagemError} if an event is not valid.
 */
export function events(f: Fields): ServerEvent[] {
  return list(f, "events", eventsPerFrameMax).map((element) => event(object(f, "events", element)));
}

function event(f: Fields): ServerEvent {
  const kind = oneOf(f, "kind", kinds);
  const at = integer(f, "at");
  switch (kind) {
    case "table":
    case "written":
    case "replication": {
      const timestamp = integer(f, "timestamp");
      return { kind, at, key: key(f, f.key), value: valueOrNull(f, f.value), timestamp };
    }
    case "put": {
      const client = address(f, "client");
      return { kind, at, client, key: key(f, f.key), value: value(f, f.value) };
    }
    case "forwarding":
      return { kind, at, key: key(f, f.key), value: value(f, f.value) };
    case "acknowledged":
      return { kind, at, follower: server(f, "follower"), timestamp: integer(f, "timestamp") };
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
      return { ...get, value: valueOrNull(f, f.value) };
    }
    case "members": {
      const [joined, inSync] = [servers(f, "joined"), servers(f, "inSync")];
      return { kind, at, joined, inSync, open: boolean(f, "open") };
    }
    case "fault": {
      const action = oneOf(f, "action", faultActions);
      const delay = f.delayMs === undefined ? {} : { delayMs: integer(f, "delayMs") };
      return { kind, at, follower: server(f, "follower"), action, ...delay };
    }
  }
}
