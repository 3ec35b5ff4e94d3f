/**
 * What a server counts, and how Prometheus reads it.
 *
 * @module
 */

import type { FaultAction } from "../wire/events.ts";
import { Fifo } from "../fifo.ts";
import { timedPutsMax } from "../limits.ts";
import type { ServerStatus } from "../mensagem.ts";
import type { ReplicationListener, ServerPrints } from "../replication/environment.ts";

/** One thing that is measured. */
export interface Metric {
  /** Its name, with the unit and `_total` as Prometheus wants them. */
  readonly name: string;
  /** A counter only rises. A histogram is samples of all its parts. */
  readonly kind: "counter" | "gauge" | "histogram";
  /** What it says, in one line. */
  readonly help: string;
  /** Its unit as OpenTelemetry spells it, "" where things are counted. */
  readonly unit: "" | "s" | "By";
  /** None where this server cannot tell. */
  readonly samples: readonly Sample[];
}

/** A value of a metric. */
export interface Sample {
  /** The number, in the metric's unit. */
  readonly value: number;
  /** What tells it from the others of the same metric. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The part of a histogram that it is. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

/** Upper bounds of the buckets for how long PUTs take, in seconds. */
const putBucketsS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/**
 * Counts what a server does, in the place of its prints. Everything is printed as before.
 *
 * A server that has none of this does not pass by here.
 */
export class Metrics implements ServerPrints, ReplicationListener {
  readonly #prints: ServerPrints;
  readonly #nowMs: () => number;
  #puts = 0;
  #putOks = 0;
  #forwarded = 0;
  #replications = 0;
  #gets = 0;
  #refused = 0;
  /** Writes without a PUT_OK, and when their PUTs came, in the order of timestamps. */
  readonly #written = new Fifo<{ readonly timestamp: number; readonly cameAtMs: number }>();
  /** PUTs in each bucket, without those of the buckets below; the last one has no bound. */
  readonly #putsByTime = new Array<number>(putBucketsS.length + 1).fill(0);
  #putsS = 0;

  /** Counts from 0. Prints go on to `prints`. */
  constructor(prints: ServerPrints, nowMs: () => number = () => performance.now()) {
    this.#prints = prints;
    this.#nowMs = nowMs;
  }

  put(client: string, key: string, value: string): void {
    this.#puts++;
    this.#prints.put(client, key, value);
  }

  forwarding(key: string, value: string): void {
    this.#forwarded++;
    this.#prints.forwarding(key, value);
  }

  replication(key: string, value: string, timestamp: number): void {
    this.#replications++;
    this.#prints.replication(key, value, timestamp);
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#putOks++;
    this.#time(timestamp);
    this.#prints.putOk(client, key, timestamp);
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: string | null | undefined,
  ): void {
    this.#gets++;
    if (value === undefined) this.#refused++;
    this.#prints.get(client, key, seen, own, value);
  }

