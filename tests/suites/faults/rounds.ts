/**
 * Random rounds of faults. The same seed gives the same rounds.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Random } from "../../support/random.ts";
import type { FaultyCluster, FollowerIndex, ServerIndex } from "./faulty_cluster.ts";
import type { Load } from "./load.ts";
import type { Direction } from "./proxy.ts";

/** One fault. All times are in milliseconds from the start of the round. */
type Fault =
  & { readonly atMs: number }
  & (
    | { readonly kind: "kill"; readonly server: ServerIndex; readonly forMs: number }
    /** Kills the leader and one follower at the same moment, so that one table is left. */
    | { readonly kind: "leave one"; readonly survivor: FollowerIndex; readonly forMs: number }
    | { readonly kind: "stop"; readonly server: ServerIndex; readonly forMs: number }
    | {
      readonly kind: "cut";
      readonly link: FollowerIndex;
      readonly direction: Direction;
      readonly forMs: number;
    }
    | {
      readonly kind: "slow down";
      readonly link: FollowerIndex;
      readonly delayMs: number;
      readonly forMs: number;
    }
    | {
      readonly kind: "throttle";
      readonly link: FollowerIndex;
      readonly bytesPerSecond: number;
      readonly forMs: number;
    }
    | { readonly kind: "reset"; readonly link: FollowerIndex }
    | { readonly kind: "break clients" }
  );

/** The faults of a round, which may overlap. */
export type Round = readonly Fault[];

const startMsMax = 500;

/**
 * Makes a random round.
 *
 * A copy of every acknowledged write must be left (G3). So it kills one server, both followers, or the leader and one
 * follower. In the last case the other follower is in sync and has no fault.
 */
export function makeRound(random: Random): Round {
  const faults: Fault[] = [];
  const atMs = () => random.between(0, startMsMax);
  const forMs = () => random.pick([200, 800, 2_600]);
  const follower = random.pick([1, 2] as const);
  let links: FollowerIndex[] = [1, 2];
  switch (random.below(7)) {
    case 0:
      faults.push({ kind: "kill", server: 0, atMs: atMs(), forMs: forMs() });
      break;
    case 1:
      faults.push({ kind: "kill", server: follower, atMs: atMs(), forMs: forMs() });
      break;
    case 2:
      faults.push({ kind: "kill", server: 1, atMs: atMs(), forMs: forMs() });
      faults.push({ kind: "kill", server: 2, atMs: atMs(), forMs: forMs() });
      break;
    case 3:
      faults.push({ kind: "leave one", survivor: follower, atMs: atMs(), forMs: forMs() });
      links = links.filter((link) => link !== follower);
      break;
    case 4:
      faults.push({ kind: "stop", server: 0, atMs: atMs(), forMs: forMs() });
      break;
    case 5:
      faults.push({ kind: "stop", server: follower, atMs: atMs(), forMs: forMs() });
  }
  for (const link of links) {
    if (faults.length > 0 && random.chance(0.5)) continue;
    faults.push(makeLinkFault(random, link, atMs(), forMs()));
  }
  if (random.chance(0.3)) faults.push({ kind: "break clients", atMs: atMs() });
  return faults.sort((a, b) => a.atMs - b.atMs);
}

function makeLinkFault(random: Random, link: FollowerIndex, atMs: number, forMs: number): Fault {
  switch (random.below(4)) {
    case 0:
      return { kind: "slow down", link, atMs, forMs, delayMs: random.pick([20, 150]) };
    case 1:
      return { kind: "throttle", link, atMs, forMs, bytesPerSecond: random.pick([5e3, 1e5]) };
    case 2:
      return { kind: "reset", link, atMs };
    default: {
      const direction = random.pick(["up", "down", "both"] as const);
      return { kind: "cut", link, atMs, forMs, direction };
    }
  }
}

/** Plays a round: each fault begins and ends at its time. Resolves after the last one. */
export async function play(round: Round, cluster: FaultyCluster, load: Load): Promise<void> {
  await Promise.all(round.map(async (fault) => {
    await delay(fault.atMs);
    await begin(fault, cluster, load);
    if (!("forMs" in fault)) return;
    await delay(fault.forMs);
    await end(fault, cluster);
  }));
}

async function begin(fault: Fault, cluster: FaultyCluster, load: Load): Promise<void> {
  switch (fault.kind) {
    case "kill":
      await cluster.kill(fault.server);
      return;
    case "leave one":
      await cluster.killAllBut(fault.survivor);
      return;
    case "stop":
      cluster.stop(fault.server);
      return;
    case "cut":
      cluster.cut(fault.link, fault.direction);
      return;
    case "slow down":
      cluster.slowDown(fault.link, fault.delayMs);
      return;
    case "throttle":
      cluster.throttle(fault.link, fault.bytesPerSecond);
      return;
    case "reset":
      cluster.reset(fault.link);
      return;
    case "break clients":
      load.breakConnections();
  }
}

async function end(fault: Fault, cluster: FaultyCluster): Promise<void> {
  switch (fault.kind) {
    case "kill":
      await cluster.start(fault.server);
      return;
    case "leave one":
      await Promise.all([cluster.start(0), cluster.start(fault.survivor === 1 ? 2 : 1)]);
      return;
    case "stop":
      cluster.continue(fault.server);
      return;
    case "cut":
    case "slow down":
    case "throttle":
      cluster.heal(fault.link);
  }
}
