/** Random messages of each type. */

import { listEntriesMax } from "../../lib/limits.ts";
import {
  Challenge,
  Changes,
  Conflict,
  errorCodes,
  ErrorReply,
  Events,
  Fault,
  faultActions,
  FaultOk,
  Get,
  GetLatest,
  GetOk,
  Heartbeat,
  Hello,
  Join,
  JoinOk,
  List,
  ListOk,
  Observe,
  Proof,
  ProofOk,
  Put,
  PutOk,
  Replication,
  ReplicationOk,
  Snapshot,
  SnapshotOk,
  SnapshotRequest,
  Status,
  StatusOk,
  Sync,
  TryOther,
  Unwatch,
  Watch,
  WriteOk,
  WriteRequest,
} from "../../lib/mensagem.ts";
import { counts, events, type Of, type Type } from "./golden_messages.ts";
import type { Random } from "./random.ts";

/** By type: makes a random message. */
export const draw: { readonly [T in Type]: (random: Random) => Of<T> } = {
  PUT: (r) => new Put(integer(r), key(r), value(r), r.chance(0.5) ? address(r) : undefined),
  PUT_OK: (r) => new PutOk(integer(r), key(r), integer(r)),
  GET: (r) => new Get(integer(r), key(r), integer(r), maybe(r, integer)),
  GET_OK: (r) => new GetOk(integer(r), key(r), r.chance(0.2) ? null : value(r), integer(r)),
  TRY_OTHER_SERVER_OR_LATER: (r) =>
    new TryOther(integer(r), maybe(r, key), integer(r), r.pick([true, undefined])),
  WRITE: (r) => {
    const written = r.chance(0.3) ? null : value(r);
    const ttlMs = written === null ? undefined : maybe(r, ttl);
    return new WriteRequest(
      integer(r),
      key(r),
      written,
      maybe(r, integer),
      ttlMs,
      maybe(r, address),
    );
  },
  WRITE_OK: (r) => new WriteOk(integer(r), key(r), integer(r)),
  CONFLICT: (r) => new Conflict(integer(r), key(r), r.chance(0.2) ? null : value(r), integer(r)),
  GET_LATEST: (r) => new GetLatest(integer(r), key(r)),
  LIST: (r) =>
    new List(
      integer(r),
      value(r),
      maybe(r, key),
      maybe(r, () => r.between(1, listEntriesMax)),
      maybe(r, integer),
    ),
  LIST_OK: (r) =>
    new ListOk(
      integer(r),
      Array.from({ length: r.below(4) }, () => [key(r), value(r), integer(r)]),
      r.chance(0.5),
      integer(r),
    ),
  WATCH: (r) =>
    new Watch(integer(r), r.chance(0.5) ? { key: key(r) } : { prefix: value(r) }, integer(r)),
  CHANGES: (r) =>
    new Changes(
      integer(r),
      Array.from(
        { length: r.below(4) },
        () => [key(r), r.chance(0.3) ? null : value(r), integer(r)],
      ),
      integer(r),
      r.pick([true, undefined]),
      r.pick([true, undefined]),
    ),
  UNWATCH: (r) => new Unwatch(integer(r)),
  REPLICATION: (r) =>
    r.chance(0.2)
      ? Replication.of(key(r), null, integer(r))
      : Replication.of(key(r), value(r), integer(r), maybe(r, ttl)),
  REPLICATION_OK: (r) => new ReplicationOk(integer(r)),
  JOIN: (r) => {
    const [highest, instance, attempt, protocol] = [0, 1, 2, 3].map(() => maybe(r, integer));
    return new Join(server(r), cluster(r), integer(r), highest, instance, attempt, protocol);
  },
  HELLO: (r) =>
    r.chance(0.5) ? new Hello(r.pick(["server", "client"]), hex(r, 32)) : new Hello(
      r.pick(["server", "client"]),
      hex(r, 32),
      server(r),
      address(r),
      r.pick([true, undefined]),
    ),
  CHALLENGE: (r) => new Challenge(hex(r, 32), hex(r, 64), r.chance(0.5) ? integer(r) : undefined),
  PROOF: (r) => new Proof(hex(r, 64)),
  PROOF_OK: () => new ProofOk(),
  STATUS: (r) => new Status(integer(r)),
  STATUS_OK: (r) =>
    new StatusOk(integer(r), {
      server: server(r),
      leader: server(r),
      cluster: cluster(r),
      timestamp: integer(r),
      inSync: servers(r),
      followers: Array.from({ length: r.below(3) }, () => ({
        server: server(r),
        timestamp: integer(r),
        inSync: r.chance(0.5),
      })),
      keys: integer(r),
      connections: integer(r),
      uptimeMs: integer(r),
      memoryBytes: integer(r),
      faults: r.chance(0.5),
      ...(r.chance(0.5) ? {} : { watches: integer(r) }),
      ...(r.chance(0.5) ? {} : { cutOffMs: integer(r) }),
      ...(r.chance(0.5) ? {} : { version: "0.1.0" }),
    }),
  OBSERVE: (r) => new Observe(integer(r), maybe(r, integer)),
  EVENTS: (r) =>
    new Events(
      integer(r),
      server(r),
      integer(r),
      integer(r),
      { ...counts, gets: integer(r), conflicts: integer(r) },
      Array.from({ length: r.below(4) }, () => r.pick(events)[0]),
    ),
  FAULT: (r) =>
    new Fault(integer(r), server(r), r.pick(faultActions), r.chance(0.5) ? integer(r) : undefined),
  FAULT_OK: (r) => new FaultOk(integer(r)),
  JOIN_OK: (r) => new JoinOk(maybe(r, integer)),
  SYNC: (r) => new Sync(cluster(r), integer(r), integer(r), maybe(r, integer), maybe(r, gaps)),
  SNAPSHOT_REQUEST: () => new SnapshotRequest(),
  SNAPSHOT: (r) =>
    new Snapshot(
      Array.from({ length: r.below(5) }, () => {
        const [theKey, timestamp] = [key(r), integer(r)];
        if (r.chance(0.3)) return [theKey, null, timestamp];
        return r.chance(0.5)
          ? [theKey, value(r), timestamp]
          : [theKey, value(r), timestamp, ttl(r)];
      }),
      r.chance(0.5),
      maybe(r, () => r.chance(0.5)),
      maybe(r, integer),
      maybe(r, gaps),
    ),
  SNAPSHOT_OK: () => new SnapshotOk(),
  HEARTBEAT: () => new Heartbeat(),
  ERROR: (r) =>
    new ErrorReply(r.pick(errorCodes), value(r), r.chance(0.5) ? integer(r) : undefined),
};

