/**
 * Makes a message from the fields of a JSON object, and checks each field.
 *
 * @module
 */

import { errorCodes, MensagemError } from "./errors.ts";
import { counts, events, faultActions } from "./events.ts";
import {
  type AnyMensagem,
  Challenge,
  ErrorReply,
  Events,
  Fault,
  FaultOk,
  Get,
  GetOk,
  Heartbeat,
  Hello,
  Join,
  JoinOk,
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
  optionalInteger,
  quote,
  server,
  servers,
  serversMax,
  string,
  value,
  version,
} from "./validate.ts";

/** Entries in one SNAPSHOT. A server sends at most 8,192. */
export const snapshotEntriesMax = 16_384;

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
      return new Get(integer(f, "id"), key(f, f.key), integer(f, "timestamp"));
    case "GET_OK":
      return new GetOk(
        integer(f, "id"),
        key(f, f.key),
        f.value === null ? null : value(f, f.value),
        integer(f, "timestamp"),
      );
    case "TRY_OTHER_SERVER_OR_LATER":
      return new TryOther(integer(f, "id"), key(f, f.key), integer(f, "timestamp"));
    case "REPLICATION":
      return Replication.of(key(f, f.key), value(f, f.value), integer(f, "timestamp"));
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
      );
    case "JOIN_OK":
      return new JoinOk();
    case "SYNC":
      return new Sync(cluster(f), integer(f, "timestamp"), integer(f, "latest"));
    case "SNAPSHOT_REQUEST":
      return new SnapshotRequest();
    case "SNAPSHOT":
      return new Snapshot(
        entries(f),
        boolean(f, "last"),
        f.replace === undefined ? undefined : boolean(f, "replace"),
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
      return new Observe(integer(f, "id"));
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

function entries(f: Fields): SnapshotEntry[] {
  return list(f, "entries", snapshotEntriesMax).map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 3) {
      throw bad(f, `"entries" must hold lists of key, value and timestamp`);
    }
    return [key(f, entry[0]), value(f, entry[1]), integer({ timestamp: entry[2] }, "timestamp")];
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
    ...(f.version === undefined ? {} : { version: version(f) }),
  };
}
