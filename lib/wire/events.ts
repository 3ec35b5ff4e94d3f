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
  optionalInteger,
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
   * a REPLICATION. Of a deletion the `value` is `null`. `expired` says that the leader has deleted the
   * key because its time to live was over.
   */
  | EventOf<"table" | "replication", { key: string; value: string | null; timestamp: number }>
  | EventOf<"written", { key: string; value: string | null; timestamp: number; expired?: true }>
  /** The leader has received a PUT from this client. */
  | EventOf<"put", { client: string; key: string; value: string }>
  /** A follower forwards a PUT to the leader. */
  | EventOf<"forwarding", { key: string; value: string }>
  /** The leader has received a WRITE from this client. The fields are those of the WRITE. */
  | EventOf<
    "write",
    { client: string; key: string; value: string | null; expected?: number; ttlMs?: number }
  >
  /** A follower forwards a WRITE to the leader. */
  | EventOf<"forwarding_write", { key: string; value: string | null }>
  /** A follower has acknowledged everything up to `timestamp` to the leader. */
  | EventOf<"acknowledged", { follower: string; timestamp: number }>
  /** The leader answers a PUT with PUT_OK, `ms` milliseconds (with decimals) after the PUT came. */
  | EventOf<"put_ok", { client: string; key: string; timestamp: number; ms: number }>
  /**
   * The leader answers a WRITE with WRITE_OK. `ms` is left out if it is not known, as of a deletion
   * that found no key.
   */
  | EventOf<"write_ok", { client: string; key: string; timestamp: number; ms?: number }>
  /**
   * The leader answers a WRITE with CONFLICT: the key does not stand at `expected`. `value` and
   * `timestamp` are what it stands at.
   */
  | EventOf<
    "conflict",
    { client: string; key: string; expected: number; value: string | null; timestamp: number }
  >
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
  "write",
  "forwarding_write",
  "write_ok",
  "conflict",
] as const;

/** Whether an observer of any age knows an event. It refuses a message with one that it does not know. */
export function isKnownToAll({ kind }: ServerEvent): boolean {
  return kind !== "write" && kind !== "forwarding_write" && kind !== "write_ok" &&
    kind !== "conflict";
}

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
  /** WRITEs received by the leader. */
  readonly writes: number;
  /** WRITEs answered with WRITE_OK by the leader. */
  readonly writeOks: number;
  /** WRITEs answered with CONFLICT by the leader. */
  readonly conflicts: number;
}

/**
 * The `counts` of a message. An older server does not count WRITEs: these counts are then 0.
 *
 * @throws {MensagemError} if a count is wrong, or another one is missing.
 */
export function counts(f: Fields): Counts {
  const inner = object(f, "counts", f.counts);
  return {
    puts: integer(inner, "puts"),
    putOks: integer(inner, "putOks"),
    gets: integer(inner, "gets"),
    refused: integer(inner, "refused"),
    replications: integer(inner, "replications"),
    writes: optionalInteger(inner, "writes") ?? 0,
    writeOks: optionalInteger(inner, "writeOks") ?? 0,
    conflicts: optionalInteger(inner, "conflicts") ?? 0,
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
      const write = { at, key: key(f, f.key), value: valueOrNull(f, f.value), timestamp };
      if (kind !== "written") return { kind, ...write };
      const expired = f.expired !== undefined && boolean(f, "expired");
      return expired ? { kind, ...write, expired } : { kind, ...write };
    }
    case "put": {
      const client = address(f, "client");
      return { kind, at, client, key: key(f, f.key), value: value(f, f.value) };
    }
    case "forwarding":
      return { kind, at, key: key(f, f.key), value: value(f, f.value) };
    case "write": {
      const client = address(f, "client");
      const [expected, ttlMs] = [optionalInteger(f, "expected"), optionalInteger(f, "ttlMs")];
      return {
        ...{ kind, at, client, key: key(f, f.key), value: valueOrNull(f, f.value) },
        ...(expected === undefined ? {} : { expected }),
        ...(ttlMs === undefined ? {} : { ttlMs }),
      };
    }
    case "forwarding_write":
      return { kind, at, key: key(f, f.key), value: valueOrNull(f, f.value) };
    case "acknowledged":
      return { kind, at, follower: server(f, "follower"), timestamp: integer(f, "timestamp") };
    case "put_ok": {
      const timestamp = integer(f, "timestamp");
      const client = address(f, "client");
      return { kind, at, client, key: key(f, f.key), timestamp, ms: number(f, "ms") };
    }
    case "write_ok": {
      const timestamp = integer(f, "timestamp");
      const ok = { kind, at, client: address(f, "client"), key: key(f, f.key), timestamp };
      return f.ms === undefined ? ok : { ...ok, ms: number(f, "ms") };
    }
    case "conflict": {
      const [expected, timestamp] = [integer(f, "expected"), integer(f, "timestamp")];
      const [client, theKey] = [address(f, "client"), key(f, f.key)];
      return { kind, at, client, key: theKey, expected, value: valueOrNull(f, f.value), timestamp };
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
