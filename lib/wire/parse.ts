/**
 * Makes a message from the fields of a JSON object, and checks each field.
 *
 * @module
 */

import { listEntriesMax } from "../limits.ts";
import { errorCodes, MensagemError } from "./errors.ts";
import { counts, events, faultActions } from "./events.ts";
import {
  type AnyMensagem,
  Challenge,
  type Change,
  Changes,
  Conflict,
  ErrorReply,
  Events,
  Fault,
  FaultOk,
  type Gap,
  Get,
  GetLatest,
  GetOk,
  Heartbeat,
  Hello,
  Join,
  JoinOk,
  List,
  type ListEntry,
  ListOk,
  Observe,
  Proof,
  ProofOk,
  Put,
  PutOk,
  Replication,
  ReplicationOk,
  type ServerStatus,
  Snapshot,
  type SnapshotEntry,
  SnapshotOk,
  SnapshotRequest,
  Status,
  StatusOk,
  Sync,
  TryOther,
  Unwatch,
  Watch,
  type WatchTarget,
  WriteOk,
  WriteRequest,
} from "./messages.ts";
import {
  address,
  bad,
  boolean,
  cluster,
  type Fields,
  hex,
  integer,
  key,
  knownId,
  list,
  object,
  oneOf,
  optionalInRange,
  optionalInteger,
  prefix,
  quote,
  server,
  servers,
  serversMax,
  string,
  ttl,
  value,
  valueOrNull,
  version,
} from "./validate.ts";

/** Entries in one SNAPSHOT. A server sends at most 8,192. */
export const snapshotEntriesMax = 16_384;

/** Changes in one CHANGES. A server sends at most 1,024. */
export const changesPerFrameMax = 8_192;

/** Gaps in one SYNC or SNAPSHOT. */
export const gapsMax = 1_024;

/** The longest text of an ERROR, in UTF-16 units. */
export const errorMessageCharsMax = 8_192;

/**
 * The message with these fields.
 *
 * @throws {MensagemError} if the type or a field is wrong.
 */
export function fromFields(f: Fields): AnyMensagem {
  switch (f.type) {
    case "PUT":
      return new Put(
        integer(f, "id"),
        key(f, f.key),
        value(f, f.value),
        f.client === undefined ? undefined : address(f, "client"),
      );
    case "PUT_OK":
      return new PutOk(integer(f, "id"), key(f, f.key), integer(f, "timestamp"));
    case "GET":
      return new Get(
        integer(f, "id"),
        key(f, f.key),
        integer(f, "timestamp"),
        optionalInteger(f, "atLeast"),
      );
    case "GET_OK":
      return new GetOk(
        integer(f, "id"),
        key(f, f.key),
        valueOrNull(f, f.value),
        integer(f, "timestamp"),
      );
    case "TRY_OTHER_SERVER_OR_LATER":
      return new TryOther(
        integer(f, "id"),
        f.key === undefined ? undefined : key(f, f.key),
        integer(f, "timestamp"),
        flag(f, "lost"),
      );
    case "WRITE":
      return writeRequest(f);
    case "WRITE_OK":
      return new WriteOk(integer(f, "id"), key(f, f.key), integer(f, "timestamp"));
    case "CONFLICT":
      return new Conflict(
        integer(f, "id"),
        key(f, f.key),
        valueOrNull(f, f.value),
        integer(f, "timestamp"),
      );
    case "GET_LATEST":
      return new GetLatest(integer(f, "id"), key(f, f.key));
    case "LIST":
      return new List(
        integer(f, "id"),
        prefix(f),
        f.after === undefined ? undefined : key(f, f.after),
        optionalInRange(f, "limit", 1, listEntriesMax),
        optionalInteger(f, "atLeast"),
      );
    case "LIST_OK":
      return new ListOk(
        integer(f, "id"),
        list(f, "entries", listEntriesMax).map((entry) => listEntry(f, entry)),
        boolean(f, "more"),
        integer(f, "timestamp"),
      );
    case "WATCH":
      return new Watch(integer(f, "id"), watchTarget(f), integer(f, "after"));
    case "CHANGES":
      return new Changes(
        integer(f, "id"),
        list(f, "changes", changesPerFrameMax).map((element) => change(f, "changes", element)),
        integer(f, "timestamp"),
        flag(f, "reset"),
        flag(f, "more"),
      );
    case "UNWATCH":
      return new Unwatch(integer(f, "id"));
    case "REPLICATION": {
      const [theKey, theValue] = [key(f, f.key), valueOrNull(f, f.value)];
      return Replication.of(theKey, theValue, integer(f, "timestamp"), ttl(f, theValue));
    }
    case "REPLICATION_OK":
      return new ReplicationOk(integer(f, "timestamp"));
    case "JOIN":
      return new Join(
        server(f, "server"),
        cluster(f),
        integer(f, "timestamp"),
        optionalInteger(f, "highest"),
        optionalInteger(f, "instance"),
        optionalInteger(f, "attempt"),
        optionalInteger(f, "protocol"),
      );
    case "JOIN_OK":
      return new JoinOk(optionalInteger(f, "protocol"));
    case "SYNC":
      return new Sync(
        cluster(f),
        integer(f, "timestamp"),
        integer(f, "latest"),
        optionalInteger(f, "floor"),
        gaps(f),
      );
    case "SNAPSHOT_REQUEST":
      return new SnapshotRequest();
    case "SNAPSHOT":
      return new Snapshot(
        entries(f),
        boolean(f, "last"),
        f.replace === undefined ? undefined : boolean(f, "replace"),
        optionalInteger(f, "floor"),
        gaps(f),
      );
    case "SNAPSHOT_OK":
      return new SnapshotOk();
    case "HEARTBEAT":
      return new Heartbeat();
    case "HELLO":
      return new Hello(
        oneOf(f, "role", ["server", "client"]),
        hex(f, "nonce", 32),
        f.server === undefined ? undefined : server(f, "server"),
        f.peer === undefined ? undefined : address(f, "peer"),
        f.tls === undefined ? undefined : boolean(f, "tls"),
      );
    case "CHALLENGE":
      return new Challenge(
        hex(f, "nonce", 32),
        hex(f, "proof", 64),
        optionalInteger(f, "proofVersion"),
      );
    case "PROOF":
      return new Proof(hex(f, "proof", 64));
    case "PROOF_OK":
      return new ProofOk();
    case "STATUS":
      return new Status(integer(f, "id"));
    case "STATUS_OK":
      return new StatusOk(integer(f, "id"), status(f));
    case "OBSERVE":
      return new Observe(integer(f, "id"), optionalInteger(f, "protocol"));
    case "EVENTS":
      return new Events(
        integer(f, "id"),
        server(f, "server"),
        integer(f, "at"),
        integer(f, "missed"),
        counts(f),
        events(f),
      );
    case "FAULT":
      return new Fault(
        integer(f, "id"),
        server(f, "follower"),
        oneOf(f, "action", faultActions),
        optionalInteger(f, "delayMs"),
      );
    case "FAULT_OK":
      return new FaultOk(integer(f, "id"));
    case "ERROR":
      return new ErrorReply(
        oneOf(f, "code", errorCodes),
        errorMessage(f),
        optionalInteger(f, "id"),
      );
    default:
      throw bad(f, `unknown "type" ${quote(f.type)}`);
  }
}