  written(_key: string, _value: string, timestamp: number, waitedMs: number): void {
    // PUTs whose time ran out get no PUT_OK. Where there is no other, this would grow for ever.
    if (this.#written.length === timedPutsMax) this.#written.shift();
    this.#written.push({ timestamp, cameAtMs: this.#nowMs() - waitedMs });
  }

  // The server's status says how the followers are, better than what they were told says it.
  acknowledged(_follower: string, _timestamp: number): void {}
  members(_joined: readonly string[], _inSync: readonly string[], _open: boolean): void {}
  fault(_follower: string, _action: FaultAction, _delayMs?: number): void {}
  table(): void {}

  /**
   * All metrics, always the same ones in the same order. `ready` says that the server answers GETs
   * from its table.
   */
  read(status: ServerStatus, ready: boolean): Metric[] {
    const leads = status.server === status.leader;
    const perFollower = (value: (follower: ServerStatus["followers"][number]) => number) =>
      status.followers.map((one) => ({ labels: { follower: one.server }, value: value(one) }));
    return [
      counter("kv_puts_total", "PUTs that the leader has received.", this.#puts),
      counter("kv_puts_acknowledged_total", "PUTs answered with PUT_OK.", this.#putOks),
      counter("kv_puts_forwarded_total", "PUTs passed on to the leader.", this.#forwarded),
      counter("kv_replications_total", "Writes received from the leader.", this.#replications),
      counter("kv_gets_total", "GETs, refused ones included.", this.#gets),
      counter("kv_gets_refused_total", "GETs refused: TRY_OTHER_SERVER_OR_LATER.", this.#refused),
      this.#putDuration(),
      gauge("kv_leader", "1 on the leader.", [{ value: Number(leads) }]),
      gauge("kv_ready", "1 while GETs are answered from the table.", [{ value: Number(ready) }]),
      gauge("kv_timestamp", "Highest timestamp applied.", [{ value: status.timestamp }]),
      gauge("kv_keys", "Keys in the table.", [{ value: status.keys }]),
      gauge("kv_connections", "Open connections, those between servers included.", [
        { value: status.connections },
      ]),
      gauge(
        "kv_in_sync",
        "Servers that hold every acknowledged write, on the leader.",
        leads ? [{ value: status.inSync.length }] : [],
      ),
      gauge(
        "kv_follower_in_sync",
        "1 for each follower in sync, on the leader.",
        perFollower(({ inSync }) => Number(inSync)),
      ),
      gauge(
        "kv_follower_lag",
        "Timestamps by which each follower is behind, on the leader.",
        perFollower(({ timestamp }) => status.timestamp - timestamp),
      ),
      gauge("kv_uptime_seconds", "Time since the server was started.", [
        { value: status.uptimeMs / 1_000 },
      ], "s"),
      gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", [
        { value: status.memoryBytes },
      ], "By"),
    ];
  }

  /** A PUT was acknowledged. */
  #time(timestamp: number): void {
    for (let first = this.#written.at(0); first !== undefined; first = this.#written.at(0)) {
      if (first.timestamp > timestamp) return;
      this.#written.shift();
      if (first.timestamp < timestamp) continue;
      const seconds = (this.#nowMs() - first.cameAtMs) / 1_000;
      const bucket = putBucketsS.findIndex((bound) => seconds <= bound);
      this.#putsByTime[bucket < 0 ? putBucketsS.length : bucket]!++;
      this.#putsS += seconds;
      return;
    }
  }

  #putDuration(): Metric {
    let count = 0;
    const buckets = this.#putsByTime.map((puts, index): Sample => {
      count += puts;
      const le = String(putBucketsS[index] ?? "+Inf");
      return { suffix: "_bucket", labels: { le }, value: count };
    });
    return {
      name: "kv_put_duration_seconds",
      kind: "histogram",
      help: "From a PUT at the leader to its PUT_OK.",
      unit: "s",
      samples: [
        ...buckets,
        { suffix: "_sum", value: this.#putsS },
        { suffix: "_count", value: count },
      ],
    };
  }
}

function counter(name: string, help: string, value: number): Metric {
  return { name, kind: "counter", help, unit: "", samples: [{ value }] };
}

function gauge(
  name: string,
  help: string,
  samples: readonly Sample[],
  unit: Metric["unit"] = "",
): Metric {
  return { name, kind: "gauge", help, unit, samples };
}

/** Metrics in the Prometheus text format, version 0.0.4. Those without samples are left out. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.filter(({ samples }) => samples.length > 0)
    .map(({ name, kind, help, samples }) => {
      const lines = samples.map(({ suffix = "", labels = {}, value }) =>
        `${name}${suffix}${labelsText(labels)} ${numberText(value)}\n`
      );
      return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
    })
    .join("");
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escapeHelp(value).replaceAll('"', '\\"')}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** In labels quotes are escaped too. */
function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
