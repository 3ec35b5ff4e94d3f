/**
 * Real servers under real faults: three processes are killed, stopped and cut off from each other while many clients
 * record every answer.
 *
 * Not named like a test, because it needs more than the network: `deno task test:faults` runs it. `deno task
 * test:faults -- --seed=N` repeats the mixed rounds of a run.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertRejects,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { anyPort } from "../../support/ports.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { eventually, within } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";
import { FaultyCluster, nameOf } from "./faulty_cluster.ts";
import { type Figures, History } from "./history.ts";
import { Load, type LoadOptions } from "./load.ts";
import { Proxy } from "./proxy.ts";
import { makeRound, play } from "./rounds.ts";

const { logBytesMax, putTimeoutMs, silenceMs } = tuningDefault;

/** How long PUTs may pause after a follower has died, or after both followers have joined a new leader. */
const resumeMs = 3_000;
/** How long PUTs may pause after the end of any other fault. */
const recoverMs = 6_000;
/** The slack of a busy machine above the time in which a server answers every request. */
const answerSlackMs = 2_000;
/** The length of a fault that servers notice. */
const noticedMs = silenceMs + 1_500;
/** The time after which the followers of a dead leader dial with their longest pause. */
const longDeadMs = 6_000;
/** How long a catch-up of some MiB may take over a throttled link. */
const catchUpMs = 15_000;
/** A link that flaps. It is cut for shorter than the silence limit. */
const flap = { cuts: 5, cutMs: silenceMs - 100, healedMs: 500, settledMs: 200, bridgedMin: 3 };
/** Within this time a follower that lost its leader has dialled again. */
const redialMs = 1_200;
/** How long a leader that was stopped goes on before it dies. */
const resumedMs = 30;
/** A load that leaves the machine time for exact faults. */
const few: Partial<LoadOptions> = { witnesses: 4, workersPerServer: 1, libraryClients: 1 };
/** GETs to each follower without a leader. */
const answersMin = 50;
/** Time between two of them. */
const answersEveryMs = 5;
const mixedRounds = 6;
/** A number of requests that shows that work goes on. */
const some = 200;

const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);
const total = { acknowledged: 0, failed: 0, unknown: 0, lost: 0, stale: 0, longestGapMs: 0 };

/** The servers, the load and the history of a test. */
interface Scene {
  readonly cluster: FaultyCluster;
  readonly load: Load;
  readonly history: History;
}

/** Defines a test: three servers under load, faults, and a check of the history at the end. */
function test(
  name: string,
  faults: (scene: Scene) => Promise<void>,
  options: Partial<LoadOptions> = {},
): void {
  // Windows knows neither SIGSTOP nor a reset on closing over unread bytes.
  Deno.test({ name, ignore: Deno.build.os === "windows", fn: () => run(faults, options) });
}

async function run(
  faults: (scene: Scene) => Promise<void>,
  options: Partial<LoadOptions>,
): Promise<void> {
  const history = new History();
  await using cluster = await FaultyCluster.start(history);
  try {
    await using load = await Load.start(cluster, history, new Random(seed), options);
    await faults({ cluster, load, history });
    await cluster.healAll();
    await cluster.settled();
    await load.puts(some);
    await load.stop();
    const last = await load.lastRequests();
    const { figures, violations } = history.judge({
      ...last,
      tables: await load.readTables(),
      clients: load.clients,
      calmUntilMs: cluster.calmUntilMs,
      loadEndMs: load.endMs,
      answerMs: putTimeoutMs + answerSlackMs,
    });
    print(figures, load.rate);
    assertEquals(violations, []);
    assertEquals([figures.lost, figures.stale], [0, 0]);
  } catch (cause) {
    throw new Error(`seed ${seed}; what happened:\n${cluster.story}`, { cause });
  }
}

function print(figures: Figures, rate: number): void {
  const { acknowledged, failed, unknown, read, refused, lost, stale, longestGapMs } = figures;
  console.log(
    `${rate} requests/s before the fault; PUT: ${acknowledged} acknowledged, ${failed} failed, ` +
      `${unknown} unknown; GET: ${read} answered, ${refused} refused; lost ${lost}, stale ${stale}; ` +
      `longest unavailability ${Math.round(longestGapMs)} ms`,
  );
  total.acknowledged += acknowledged;
  total.failed += failed;
  total.unknown += unknown;
  total.lost += lost;
  total.stale += stale;
  total.longestGapMs = Math.max(total.longestGapMs, longestGapMs);
}

Deno.test.afterAll(() => {
  console.log(
    `in all: acknowledged ${total.acknowledged}, failed ${total.failed}, unknown ${total.unknown}, ` +
      `lost ${total.lost}, stale ${total.stale}, ` +
      `longest unavailability ${Math.round(total.longestGapMs)} ms (seed ${seed})`,
  );
});

