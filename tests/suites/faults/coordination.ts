/**
 * Conditional writes, watches and locks at real servers that are killed, stopped and cut off.
 *
 * The rounds are the same for servers in memory and with data directories.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assertEquals, assertGreater } from "@std/assert";
import { delay } from "@std/async/delay";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import type { Random } from "../../support/random.ts";
import { CountersLoad } from "./counters.ts";
import type { FaultyCluster, FollowerIndex, ServerIndex } from "./faulty_cluster.ts";
import { fencingRounds } from "./fencing.ts";

/** Increments that show that work goes on. */
const some = 20;
/** A fault that servers notice. */
const noticedMs = tuningDefault.silenceMs + 400;
/** In these rounds a server is stopped or cut off in place of killed. */
const stopEvery = 6;
const cutEvery = 7;

/**
 * Kills servers, with some stops and cuts between, while clients increment counters and watchers watch.
 * With `all`, all three are killed at once now and then: only servers with disks survive that.
 */
export async function countersUnderFaults(
  cluster: FaultyCluster,
  random: Random,
  kills: number,
  all: boolean,
): Promise<void> {
  await using load = new CountersLoad(cluster.servers.map(({ address }) => address), random);
  await load.goesOn(some);
  let killed = 0;
  for (let round = 1; killed < kills; round++) {
    const follower = random.pick<FollowerIndex>([1, 2]);
    const server = random.pick<ServerIndex>([0, 1, 2]);
    if (round % stopEvery === 0) {
      cluster.stop(server);
      await delay(noticedMs);
    } else if (round % cutEvery === 0) {
      cluster.cut(follower, random.pick(["up", "down", "both"]));
      await delay(noticedMs);
    } else {
      const victims: ServerIndex[] = all && random.chance(0.25) ? [0, 1, 2] : [server];
      killed += victims.length;
      await cluster.kill(...victims);
      await delay(random.between(0, 300));
    }
    await cluster.healAll();
    await cluster.settled();
    await load.goesOn(some);
  }
  const { increments, unknown, writes, changes, cutOffs, ...broken } = await load.judge();
  const { lost, doubled, stale, missed } = broken;
  console.log(
    `${kills} kills: ${increments} increments, ${unknown} of them unknown for a while; ${writes} other writes; ` +
      `watchers: ${changes} changes, cut off ${cutOffs} times; ` +
      `lost ${lost}, doubled ${doubled}, stale ${stale}, missed ${missed}`,
  );
  assertEquals(broken, { lost: 0, doubled: 0, stale: 0, missed: 0 });
  assertGreater(cutOffs, 0);
}

/** Two locks at a time, each with its holders. */
export async function lockUnderStops(cluster: FaultyCluster, rounds: number): Promise<void> {
  const servers = cluster.servers.map(({ address }) => address);
  const all = await Promise.all(
    ["lock 1", "lock 2"].map((name) => fencingRounds(servers, name, rounds / 2)),
  );
  const taken = all.reduce((sum, { taken }) => sum + taken, 0);
  const stale = all.reduce((sum, { stale }) => sum + stale, 0);
  console.log(`${rounds} rounds of a lock: taken ${taken} times, stale writes ${stale}`);
  assertEquals(stale, 0);
}
