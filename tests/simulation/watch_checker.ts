/** The rules of watches (G9), checked against a model of each stream of changes. */

import type { Change } from "../../lib/mensagem.ts";
import { type Checker, on } from "./checkers.ts";
import type { Standing, WriteHistory } from "./history.ts";

/** What a watch is about. Exactly one of the two is given. */
export interface Target {
  readonly key?: string | undefined;
  readonly prefix?: string | undefined;
}

/** Whether a watch or list is about a key. */
export function covers({ key, prefix }: Target, name: string): boolean {
  return key === undefined ? name.startsWith(prefix!) : name === key;
}

/** What a watcher knows of its keys: the last change of each. */
export type Known = Map<string, Standing>;

/** Takes changes into what a watcher knows. With `reset`, what it knew before no longer counts. */
export function learnChanges(known: Known, changes: readonly Change[], reset: boolean): void {
  if (reset) known.clear();
  for (const [key, value, timestamp] of changes) known.set(key, { value, timestamp });
}

/** The changes of one watch on one connection. */
interface Stream {
  readonly target: Target;
  readonly known: Known;
  /** Every change up to here was sent. */
  timestamp: number;
  /** The last change that was sent. */
  last: number;
  /** Whether a CHANGES was sent. From then on the stream has every change that its server applies. */
  begun: boolean;
}

/** The rules, by name, with nothing seen yet. */
export function makeWatchCheckers(history: WriteHistory): Record<string, Checker> {
  return {
    "a watcher gets every change once and in order (G9)": streams(history),
    "every watcher ends with the last state (G9)": lastStates(),
  };
}

function streams(history: WriteHistory): Checker {
  const byOp = new Map<number, Stream>();
  return on(["watching", "streamed"], (o) => {
    if (o.kind === "watching") {
      const { op, target, after } = o;
      const known = new Map(o.known);
      byOp.set(op, { target, known, timestamp: after, last: after, begun: false });
    }
    if (o.kind !== "streamed") return undefined;
    const stream = byOp.get(o.op);
    if (stream === undefined) {
      return `${o.server} sent changes of a watch that it was not asked for`;
    }
    const { target, known } = stream;
    const where = `${o.server}, watch ${o.op} of ${target.key ?? `${target.prefix}…`}`;
    if (o.reset) {
      if (stream.begun) return `${where}: a reset in the middle`;
      stream.timestamp = stream.last = 0;
    }
    let { last } = stream;
    for (const [key, value, timestamp] of o.changes) {
      if (timestamp <= last) return `${where}: ${timestamp} came after ${last}`;
      last = timestamp;
      if (!covers(target, key)) return `${where}: ${key} is another key`;
      const write = history.at(key, timestamp);
      if (write === undefined || write.value !== value) {
        return `${where}: ${key} = ${value} at ${timestamp}, which no leader stamped`;
      }
    }
    if (o.timestamp < last || o.timestamp < stream.timestamp) {
      return `${where}: complete up to ${o.timestamp}, after ${Math.max(last, stream.timestamp)}`;
    }
    if (stream.begun) {
      const sent = new Set(o.changes.map(([, , timestamp]) => timestamp));
      for (const { key, timestamp } of o.applied) {
        if (timestamp <= stream.timestamp || timestamp > o.timestamp) continue;
        if (covers(target, key) && !sent.has(timestamp)) {
          return `${where}: complete up to ${o.timestamp}, without ${key} at ${timestamp}`;
        }
      }
    }
    learnChanges(known, o.changes, o.reset);
    stream.last = last;
    stream.timestamp = o.timestamp;
    if (o.more) return undefined;
    stream.begun = true;
    for (const key of history.keys) {
      if (!covers(target, key)) continue;
      const own = known.get(key);
      if (own !== undefined && own.timestamp > o.timestamp) continue;
      const real = history.upTo(key, o.timestamp);
      const same = real.value === null
        ? (own?.value ?? null) === null
        : own?.timestamp === real.timestamp;
      if (!same) {
        return `${where}: complete up to ${o.timestamp}, where ${key} is ${real.value} at ` +
          `${real.timestamp}, and the watcher has ${own?.value} at ${own?.timestamp}`;
      }
    }
    return undefined;
  });
}

function lastStates(): Checker {
  return on(["ended"], (o) => {
    if (o.kind !== "ended") return undefined;
    for (const { client, target, known } of o.watchers ?? []) {
      const what = `${client}, watch of ${target.key ?? `${target.prefix}…`}`;
      const { store } = o.tables[0]!;
      for (const [key, { value, timestamp }] of known) {
        if (value !== null && store.get(key)?.timestamp !== timestamp) {
          return `${what} ends with ${key} at ${timestamp}, and the servers with ${
            store.get(key)?.timestamp
          }`;
        }
      }
      for (const [key, { value, timestamp }] of store.entries()) {
        if (value !== null && covers(target, key) && known.get(key)?.timestamp !== timestamp) {
          return `${what} ends with ${key} at ${
            known.get(key)?.timestamp
          }, and the servers with ${timestamp}`;
        }
      }
    }
    return undefined;
  });
}
