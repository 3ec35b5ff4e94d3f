/** The plan of a simulated run: requests and faults, each at its time, all from one seed. */

import { Random } from "../support/random.ts";
import { type Action, clients, type Plan, servers } from "./actions.ts";
import { addCoordination } from "./coordination_plan.ts";

/** When the last action of a plan may begin. */
export const planMs = 1_400;
/** The longest that a fault lasts. */
export const faultMsMax = 800;

/** The share of plans that have more than PUTs and GETs. */
const coordinationShare = 0.1;

/**
 * The plan of a seed. `coordination` is the probability that it has more than PUTs and GETs; without
 * that the rest of the plan is the same.
 */
export function makePlan(seed: number, coordination = coordinationShare): Plan {
  return withCoordination(makeBasicPlan(seed), coordination);
}

function withCoordination(plan: Plan, probability: number): Plan {
  const random = new Random(plan.seed ^ 0x3c6ef372);
  if (!random.chance(probability)) return plan;
  const actions = [...plan.actions];
  const coordination = addCoordination(actions, random, planMs);
  actions.sort((a, b) => a.at - b.at);
  return { ...plan, coordination, actions };
}

function makeBasicPlan(seed: number): Plan {
  const random = new Random(seed);
  const actions: Action[] = [];
  const keys = ["a", "b", "chave-é-😀", "d", "e", "f"].slice(0, random.pick([1, 2, 6]));
  // In some runs requests come before the leader is open.
  const firstMs = random.chance(0.2) ? 0 : 100;
  addRequests(actions, random, keys, firstMs, planMs, random.between(8, 16));
  if (random.chance(0.3)) {
    // Many writes of few keys while a follower restarts and is sent the whole table.
    const at = random.between(300, planMs - 300);
    const server = random.between(1, servers.length - 1);
    actions.push({ kind: "crash", at, server, downMs: 1 });
    actions.push({ kind: "slow", at, server, delayMs: random.pick([0, 20]), forMs: 200 });
    addRequests(actions, random, keys.slice(-2), at + 2, at + 50, 30);
  }
  if (random.chance(0.15)) addUnfinishedCatchUp(actions, random, keys);
  if (random.chance(0.1)) addLeaderAway(actions, random, keys);
  const readWhileCatchingUp = random.chance(0.2);
  if (readWhileCatchingUp) addReadsDuringCatchUp(actions, random, keys);
  for (let i = random.between(0, 5); i > 0; i--) actions.push(makeFault(random));
  actions.sort((a, b) => a.at - b.at);
  return {
    seed,
    logBytesMax: random.pick(readWhileCatchingUp ? [100_000] : [0, 300, 500, 100_000]),
    cutOff: random.chance(0.25)
      ? {
        follower: random.between(1, 2),
        how: random.pick(["stopped", "deaf", "mute", "both"]),
        flaps: random.chance(0.2),
      }
      : undefined,
    actions,
  };
}

/** The plan of a seed with disks, more crashes, crashes of all servers at once, and lost disks. */
export function makeDurablePlan(seed: number, coordination = coordinationShare): Plan {
  const plan = makeBasicPlan(seed);
  const random = new Random(seed ^ 0x2545f491);
  const durable = random.pick([
    [true, true, true],
    [true, true, true],
    [true, true, true],
    [true, true, false],
    [true, false, false],
    [false, true, true],
    [false, true, true],
    [false, true, false],
  ]);
  const actions = [...plan.actions];
  const keys = ["a", "b", "d"];
  const crash = (at: number, server: number, wiped?: true) => {
    const downMs = random.pick([1, 20, 100, 300]);
    actions.push({ kind: "crash", at, server, downMs, ...(wiped ? { wiped } : {}) });
  };
  for (let i = random.between(0, 2); i > 0; i--) {
    crash(random.between(100, planMs - 200), random.between(0, servers.length - 1));
  }
  for (let i = random.between(0, 2); i > 0; i--) {
    const at = random.between(100, planMs - 200);
    addRequests(actions, random, keys, at - 15, at, 8);
    for (const server of servers.keys()) crash(at, server);
  }
  if (random.chance(0.2)) {
    const at = random.between(300, planMs - 400);
    crash(at, 0, durable[0] || undefined);
    crash(at + 350, random.pick([0, 0, 1]));
  }
  if (random.chance(0.2)) {
    addUnfinishedCatchUp(actions, random, keys);
    const at = random.between(planMs - 200, planMs);
    for (const server of [1, 2]) crash(at, server);
  }
  actions.sort((a, b) => a.at - b.at);
  return withCoordination({ ...plan, durable, actions }, coordination);
}

