/**
 * The notes below the tables.
 *
 * @module
 */

import { connectionsMax } from "./measure.ts";
import type { System } from "./system.ts";

/** The notes about the systems that were measured. */
export function remarks(systems: readonly System[]): string[] {
  const names = systems.flatMap(({ targets }) => targets.map(({ name }) => name));
  const all = [
    {
      of: "Redis",
      text:
        "Redis is the closest peer: it keeps nothing on disk, and SET + WAIT 2 answers when both " +
        "replicas have confirmed, one request of a connection after the other.",
    },
    {
      of: "etcd",
      text:
        "etcd runs majority consensus with a log (in memory if /dev/shm exists) and elects its " +
        "leaders. The client has no gRPC, so it uses the JSON gateway over HTTP with keep-alive, which " +
        "costs etcd a part of its rate. In place of 16 requests in flight on each connection it has 16 " +
        `times as many connections, but at most ${connectionsMax}.`,
    },
    {
      of: "ZooKeeper",
      text:
        "ZooKeeper runs majority consensus with a log (without syncs, in memory if /dev/shm exists) " +
        "and elects its leaders.",
    },
    {
      of: "durable",
      text: "Durable: these servers with --data-dir. All three sync each write to the disk.",
    },
    {
      of: "these",
      text: "These servers print all lines of the assignment, here to files.",
    },
    {
      of: "bare replication with lines",
      text:
        "With lines: the bare programs print the lines of the assignment too, without escapes. " +
        "Without lines: the servers do not print them.",
    },
    {
      of: "these",
      text:
        "The servers run with DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64, as in their tasks; the bare " +
        "programs run with Deno's default.",
    },
    {
      of: "on etcd",
      text: "On etcd: these servers with --engine=etcd, each connected to its own member.",
    },
  ];
  return all.filter(({ of }) => names.some((name) => name.startsWith(of))).map(({ text }) => text);
}
