/** Conditional writes, deletions, times to live, lists and watches for a plan. */

import type { Random } from "../support/random.ts";
import type { Asking } from "./client.ts";
import { type Action, clients, type Coordination, servers } from "./actions.ts";

/** The shortest time to live that a server takes is 1,000 ms. */
const timesToLiveMs = [1_000, 1_100, 1_300];

/** Adds requests to the actions of a plan. Returns what they are about. */
export function addCoordination(actions: Action[], random: Random, untilMs: number): Coordination {
  const keys = ["a", "b", "ab"].slice(0, random.between(1, 3));
  const fromMs = 100;
  const deletions = random.pick([0.2, 0.4, 0.6]);
  const timesToLive = random.chance(0.5) ? 0.3 : 0;
  const count = random.between(8, 24);
  for (let i = 0; i < count; i++) {
    actions.push({
      kind: "ask",
      at: random.between(fromMs, untilMs),
      client: random.below(clients.length),
      server: random.below(servers.length),
      asking: makeAsking(random, keys, deletions, timesToLive),
      twice: random.chance(0.05),
    });
  }
  for (let i = random.between(0, 2); i > 0; i--) {
    const client = random.below(clients.length);
    const at = random.between(fromMs, untilMs);
    const target = random.chance(0.5) ? { prefix: random.pick(["", "a"]) } : {
      key: random.pick(keys),
    };
    actions.push({ kind: "watch", at, client, server: random.below(servers.length), target });
    if (random.chance(0.15)) actions.push({ kind: "unwatch", at: at + 300, client });
  }
  if (random.chance(0.3)) addRace(actions, random, random.pick(keys), untilMs);
  if (random.chance(0.2)) addLostWrites(actions, random, keys, untilMs);
  if (random.chance(0.2)) addLateFollower(actions, random, keys, untilMs);
  return {
    keys,
    tombstonesMax: random.pick([1, 1, 2, 4]),
    sessionKeysMax: random.pick([1, 2, 100, 100]),
  };
}

function makeAsking(
  random: Random,
  keys: readonly string[],
  deletions: number,
  timesToLive: number,
): Asking {
  const key = random.pick(keys);
  const kind = random.next();
  if (kind < 0.5) {
    const deletes = random.chance(deletions);
    const life = !deletes && random.chance(timesToLive);
    return {
      kind: "write",
      key,
      deletes,
      expected: random.pick(["any", "any", "seen", "seen", "absent"]),
      ...(life ? { ttlMs: random.pick(timesToLiveMs) } : {}),
    };
  }
  if (kind < 0.78) return { kind: "get", key };
  if (kind < 0.88) return { kind: "latest", key };
  const prefix = random.pick(["", "a"]);
  const after = random.chance(0.2) ? { after: "a" } : {};
  return { kind: "list", prefix, limit: random.pick([1, 2, 1_000]), ...after };
}

/** Many clients change one key at the same moment, each if it is as it has seen it. */
function addRace(actions: Action[], random: Random, key: string, untilMs: number): void {
  const at = random.between(200, untilMs - 100);
  for (let i = 0; i < 6; i++) {
    const asking: Asking = i < 2 ? { kind: random.pick(["get", "latest"]), key } : {
      kind: "write",
      key,
      deletes: random.chance(0.2),
      expected: random.pick(["seen", "absent"]),
    };
    actions.push({
      kind: "ask",
      at: at + i * random.between(0, 8),
      client: random.below(clients.length),
      server: random.below(servers.length),
      asking,
      twice: random.chance(0.3),
    });
  }
}

/**
 * A client writes and reads at a leader whose writes do not arrive anywhere. Then the leader dies, and the
 * client goes on at all servers.
 */
function addLostWrites(
  actions: Action[],
  random: Random,
  keys: readonly string[],
  untilMs: number,
): void {
  const at = random.between(150, untilMs - 600);
  const client = random.below(clients.length);
  for (const to of [1, 2]) {
    actions.push({ kind: "partition", at, from: 0, to, bothWays: false, cutMs: 120 });
  }
  const ask = (at: number, server: number, asking: Asking) =>
    actions.push({ kind: "ask", at, client, server, asking, twice: false });
  for (let i = random.between(1, 3); i > 0; i--) {
    const key = random.pick(keys);
    const deletes = random.chance(0.3);
    ask(at + random.between(2, 8), 0, { kind: "write", key, deletes, expected: "any" });
    ask(at + random.between(16, 30), 0, { kind: "get", key });
  }
  if (random.chance(0.4)) ask(at + 30, 0, { kind: "list", prefix: "", limit: 1_000 });
  if (random.chance(0.4)) {
    actions.push({ kind: "watch", at: at + 1, client, server: 0, target: { prefix: "" } });
  }
  actions.push({ kind: "crash", at: at + random.between(40, 60), server: 0, downMs: 20 });
  for (let i = 0; i < 6; i++) {
    const later = at + random.between(100, 600);
    ask(later, random.below(servers.length), makeAsking(random, keys, 0.3, 0));
  }
}

/** A follower does not hear of writes and deletions. Clients read at it and at the others. */
function addLateFollower(
  actions: Action[],
  random: Random,
  keys: readonly string[],
  untilMs: number,
): void {
  const at = random.between(150, untilMs - 500);
  const late = random.between(1, 2);
  const cutMs = random.pick([100, 250, 500]);
  actions.push({ kind: "partition", at, from: 0, to: late, bothWays: false, cutMs });
  const client = random.below(clients.length);
  for (let i = 0; i < 14; i++) {
    const reads = i % 2 === 1;
    const asking: Asking = reads
      ? random.chance(0.8)
        ? { kind: "get", key: random.pick(keys) }
        : { kind: "list", prefix: "", limit: 1_000 }
      : { kind: "write", key: random.pick(keys), deletes: random.chance(0.6), expected: "any" };
    actions.push({
      kind: "ask",
      at: at + i * 25 + random.between(0, 20),
      client: reads ? client : random.below(clients.length),
      server: reads ? random.pick([late, late, 0]) : random.pick([0, 3 - late]),
      asking,
      twice: false,
    });
  }
}