/** Whether the disks alone keep every committed write, whichever servers crash. */
export function survivesAll({ durable }: Plan): boolean {
  const [leader, first, second] = durable ?? [];
  // A committed write is at the leader and at one follower at least.
  return leader === true || (first === true && second === true);
}

function addRequests(
  actions: Action[],
  random: Random,
  keys: readonly string[],
  fromMs: number,
  untilMs: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const kind = random.chance(0.5) ? "put" : "get";
    actions.push({
      kind: "ask",
      at: random.between(fromMs, untilMs),
      client: random.between(0, clients.length - 1),
      server: random.between(0, servers.length - 1),
      asking: { kind, key: random.pick(keys) },
      twice: random.chance(0.05),
    });
  }
}

/**
 * The leader dies while a follower that was away catches up. Some of the writes that this follower
 * has got by then are at no other follower.
 */
function addUnfinishedCatchUp(actions: Action[], random: Random, keys: readonly string[]): void {
  const at = random.between(100, planMs - 800);
  const away = random.between(1, 2);
  const back = at + 520; // longer than silenceMs
  actions.push({ kind: "pause", at, server: away, pauseMs: back - at });
  addRequests(actions, random, keys, back - 90, back - 20, 12);
  actions.push({ kind: "pause", at: back - 5, server: 3 - away, pauseMs: 300 });
  addRequests(actions, random, keys, back - 5, back + 40, 12);
  actions.push({ kind: "crash", at: back + random.between(15, 80), server: 0, downMs: 50 });
}

/**
 * The followers lose the leader, which stands still. Once it is back it may still take their old
 * connections for alive, or refuse new ones, or another server has its address. Then it dies. Clients
 * read from the followers.
 */
function addLeaderAway(actions: Action[], random: Random, keys: readonly string[]): void {
  const at = random.between(100, planMs - 500);
  for (const from of [1, 2]) {
    actions.push({ kind: "partition", at, from, to: 0, bothWays: true, cutMs: faultMsMax });
  }
  actions.push({ kind: "pause", at: at + 50, server: 0, pauseMs: faultMsMax });
  const refusing = random.next();
  if (refusing < 0.75) {
    const kind = refusing < 0.5 ? "full" : "stranger";
    actions.push({ kind, at: at + faultMsMax, forMs: 100 });
  }
  actions.push({
    kind: "crash",
    at: at + faultMsMax + random.between(55, 90),
    server: 0,
    downMs: 300,
  });
  for (let i = 0; i < 16; i++) {
    actions.push({
      kind: "ask",
      at: at + random.between(450, 1_150),
      client: random.between(0, clients.length - 1),
      server: random.between(1, servers.length - 1),
      asking: { kind: "get", key: random.pick(keys) },
      twice: false,
    });
  }
}

/** A follower restarts without memory, and clients read from it while it catches up. */
function addReadsDuringCatchUp(actions: Action[], random: Random, keys: readonly string[]): void {
  const at = random.between(planMs / 2, planMs - 200);
  const server = random.between(1, servers.length - 1);
  actions.push({ kind: "crash", at, server, downMs: 1 });
  for (let i = 0; i < 12; i++) {
    const client = random.between(0, clients.length - 1);
    const key = random.pick(keys);
    actions.push({
      kind: "ask",
      at: at + random.between(3, 15),
      client,
      server,
      asking: { kind: "get", key },
      twice: false,
    });
  }
}

function makeFault(random: Random): Action {
  const at = random.between(0, planMs - 200);
  const server = random.between(0, servers.length - 1);
  const durationMs = random.pick([50, 250, 500, faultMsMax]);
  switch (random.between(0, 6)) {
    case 0:
    case 1:
      return { kind: "crash", at, server, downMs: random.pick([1, 50, 300, faultMsMax]) };
    case 2:
      return { kind: "pause", at, server, pauseMs: durationMs };
    case 3:
    case 4: {
      const to = (server + random.between(1, servers.length - 1)) % servers.length;
      const bothWays = random.chance(0.5);
      return { kind: "partition", at, from: server, to, bothWays, cutMs: durationMs };
    }
    case 5:
      return { kind: "slow", at, server, delayMs: random.pick([20, 100]), forMs: durationMs };
    default:
      return { kind: "reset", at, nth: random.between(0, 20) };
  }
}