Deno.test("the link between servers can be cut, delayed, throttled and reset", async () => {
  using listener = Deno.listen({ ...anyPort });
  await using proxy = await Proxy.start({ hostname: anyPort.hostname, port: listener.addr.port });
  using near = await Deno.connect({ ...proxy.address });
  using far = await listener.accept();
  /** Sends a text and resolves with the time until it has arrived. */
  const passMs = async (from: Deno.Conn, to: Deno.Conn, text: string) => {
    const sinceMs = performance.now();
    await from.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(1024);
    let arrived = "";
    while (arrived.length < text.length) {
      arrived += new TextDecoder().decode(buffer.subarray(0, (await to.read(buffer))!));
    }
    assertEquals(arrived, text);
    return performance.now() - sinceMs;
  };
  await passMs(near, far, "up");
  await passMs(far, near, "down");

  proxy.cut("up");
  let arrived = false;
  const held = passMs(near, far, "held").then(() => arrived = true);
  for (let n = 0; n < 20; n++) await passMs(far, near, "the other way it passes");
  assertEquals(arrived, false);
  proxy.heal();
  await held;

  proxy.slowDown(50);
  assertGreaterOrEqual(await passMs(near, far, "late") + await passMs(far, near, "late"), 99);

  proxy.throttle(1_000);
  assertGreater(await passMs(near, far, "0123456789".repeat(20)), 100);

  proxy.heal();
  assertEquals(proxy.reset(), 1);
  for (const side of [near, far]) {
    await assertRejects(() => side.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  }
});

test("a follower is killed and restarted", async ({ cluster, load }) => {
  const killedMs = await cluster.kill(1);
  await load.resumes("after a follower was killed", killedMs, resumeMs);
  await load.puts(some);
  // Without its leader the new process has an empty table, and must not answer from it.
  cluster.cut(1, "both");
  await cluster.start(1);
  load.renew();
  await load.refusals(cluster.servers[1].name, 50);
  await load.puts(some);
  cluster.heal(1);
  await cluster.settled();
});

test("both followers are killed: no PUT is acknowledged until they are back", async ({ cluster, load, history }) => {
  const killedMs = await cluster.kill(1, 2);
  await cluster.leader.reported("(1 of 3 in sync)", killedMs);
  const before = history.entries.length;
  const acknowledged = await within(
    "a PUT to the leader is answered",
    load.put(0),
    putTimeoutMs + answerSlackMs,
  );
  assertEquals(acknowledged, false);
  const reasons = history.entries.slice(before).map((entry) =>
    entry.kind === "failed" ? entry.reason : ""
  );
  assert(reasons.some((reason) => reason.startsWith("UNAVAILABLE: ")), "the leader said so");
  await load.gets(10); // the leader answers, and most clients wait for that
  assertEquals(history.putMs(killedMs), []);
  const servesMs = Math.max(...await Promise.all([cluster.start(1), cluster.start(2)]));
  await load.resumes("after both followers were back", servesMs, resumeMs);
});

test("a follower is stopped and continued", async ({ cluster, load }) => {
  const stoppedMs = cluster.stop(2);
  await load.resumes("after a follower was stopped", stoppedMs, resumeMs);
  await cluster.leader.reported("left: it was silent", stoppedMs);
  await load.puts(some);
  cluster.continue(2);
  await cluster.settled();
});

test("the leader is killed during PUTs and restarted, at once and later", async ({ cluster, load }) => {
  for (const deadMs of [0, longDeadMs]) {
    const killedMs = await cluster.kill(0);
    for (const follower of [1, 2] as const) {
      await cluster.servers[follower].reported("lost the leader", killedMs);
    }
    await load.gets(some); // the followers answer
    await delay(deadMs - (performance.now() - killedMs));
    const servesMs = await cluster.start(0);
    await load.resumes("after the leader was back with its followers", servesMs, resumeMs);
    await cluster.settled();
  }
});

test("a restarted leader that loses a follower takes no PUT until it has both", async ({ cluster, load, history }) => {
  await cluster.kill(0);
  cluster.slowDown(2, 400); // so that the link can be cut after its JOIN and before it is in sync
  const servesMs = await cluster.start(0);
  await cluster.leader.reported(`${cluster.servers[2].name} joined`, servesMs);
  cluster.cut(2, "both");
  await cluster.leader.reported(`${cluster.servers[2].name} left`, servesMs);
  await load.gets(some);
  assertEquals(history.putMs(servesMs), []);
  const healedMs = cluster.heal(2);
  await load.resumes("after both followers were back", healedMs, resumeMs);
});

test("the leader is stopped and continued", async ({ cluster, load }) => {
  const stoppedMs = cluster.stop(0);
  await load.gets(some);
  await cluster.servers[1].reported("lost the leader", stoppedMs);
  await cluster.servers[2].reported("lost the leader", stoppedMs);
  const continuedMs = cluster.continue(0);
  await load.resumes("after the leader went on", continuedMs, recoverMs);
});

test("connections between servers and those of clients are reset", async ({ cluster, load }) => {
  for (let round = 0; round < 5; round++) {
    for (const follower of [1, 2] as const) {
      await eventually("there is something to reset", () => cluster.reset(follower), recoverMs);
      await load.puts(some);
    }
    load.breakConnections();
    await load.resumes("after connections were reset", performance.now(), recoverMs);
  }
});

for (const direction of ["both", "down", "up"] as const) {
  const words = {
    both: "in both directions",
    down: "from the leader to the follower only",
    up: "from the follower to the leader only",
  }[direction];
  test(`a link is cut ${words}`, async ({ cluster, load }) => {
    const cutMs = cluster.cut(1, direction);
    await load.resumes("after a link was cut", cutMs, resumeMs);
    await cluster.leader.reported(`${cluster.servers[1].name} left`, cutMs);
    await cluster.servers[1].reported("lost the leader", cutMs);
    await load.puts(some);
    await delay(noticedMs - (performance.now() - cutMs));
    const healedMs = cluster.heal(1);
    await load.resumes("after a link was healed", healedMs, recoverMs);
  });
}

for (const direction of ["both", "down"] as const) {
  test(
    `a link is cut and healed again and again, ${direction}: PUTs go on`,
    async ({ cluster, load, history }) => {
      const sinceMs = performance.now();
      const cuts: { readonly fromMs: number; readonly untilMs: number }[] = [];
      for (let n = 0; n < flap.cuts; n++) {
        const fromMs = cluster.cut(1, direction);
        await delay(flap.cutMs);
        cuts.push({ fromMs, untilMs: cluster.heal(1) });
        await delay(flap.healedMs);
      }
      const times = history.putOkMs(sinceMs);
      const tenths = new Set(times.map((atMs) => Math.floor(atMs / 100)));
      const percent = Math.round(tenths.size * 100 * 100 / (performance.now() - sinceMs));
      // A busy machine may pause anything at any time. So it must be most of the cuts only.
      const bridged = cuts.filter(({ fromMs, untilMs }) =>
        times.some((atMs) =>
          atMs > fromMs + flap.settledMs && atMs < untilMs - flap.settledMs
        )
      ).length;
      console.log(
        `${percent} % of the tenths of a second had a PUT_OK; PUTs went on in ${bridged} of ${cuts.length} cuts`,
      );
      assertGreaterOrEqual(bridged, flap.bridgedMin);
      await load.puts(some);
    },
    few,
  );
}

test(
  "a leader that may have refused its followers dies: they answer all GETs",
  async ({ cluster, load }) => {
    const followers = [1, 2] as const;
    for (const cutForMs of [400, noticedMs]) {
      for (const follower of followers) cluster.cut(follower, "both");
      await delay(cutForMs);
      const stoppedMs = cluster.stop(0);
      for (const follower of followers) {
        await cluster.servers[follower].reported("lost the leader", stoppedMs - cutForMs);
      }
      await delay(redialMs); // they dial again, and the leader does not answer
      for (const follower of followers) cluster.heal(follower);
      cluster.continue(0);
      await delay(resumedMs);
      await cluster.kill(0);
      for (const follower of followers) {
        using wire = await Wire.connect(cluster.servers[follower].address);
        for (let id = 1; id <= answersMin; id++) {
          const { type } = await wire.ask({ type: "GET", id, key: "chave 0", timestamp: 0 });
          assertEquals(type, "GET_OK");
          await delay(answersEveryMs);
        }
      }
      const servesMs = await cluster.start(0);
      await load.resumes("after the leader was back with its followers", servesMs, resumeMs);
      await cluster.settled();
    }
  },
  few,
);

test("a link is slow: PUTs wait for the slow follower and continue", async ({ cluster, load, history }) => {
  const delayMs = 150;
  const slowMs = cluster.slowDown(2, delayMs);
  await load.puts(some); // these may have been sent before
  await load.puts(5 * some);
  const { name } = cluster.servers[2];
  const left = cluster.leader.said(`${name} left`) ??
    cluster.leader.said(`${name} has acknowledged`);
  const fastest = Math.min(...history.putMs(slowMs));
  cluster.note(`the fastest PUT over the slow link took ${fastest} ms`);
  assert(left !== undefined || fastest >= 2 * delayMs, `a PUT_OK came after ${fastest} ms`);
  cluster.heal(2);
  await load.resumes("after a link was fast again", performance.now(), recoverMs);
});

test("a link is throttled", async ({ cluster, load }) => {
  const throttledMs = cluster.throttle(1, 60_000);
  await load.resumes("over a narrow link", throttledMs, recoverMs);
  const sinceMs = performance.now();
  await load.puts(5 * some);
  // A REPLICATION has about 70 bytes.
  const tookMs = performance.now() - sinceMs;
  assert(
    cluster.leader.said(`${cluster.servers[1].name} left`) !== undefined || tookMs > 500,
    `${5 * some} PUTs took ${tookMs} ms: more than the link can carry`,
  );
  cluster.heal(1);
  await load.resumes("after a link was wide again", performance.now(), recoverMs);
});

const large: Partial<LoadOptions> = {
  witnesses: 8,
  workersPerServer: 4,
  libraryClients: 2,
  sharedKeys: 256,
  ownKeysMax: 1_000,
  valueChars: 16 * 1024,
};

test("a follower is away for longer than the log reaches back", async ({ cluster, load }) => {
  const outgrown = Math.ceil(logBytesMax / large.valueChars!) + some;
  // With an empty table.
  const killedMs = await cluster.kill(1);
  await load.resumes("after a follower was killed", killedMs, resumeMs);
  await load.puts(outgrown);
  await cluster.start(1);
  await cluster.settled();
  // With its old table.
  const cutMs = cluster.cut(2, "both");
  await load.resumes("after a link was cut", cutMs, resumeMs);
  await load.puts(outgrown);
  cluster.heal(2);
  await cluster.settled();
}, large);

test(
  "a follower in catch-up is not in sync: writes acknowledged meanwhile survive",
  async ({ cluster, load }) => {
    const behindMs = cluster.cut(1, "both");
    await load.resumes("after a link was cut", behindMs, resumeMs);
    await load.puts(some);
    cluster.throttle(1, 3_000_000); // its catch-up takes some seconds, in which the other follower confirms writes
    const joinsMs = performance.now();
    await cluster.leader.reported(`${cluster.servers[1].name} joined`, joinsMs);
    const killedMs = await cluster.kill(2);
    await load.resumes("after the remaining follower had caught up", killedMs, catchUpMs);
    await cluster.killAllBut(1, () => cluster.cut(1, "both"));
    cluster.drop(1);
    cluster.heal(1);
    const servesMs = Math.max(...await Promise.all([cluster.start(0), cluster.start(2)]));
    await load.resumes("after the leader was back with its followers", servesMs, resumeMs);
  },
  large,
);

test("all servers are restarted one by one, the leader twice", async ({ cluster, load }) => {
  for (const server of [1, 2, 0, 0] as const) {
    await load.puts(some);
    const killedMs = await cluster.kill(server);
    if (server !== 0) {
      await load.resumes(`after ${nameOf(server)} was killed`, killedMs, resumeMs);
    }
    const servesMs = await cluster.start(server);
    if (server === 0) {
      await load.resumes("after the leader was back with its followers", servesMs, resumeMs);
    }
    await cluster.settled();
  }
});

test("the leader and a follower are killed at once, and the slow follower has everything", async ({ cluster, load }) => {
  for (const survivor of [1, 2] as const) {
    cluster.slowDown(survivor, 200);
    await load.puts(some);
    await load.puts(some);
    // Writes on their way to the survivor must not reach it.
    await cluster.killAllBut(survivor, () => cluster.cut(survivor, "both"));
    cluster.drop(survivor);
    cluster.heal(survivor);
    await cluster.start(survivor === 1 ? 2 : 1);
    const servesMs = await cluster.start(0);
    await load.resumes("after the leader was back with its followers", servesMs, resumeMs);
    await cluster.settled();
  }
});

test("the leader dies while one follower is behind, and that follower joins the new leader first", async ({ cluster, load }) => {
  for (const [behind, ahead] of [[1, 2], [2, 1]] as const) {
    const cutMs = cluster.cut(behind, "both");
    await load.resumes("after a link was cut", cutMs, resumeMs);
    await load.puts(some);
    await cluster.kill(0);
    cluster.cut(ahead, "both");
    cluster.drop(behind);
    cluster.heal(behind);
    const servesMs = await cluster.start(0);
    await cluster.leader.reported(`${cluster.servers[behind].name} joined`, servesMs);
    cluster.drop(ahead);
    const healedMs = cluster.heal(ahead);
    await load.resumes("after both followers were back", healedMs, resumeMs);
    await cluster.settled();
  }
});

test(`${mixedRounds} mixed rounds`, async ({ cluster, load }) => {
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  for (let number = 1; number <= mixedRounds; number++) {
    const round = makeRound(random);
    cluster.note(`ROUND ${number}: ${JSON.stringify(round)}`);
    await within(`round ${number} ends`, play(round, cluster, load), 60_000);
    await cluster.healAll();
    await cluster.settled();
    await load.puts(some);
  }
});
