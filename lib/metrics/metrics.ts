/**
 * Counts what a server does, for monitoring.
 *
 * @module
 */

import type { FaultAction, FollowerStatus, ServerStatus, Value } from "../mensagem.ts";
import type { ReplicationListener, ServerPrints } from "../replication/environment.ts";
import type { RequestCounts } from "../replication/engine.ts";
import type { QueryCounts } from "../replication/table_queries.ts";
import type { Metric, Sample } from "./prometheus.ts";
import { version } from "../version.ts";
import { PutLatency } from "./put_latency.ts";

/**
 * Counts what a server does. It stands between the server and its console and passes all prints on.
 *
 * A server without monitoring does not use this class.
 */
export class Metrics implements ServerPrints, ReplicationListener {
  readonly #prints: ServerPrints;
  readonly #nowMs: () => number;
  readonly #putLatency = new PutLatency();
  #puts = 0;
  #putOks = 0;
  #forwarded = 0;
  #replications = 0;
  #gets = 0;
  #refused = 0;
  #writes = 0;
  #deletions = 0;

  /** Starts at 0. Passes prints on to `prints`. */
  constructor(prints: ServerPrints, nowMs: () => number = () => performance.now()) {
    this.#prints = prints;
    this.#nowMs = nowMs;
  }

  put(client: string, key: string, value: Value): void {
    this.#puts++;
    this.#prints.put(client, key, value);
  }

  forwarding(key: string, value: Value): void {
    this.#forwarded++;
    this.#prints.forwarding(key, value);
  }

  replication(key: string, value: Value | null, timestamp: number): void {
    this.#replications++;
    if (value === null) this.#deletions++;
    this.#prints.replication(key, value, timestamp);
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#putOks++;
    this.#putLatency.acknowledged(timestamp, this.#nowMs());
    this.#prints.putOk(client, key, timestamp);
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: Value | null | undefined,
  ): void {
    this.#gets++;
    if (value === undefined) this.#refused++;
    this.#prints.get(client, key, seen, own, value);
  }

  written(_key: string, value: Value | null, timestamp: number, waitedMs: number): void {
    this.#writes++;
    if (value === null) this.#deletions++;
    this.#putLatency.stamped(timestamp, this.#nowMs() - waitedMs);
  }

  // The engine counts conflicts and expired keys itself.
  write(): void {}
  forwardingWrite(): void {}
  writeOk(): void {}
  conflict(): void {}

  // The gauges of followers come from the server's status.
  acknowledged(_follower: string, _timestamp: number): void {}
  members(_joined: readonly string[], _inSync: readonly string[], _open: boolean): void {}
  fault(_follower: string, _action: FaultAction, _delayMs?: number): void {}
  table(): void {}

  /**
   * All metrics, always the same ones in the same order. `ready` says whether the server answers GETs
   * from its table, `counts` what the messages of coordination have led to.
   */
  read(status: ServerStatus, ready: boolean, counts: QueryCounts & RequestCounts): Metric[] {
    const { watching } = counts;
    const leads = status.server === status.leader;
    const perFollower = (value: (follower: FollowerStatus) => number) =>
      status.followers.map((one) => ({ labels: { follower: one.server }, value: value(one) }));
    return [
      gauges("kv_build_info", "Always 1; its label is the version of the server.", [
        { value: 1, labels: { version } },
      ]),
      counter("kv_puts_total", "PUTs received by the leader.", this.#puts),
      counter("kv_puts_acknowledged_total", "PUTs answered with PUT_OK.", this.#putOks),
      counter("kv_puts_forwarded_total", "PUTs forwarded to the leader.", this.#forwarded),
      counter("kv_replications_total", "Writes received from the leader.", this.#replications),
      counter("kv_gets_total", "GETs, refused ones included.", this.#gets),
      counter("kv_gets_refused_total", "GETs refused: TRY_OTHER_SERVER_OR_LATER.", this.#refused),
      counter("kv_writes_total", "Writes that the leader has stamped.", this.#writes),
      counter("kv_deletions_total", "Deletions applied, expired keys included.", this.#deletions),
      counter(
        "kv_expired_keys_total",
        "Keys deleted because their time to live was over.",
        counts.expired,
      ),
      counter(
        "kv_conflicts_total",
        "WRITEs whose condition did not hold: CONFLICT.",
        counts.conflicts,
      ),
      counter("kv_latest_gets_total", "GET_LATESTs that were decided.", counts.latest),
      counter("kv_lists_total", "Pages of LIST sent.", counts.lists),
      counter(
        "kv_lists_refused_total",
        "LISTs refused: the table cannot answer, or too many wait.",
        counts.listsRefused,
      ),
      gauge("kv_watches", "Watches of clients.", watching.watches),
      counter("kv_changes_sent_total", "Changes sent to watches.", watching.changes),
      counter(
        "kv_watches_refused_total",
        "WATCHes refused: the table cannot answer, or there are too many.",
        watching.refused,
      ),
      counter(
        "kv_watches_interrupted_total",
        "Watches ended because the table could not go on with them.",
        watching.interrupted,
      ),
      counter(
        "kv_watches_restarted_total",
        "Times that the newest states replaced the changes that waited for a watch.",
        watching.restarted,
      ),
      counter(
        "kv_watches_overloaded_total",
        "Watches ended because their client read too slowly.",
        watching.overloaded,
      ),
      {
        name: "kv_put_duration_seconds",
        kind: "histogram",
        help: "Time from a PUT to its PUT_OK, at the leader.",
        samples: this.#putLatency.samples(),
      },
      gauge("kv_leader", "1 on the leader.", Number(leads)),
      gauge("kv_ready", "1 while GETs are answered from the table.", Number(ready)),
      gauge(
        "kv_cut_off_seconds",
        "Time since the server lost its leader, 0 while it has one.",
        (status.cutOffMs ?? 0) / 1_000,
      ),
      gauge("kv_timestamp", "Highest timestamp applied.", status.timestamp),
      gauge("kv_keys", "Keys in the table.", status.keys),
      gauge(
        "kv_connections",
        "Open connections, those between servers included.",
        status.connections,
      ),
      gauges(
        "kv_in_sync",
        "Servers that hold every acknowledged write, on the leader.",
        leads ? [{ value: status.inSync.length }] : [],
      ),
      gauges(
        "kv_follower_in_sync",
        "1 for each follower in sync, on the leader.",
        perFollower(({ inSync }) => Number(inSync)),
      ),
      gauges(
        "kv_follower_lag",
        "Timestamps by which each follower is behind, on the leader.",
        perFollower(({ timestamp }) => status.timestamp - timestamp),
      ),
      gauge("kv_uptime_seconds", "Time since the server's start.", status.uptimeMs / 1_000),
      gauge(
        "process_resident_memory_bytes",
        "Resident memory of the process.",
        status.memoryBytes,
      ),
    ];
  }
}

function counter(name: string, help: string, value: number): Metric {
  return { name, kind: "counter", help, samples: [{ value }] };
}

function gauge(name: string, help: string, value: number): Metric {
  return gauges(name, help, [{ value }]);
}

function gauges(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, kind: "gauge", help, samples };
}