function errorMessage(f: Fields): string {
  const text = string(f, "message");
  if (text.length <= errorMessageCharsMax) return text;
  const message = `"message" is longer than ${errorMessageCharsMax} UTF-16 units`;
  throw new MensagemError("TOO_LARGE", message, knownId(f));
}

function writeRequest(f: Fields): WriteRequest {
  const [id, theKey, theValue] = [integer(f, "id"), key(f, f.key), valueOrNull(f, f.value)];
  const expected = optionalInteger(f, "expected");
  const client = f.client === undefined ? undefined : address(f, "client");
  return new WriteRequest(id, theKey, theValue, expected, ttl(f, theValue), client);
}

function watchTarget(f: Fields): WatchTarget {
  if ((f.key === undefined) === (f.prefix === undefined)) {
    throw bad(f, `a WATCH must have either "key" or "prefix"`);
  }
  return f.key === undefined ? { prefix: prefix(f) } : { key: key(f, f.key) };
}

/** A field that is `true` or missing. `false` is the same as missing. */
function flag(f: Fields, name: string): true | undefined {
  return f[name] !== undefined && boolean(f, name) ? true : undefined;
}

function entries(f: Fields): SnapshotEntry[] {
  return list(f, "entries", snapshotEntriesMax).map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 4) return change(f, "entries", entry);
    const [theKey, theValue, timestamp] = change(f, "entries", entry.slice(0, 3));
    const ttlMs = ttl({ ttlMs: entry[3], id: f.id }, theValue);
    if (ttlMs === undefined) throw bad(f, `"ttlMs" in "entries" must be an integer`);
    return [theKey, theValue, timestamp, ttlMs];
  });
}

function listEntry(f: Fields, element: unknown): ListEntry {
  const [theKey, theValue, timestamp] = change(f, "entries", element);
  return [theKey, value(f, theValue), timestamp];
}

function change(f: Fields, name: string, element: unknown): Change {
  if (!Array.isArray(element) || element.length !== 3) {
    throw bad(f, `"${name}" must hold lists of key, value and timestamp`);
  }
  const timestamp = integer({ timestamp: element[2], id: f.id }, "timestamp");
  return [key(f, element[0]), valueOrNull(f, element[1]), timestamp];
}

function gaps(f: Fields): Gap[] | undefined {
  if (f.gaps === undefined) return undefined;
  return list(f, "gaps", gapsMax).map((element) => {
    if (!Array.isArray(element) || element.length !== 2) {
      throw bad(f, `"gaps" must hold lists of two timestamps`);
    }
    const [first, last] = element.map((timestamp) => integer({ timestamp, id: f.id }, "timestamp"));
    if (first! > last!) throw bad(f, `a gap ends before it begins: ${first} to ${last}`);
    return [first!, last!];
  });
}

function status(f: Fields): ServerStatus {
  return {
    server: server(f, "server"),
    leader: server(f, "leader"),
    cluster: cluster(f),
    timestamp: integer(f, "timestamp"),
    inSync: servers(f, "inSync"),
    followers: list(f, "followers", serversMax).map((element) => {
      const follower = object(f, "followers", element);
      return {
        server: server(follower, "server"),
        timestamp: integer(follower, "timestamp"),
        inSync: boolean(follower, "inSync"),
      };
    }),
    keys: integer(f, "keys"),
    connections: integer(f, "connections"),
    uptimeMs: integer(f, "uptimeMs"),
    memoryBytes: integer(f, "memoryBytes"),
    faults: boolean(f, "faults"),
    ...(f.watches === undefined ? {} : { watches: integer(f, "watches") }),
    ...(f.cutOffMs === undefined ? {} : { cutOffMs: integer(f, "cutOffMs") }),
    ...(f.version === undefined ? {} : { version: version(f) }),
  };
}
