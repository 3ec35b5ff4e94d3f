import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { Heartbeat, Join, Put } from "../../lib/mensagem.ts";
import { Standing } from "../../lib/replication/standing.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import {
  ack,
  type FakeLink,
  follower1,
  follower2,
  leader,
  openLeader,
  pure,
  type Stage,
} from "../support/core_fixture.ts";

const { silenceMs, heartbeatMs } = tuningDefault;
const tickMs = 50;

/** A link that is cut and healed again and again. */
interface Flapping {
  readonly cutMs: number;
  readonly healedMs: number;
  /** Whether the follower's heartbeats arrive while the link is cut. */
  readonly heartbeats: boolean;
}

/** A follower that acknowledges everything it gets, over a link that the test cuts. */
class Peer {
  link: FakeLink;
  cut = false;
  /** Heartbeats arrive during a cut. */
  heartbeats = false;
  readonly #stage: Stage;
  readonly #server: string;
  #acked = 0;

  constructor(stage: Stage, server: string, link: FakeLink) {
    this.#stage = stage;
    this.#server = server;
    this.link = link;
  }

  /** What the follower does at a tick: it dials again, and says that it lives and what it has. */
  step(timestamp: number, heartbeatDue: boolean): void {
    if (this.cut) {
      if (this.link.open && this.heartbeats && heartbeatDue) this.link.say(new Heartbeat());
      return;
    }
    if (!this.link.open) {
      this.link = this.#stage.connect(`${this.#server.split(":")[0]}:40001`);
      this.link.say(new Join(this.#server, "new1", this.#acked));
    }
    if (heartbeatDue) this.link.say(new Heartbeat());
    this.link.say(ack(this.#acked = timestamp));
  }
}

/** An open leader, followers behind links that can be cut, and a client that writes without a pause. */
function scene() {
  const { stage, f1, f2, client } = openLeader();
  const peers = [new Peer(stage, follower1, f1), new Peer(stage, follower2, f2)] as const;
  let next = 1;
  /** The number of PUTs that are acknowledged. */
  let done = 0;
  const step = () => {
    if (done === next - 1) client.say(new Put(next++, "a", "1"));
    const heartbeatDue = stage.now % heartbeatMs === 0;
    for (const peer of peers) peer.step(stage.engine.timestamp, heartbeatDue);
    stage.jump(tickMs);
    const answers = client.heard();
    for (const answer of answers) assert(answer.startsWith("PUT_OK"), answer);
    done += answers.length;
    return answers.length > 0;
  };
  /** Lets time pass. Returns the times of the PUT_OKs. */
  const run = (ms: number) => {
    const times: number[] = [];
    for (const end = stage.now + ms; stage.now < end;) if (step()) times.push(stage.now);
    return times;
  };
  return { stage, peers, run, inSync: () => stage.engine.inSync };
}

/** The share of the tenths of a second with a PUT_OK while the link to the second follower flaps. */
function shareOfTenths({ cutMs, healedMs, heartbeats }: Flapping, forMs: number): number {
  const { stage, peers: [, flapping], run } = scene();
  run(1_000);
  flapping.heartbeats = heartbeats;
  const startMs = stage.now;
  const tenths = new Set<number>();
  while (stage.now < startMs + forMs) {
    for (const [cut, ms] of [[true, cutMs], [false, healedMs]] as const) {
      flapping.cut = cut;
      for (const at of run(ms)) tenths.add(Math.floor(at / 100));
    }
  }
  return tenths.size * 100 / (stage.now - startMs);
}

Deno.test("a flapping follower does not hold up PUTs: 90 % of the tenths have one", pure, () => {
  for (
    const [cutMs, healedMs, heartbeats] of [
      [1_900, 500, false],
      [1_900, 500, true],
      [2_500, 700, false],
      // None of these cuts is a long stall.
      [350, 100, false],
      [400, 50, false],
      [400, 600, false],
      [450, 50, false],
      [450, 50, true],
      [450, 100, false],
      [490, 500, false],
      [500, 100, false],
      [500, 500, false],
      [550, 50, false],
    ] as const
  ) {
    const share = shareOfTenths({ cutMs, healedMs, heartbeats }, 24_000);
    assertGreaterOrEqual(share, 0.9, `cut ${cutMs} ms, healed ${healedMs} ms, ${heartbeats}`);
  }
});

Deno.test(
  "a single cut holds up PUTs for the silence limit, and the follower is back soon",
  pure,
  () => {
    for (const heartbeats of [false, true]) {
      const { stage, peers: [, flapping], run, inSync } = scene();
      run(1_000);
      flapping.cut = true;
      flapping.heartbeats = heartbeats;
      const cutMs = stage.now;
      const [first] = run(3_000);
      const pauseMs = first! - cutMs;
      assert(pauseMs > silenceMs - 200 && pauseMs <= silenceMs + 200, `${pauseMs} ms`);
      assertEquals(inSync(), [leader, follower1]);
      flapping.cut = false;
      run(silenceMs / 2 + 200);
      assertEquals(inSync(), [leader, follower1, follower2]);
    }
  },
);

Deno.test(
  "a follower that keeps acknowledging is waited for, although it is always behind",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    for (let n = 1; n <= 100; n++) {
      someone.say(new Put(n, "a", `${n}`));
      f1.say(ack(n));
      // One acknowledgement each 250 ms, and even then it is up to 1.5 s behind.
      if (n % 5 === 0) f2.say(ack(Math.max(n - 30, n / 5)));
      stage.pass(tickMs);
    }
    assertEquals(stage.engine.inSync, [leader, follower1, follower2]);
    assertEquals(someone.heard().at(-1), "PUT_OK #70 a @70");
  },
);

Deno.test(
  "PUTs do not wait for a follower that lacks a write older than the silence limit",
  pure,
  () => {
    const { stage, f1, f2, client: someone } = openLeader();
    for (let n = 1; n <= 400; n++) {
      someone.say(new Put(n, "a", `${n}`));
      f1.say(ack(n));
      // It acknowledges something at each second tick, and is further behind each time.
      if (n % 2 === 0) f2.say(ack(n / 2));
      stage.pass(tickMs, f1, f2);
    }
    assertEquals(stage.engine.inSync, [leader, follower1]);
    const answers = someone.heard();
    assert(answers.every((answer) => answer.startsWith("PUT_OK")), answers.join());
    assertEquals(answers.length, 400);
  },
);

Deno.test(
  "a far follower is waited for: a round trip of 300 ms is no stall",
  pure,
  () => {
    for (const roundTripMs of [100, 200, 300]) {
      const { stage, f1, f2, client: someone } = openLeader();
      const written: number[] = [];
      let [sent, done] = [0, 0];
      for (let ms = 0; ms < 20_000; ms += tickMs) {
        if (done === sent) someone.say(new Put(++sent, "a", "1"));
        written.push(stage.engine.timestamp);
        f1.say(ack(stage.engine.timestamp));
        f2.say(ack(written.at(-1 - roundTripMs / tickMs) ?? 0));
        stage.pass(tickMs, f1, f2);
        done += someone.heard().length;
        assertEquals(stage.engine.inSync.length, 3, `${roundTripMs} ms, after ${ms} ms`);
      }
    }
  },
);

Deno.test("a follower that pauses now and then is waited for", pure, () => {
  for (const [pauseMs, everyMs] of [[400, 2_500], [350, 1_500], [250, 300]] as const) {
    const { peers: [, pausing], run, inSync } = scene();
    run(1_000);
    for (let ms = 0; ms < 20_000; ms += everyMs) {
      pausing.cut = true;
      run(pauseMs);
      pausing.cut = false;
      run(everyMs - pauseMs);
      assertEquals(inSync().length, 3, `${pauseMs} ms in each ${everyMs} ms`);
    }
  }
});

Deno.test("a follower is back in sync soon after its link has flapped", pure, () => {
  const { peers: [, flapping], run, inSync } = scene();
  run(1_000);
  for (let n = 0; n < 20; n++) {
    flapping.cut = true;
    run(450);
    flapping.cut = false;
    run(100);
  }
  assertEquals(inSync(), [leader, follower1]);
  run(2 * silenceMs + 1_000);
  assertEquals(inSync(), [leader, follower1, follower2]);
});

Deno.test("followers that stall often at the same time are not set aside", pure, () => {
  const { peers, run, inSync } = scene();
  run(1_000);
  for (let n = 0; n < 20; n++) {
    for (const peer of peers) peer.cut = true;
    run(450);
    for (const peer of peers) peer.cut = false;
    run(100);
    assertEquals(inSync().length, 3, `cut ${n}`);
  }
});

Deno.test("large values may take their time, small ones may not", pure, () => {
  for (const [chars, inSync] of [[1024 * 1024, 3], [1024, 2]] as const) {
    const { stage, f1, f2, client: someone } = openLeader();
    for (let n = 1; n <= 4; n++) {
      someone.say(new Put(n, "a", "x".repeat(chars)));
      f1.say(ack(n));
      stage.pass(900, f1, f2);
      f2.say(ack(n));
    }
    assertEquals(stage.engine.inSync.length, inSync, `${chars} characters`);
  }
});

Deno.test(
  "on probation a follower gets every write, and is in sync after it has kept up",
  pure,
  () => {
    const { peers: [, flapping], run, inSync } = scene();
    run(1_000);
    for (let n = 0; n < 2; n++) {
      flapping.cut = true;
      run(1_900);
      flapping.cut = false;
      run(100);
    }
    assertEquals(inSync(), [leader, follower1]);
    flapping.link.heard();
    run(200);
    assert(flapping.link.heard().length > 2, "it gets the writes");
    run(silenceMs / 2 - 400);
    assertEquals(inSync(), [leader, follower1]);
    run(700);
    assertEquals(inSync(), [leader, follower1, follower2]);
  },
);

Deno.test("a follower on probation counts at once if too few others are in sync", pure, () => {
  const { stage, peers: [steady, flapping], run, inSync } = scene();
  run(1_000);
  for (let n = 0; n < 3; n++) {
    flapping.cut = true;
    run(1_900);
    flapping.cut = false;
    run(100);
  }
  assertEquals(inSync(), [leader, follower1]);
  steady.link.end();
  steady.cut = true;
  const endedMs = stage.now;
  const [first] = run(500);
  assert(first! - endedMs <= 2 * tickMs, `the first PUT_OK came after ${first! - endedMs} ms`);
  assertEquals(inSync(), [leader, follower2]);
});

Deno.test("if two followers stall in turns, PUTs go on with the other one", pure, () => {
  const { peers, run, inSync } = scene();
  run(1_000);
  for (let n = 0; n < 20; n++) {
    const [cut, other] = n % 2 === 0 ? peers : [peers[1], peers[0]];
    cut.cut = true;
    other.cut = false;
    const times = run(1_900);
    if (n >= 2) assertGreaterOrEqual(times.length, 20, `cut ${n}`);
    cut.cut = false;
    run(100);
  }
  assertGreaterOrEqual(inSync().length, 2);
});

Deno.test("if one follower or the other is always cut off, most tenths have a PUT_OK", pure, () => {
  for (const cutMs of [1_000, 1_900]) {
    const { stage, peers: [a, b], run, inSync } = scene();
    run(1_000);
    const tenths = new Set<number>();
    // The first losses cost up to the silence limit each.
    const startMs = stage.now + 6_000;
    while (stage.now < startMs + 24_000) {
      [a.cut, b.cut] = [!a.cut, a.cut];
      for (const at of run(cutMs)) if (at > startMs) tenths.add(Math.floor(at / 100));
      assertGreaterOrEqual(inSync().length, 2);
    }
    const share = tenths.size * 100 / (stage.now - startMs);
    assertGreaterOrEqual(share, 0.7, `cuts of ${cutMs} ms`);
  }
});

Deno.test("no follower is set aside if none keeps up", pure, () => {
  const { stage, peers, run, inSync } = scene();
  run(1_000);
  for (const peer of peers) [peer.cut, peer.heartbeats] = [true, true];
  assertEquals(run(4_000), []);
  assertEquals(inSync(), [leader, follower1, follower2]);
  for (const peer of peers) peer.cut = false;
  const healedMs = stage.now;
  const [first] = run(200);
  assert(first! - healedMs <= 2 * tickMs);
});

Deno.test(
  "probation doubles with each loss up to its bound, and losses are forgotten",
  pure,
  () => {
    const standing = new Standing(tuningDefault);
    assertEquals([standing.patienceMs, standing.probationMs], [silenceMs, 0]);
    const probations: number[] = [];
    for (let n = 0; n < 8; n++) {
      standing.lost();
      probations.push(standing.probationMs);
    }
    assertEquals(probations, [1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000, 8_000]);
    assertEquals(standing.patienceMs, heartbeatMs);
    assert(!standing.forget(29_999));
    let forgotten = 0;
    while (standing.forget(30_000)) forgotten++;
    assertEquals([forgotten, standing.patienceMs, standing.probationMs], [4, silenceMs, 0]);
  },
);