const hex = (r: Random, digits: number) =>
  Array.from({ length: digits }, () => r.pick([..."0123456789abcdef"])).join("");
const maybe = <T>(r: Random, make: (r: Random) => T) => r.chance(0.5) ? make(r) : undefined;
const ttl = (r: Random) => r.pick([1_000, 60_000, 2 ** 31]);
const gaps = (r: Random) =>
  Array.from({ length: r.below(3) }, (): [number, number] => [r.below(9), r.between(9, 99)]);
const integer = (r: Random) => r.pick([0, 1, r.below(1_000), 2 ** 32 + 1, 2 ** 53 - 1]);
const key = (r: Random) => r.text(r.between(1, 6));
const value = (r: Random) => r.text(r.below(12));
/** A server with a name of the longest kind. */
export const longestServer = `${"a23456789.".repeat(25)}abc:10097`;
const address = (r: Random) => r.pick(["127.0.0.1:1", "255.255.255.255:65535", "[::1]:10097"]);
const server = (r: Random) => r.chance(0.3) ? r.pick(["kv-0:1", longestServer]) : address(r);
const servers = (r: Random) => Array.from({ length: r.below(4) }, () => server(r));
const cluster = (r: Random) => r.pick(["", "x", "0b4f-A_z", "y".repeat(64)]);
