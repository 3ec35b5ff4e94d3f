/**
 * Makes a message from the fields of a JSON object, and checks each field.
 *
 * @module
 */

import { errorCodes } from "./errors.ts";
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
  list,
  object,
  oneOf,
  quote,
  string,
  value,
} from "./validate.ts";

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
        address(f, "server"),
        cluster(f),
        integer(f, "timestamp"),
        f.highest === undefined ? undefined : integer(f, "highest"),
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
      return new Hello(oneOf(f, "role", ["server", "client"]), hex(f, "nonce", 32));
    case "CHALLENGE":
      return new Challenge(hex(f, "nonce", 32), hex(f, "proof", 64));
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
        address(f, "server"),
        integer(f, "at"),
        integer(f, "missed"),
        counts(f),
        events(f),
      );
    case "FAULT":
      return new Fault(
        integer(f, "id"),
        address(f, "follower"),
        oneOf(f, "action", faultActions),
        f.delayMs === undefined ? undefined : integer(f, "delayMs"),
      );
    case "FAULT_OK":
      return new FaultOk(integer(f, "id"));
    case "ERROR":
      return new ErrorReply(
        oneOf(f, "code", errorCodes),
        string(f, "message"),
        f.id === undefined ? undefined : integer(f, "id"),
      );
    default:
      throw bad(f, `unknown "type" ${quote(f.type)}`);
  }
}

function entries(f: Fields): SnapshotEntry[] {
  return list(f, "entries").map((entry) => {
    if (!Array.isArray(entry) || entry.length !== 3) {
      throw bad(f, `"entries" must hold lists of key, value and timestamp`);
    }
    return [key(f, entry[0]), value(f, entry[1]), integer({ timestamp: entry[2] }, "timestamp")];
  });
}

function status(f: Fields): ServerStatus {
  return {
    server: address(f, "server"),
    leader: address(f, "leader"),
    cluster: cluster(f),
    timestamp: integer(f, "timestamp"),
    inSync: list(f, "inSync").map((server) => address(f, "inSync", server)),
    followers: list(f, "followers").map((element) => {
      const follower = object(f, "followers", element);
      return {
        server: address(follower, "server"),
        timestamp: integer(follower, "timestamp"),
        inSync: boolean(follower, "inSync"),
      };
    }),
    keys: integer(f, "keys"),
    connections: integer(f, "connections"),
    uptimeMs: integer(f, "uptimeMs"),
    memoryBytes: integer(f, "memoryBytes"),
    faults: boolean(f, "faults"),
  };
}
