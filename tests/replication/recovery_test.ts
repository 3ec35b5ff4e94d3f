import { assertEquals, assertStringIncludes } from "@std/assert";
import { Join, JoinOk, Snapshot, Sync } from "../../lib/mensagem.ts";
import { Ledger } from "../../lib/replication/ledger.ts";
import { Member } from "../../lib/replication/member.ts";
import { Members } from "../../lib/replication/members.ts";
import { RecoveredState } from "../../lib/replication/recovered_state.ts";
import { Recovery, recoverySkip } from "../../lib/replication/recovery.ts";
import { brief, pure } from "../support/core_fixture.ts";

/** A real recovery at a fake leader, in a cluster of three. */
class Harness {
  readonly members = new Members();
  readonly recovery: Recovery;
  /** The frames that followers were sent, as "server: line". */
  readonly sent: string[] = [];
  /** The lines for the operator. */
  readonly reports: string[] = [];

  constructor(recovered?: RecoveredState, tuning = { clusterSize: 3, minInSync: 2 }) {
    this.recovery = new Recovery({
      members: this.members,
      store: recovered?.store ?? new RecoveredState().store,
      ledger: new Ledger(undefined),
      host: {
        random: () => 0.5,
        newClusterId: () => "new",
        report: (line) => this.reports.push(line),
      },
      tuning,
      recovered,
    });
  }

  /** A follower joins. */
  join(server: string, cluster: string, timestamp: number): Member {
    const link = {
      peer: server,
      betweenServers: true,
      send: (frame: string) => void this.sent.push(`${server}: ${brief(frame)}`),
      close: () => {},
    };
    const member = new Member(link, new Join(server, cluster, timestamp), 0);
    this.members.add(member);
    return member;
  }
}

Deno.test("new followers make a new cluster, which opens once all are in sync", pure, () => {
  const harness = new Harness();
  const { recovery } = harness;
  assertEquals(recovery.begin(), undefined);
  harness.join("10.0.0.2:2", "", 0);
  assertEquals(recovery.joined(), undefined);
  harness.join("10.0.0.3:3", "", 0);
  const origin = { cluster: "new", table: 0, timestamp: 0, source: undefined };
  assertEquals(recovery.joined(), origin);
  assertEquals([recovery.openIfCaughtUp(3), recovery.open], [false, false]);
  recovery.markOriginDurable();
  assertEquals([recovery.openIfCaughtUp(2), recovery.openIfCaughtUp(3)], [false, true]);
  recovery.checkInvariants();
});

Deno.test("the table of the furthest follower is copied, and timestamps skip ahead", pure, () => {
  const harness = new Harness();
  const { recovery } = harness;
  harness.join("10.0.0.2:2", "c", 5);
  const source = harness.join("10.0.0.3:3", "c", 8);
  assertEquals(recovery.joined(), undefined);
  assertEquals(harness.sent.splice(0), ["10.0.0.3:3: SNAPSHOT_REQUEST"]);
  assertEquals([recovery.copiesFrom(source), recovery.cluster], [true, ""]);
  const origin = recovery.copy(source, new Snapshot([["a", "1", 8]], true));
  assertEquals(origin, { cluster: "c", table: 8, timestamp: 8 + recoverySkip, source });
  assertEquals([recovery.cluster, recovery.gaps], ["c", [[9, 7 + recoverySkip]]]);
  recovery.checkInvariants();
});

Deno.test("a copy begins again once its source has left", pure, () => {
  const harness = new Harness();
  const { recovery, members } = harness;
  const first = harness.join("10.0.0.2:2", "c", 8);
  harness.join("10.0.0.3:3", "c", 5);
  recovery.joined();
  members.remove(first);
  recovery.left(first);
  recovery.checkInvariants();
  assertEquals(recovery.copiesFrom(first), false);
  harness.join("10.0.0.2:2", "", 0);
  harness.sent.length = 0;
  recovery.joined();
  assertEquals(harness.sent, ["10.0.0.3:3: SNAPSHOT_REQUEST"]);
});

/** The furthest source sends a part of its table and leaves. It comes back with nothing. */
function abandonedCopy(harness: Harness, part: Snapshot): void {
  const { recovery, members } = harness;
  const source = harness.join("10.0.0.2:2", "c", 2 ** 33);
  recovery.joined();
  recovery.copy(source, part);
  members.remove(source);
  recovery.left(source);
  harness.join("10.0.0.2:2", "", 0);
}

Deno.test("gaps of a source that left before its table was here do not count", pure, () => {
  const part = new Snapshot([], false, undefined, undefined, [[2, 4], [8, 2 ** 33 - 1]]);
  const harness = new Harness();
  const { recovery } = harness;
  const other = harness.join("10.0.0.3:3", "c", 7);
  abandonedCopy(harness, part);
  recovery.joined();
  const origin = recovery.copy(other, new Snapshot([["a", "1", 7]], true));
  assertEquals(origin?.timestamp, 7 + recoverySkip);
  // A gap above the leader's own timestamps would make every follower refuse its SYNC.
  assertEquals(recovery.gaps, [[2, 4], [8, 6 + recoverySkip]]);

  const empty = new Harness();
  empty.join("10.0.0.3:3", "", 0);
  abandonedCopy(empty, part);
  assertEquals(empty.recovery.joined()?.timestamp, 0);
  assertEquals(empty.recovery.gaps, []);
});

Deno.test("a table that was merged with a part of another one is no complete table", pure, () => {
  const part = new Snapshot([["a", "1", 2 ** 33]], false);
  const own = () => {
    const recovered = new RecoveredState();
    for (const message of [new Join("10.0.0.1:1", "", 0), new Sync("c", 7, 7)]) {
      recovered.add(message);
    }
    return recovered;
  };
  const newest = new Harness(own());
  newest.join("10.0.0.3:3", "c", 5);
  abandonedCopy(newest, part);
  // No timestamp of the part is given a second time.
  assertEquals(newest.recovery.joined()?.timestamp, 2 ** 33 + recoverySkip);

  const recovered = own();
  const older = new Harness(recovered);
  older.join("10.0.0.3:3", "c", 8);
  abandonedCopy(older, part);
  assertEquals(recovered.store.get("a")?.timestamp, 2 ** 33);
  older.recovery.joined();
  assertEquals(recovered.store.size, 0, "the table of 10.0.0.3:3 comes in its place");
});

Deno.test(
  "a leader that led last begins with its own table, and waits for no follower",
  pure,
  () => {
    const recovered = new RecoveredState();
    for (const message of [new JoinOk(), new Sync("c", 7, 7)]) recovered.add(message);
    const { recovery } = new Harness(recovered);
    const origin = { cluster: "c", table: 7, timestamp: 7 + recoverySkip, source: undefined };
    assertEquals(recovery.begin(), origin);
    recovery.markOriginDurable();
    assertEquals(recovery.openIfCaughtUp(1), true);
  },
);

Deno.test("a recovering leader warns if all copies of a write may be gone", pure, () => {
  const [f1, f2] = ["10.0.0.2:2", "10.0.0.3:3"];
  const warnings = (
    tables: readonly [string, string, number][],
    recovered?: RecoveredState,
    tuning = { clusterSize: 3, minInSync: 2 },
  ) => {
    const harness = new Harness(recovered, tuning);
    harness.recovery.begin();
    for (const [server, cluster, timestamp] of tables) {
      harness.join(server, cluster, timestamp);
      harness.recovery.joined();
    }
    return harness.reports.filter((line) => line.startsWith("warning"));
  };
  const [warning, ...more] = warnings([[f1, "c", 5], [f2, "", 0]]);
  assertEquals(more, []);
  assertStringIncludes(warning!, `2 of 3 servers came back without data: this leader and ${f2}.`);
  assertStringIncludes(warning!, `The table of ${f1}, up to timestamp 5, is taken over`);
  assertEquals(warnings([[f1, "", 0], [f2, "", 0]]), [], "a new cluster");
  assertEquals(warnings([[f1, "c", 5], [f2, "c", 5]]), [], "only the leader has lost its memory");

  const disk = (led: boolean) => {
    const recovered = new RecoveredState();
    const role = led ? new JoinOk() : new Join("10.0.0.1:1", "", 0);
    for (const message of [role, new Sync("c", 7, 7)]) recovered.add(message);
    return recovered;
  };
  assertEquals(
    warnings([[f1, "c", 5], [f2, "", 0]], disk(true)),
    [],
    "a leader has what it acknowledged",
  );
  assertEquals(warnings([[f1, "c", 9], [f2, "", 0]], disk(false)), [], "one of two copies is left");
  const [alone] = warnings([[f1, "", 0], [f2, "", 0]], disk(false));
  assertStringIncludes(alone!, `${f1} and ${f2}. `);
  assertStringIncludes(alone!, "The table of this leader, up to timestamp 7");

  const five = { clusterSize: 5, minInSync: 3 };
  const others: [string, string, number][] = [["10.0.0.4:4", "c", 4], ["10.0.0.5:5", "c", 5]];
  assertEquals(warnings([[f1, "c", 5], [f2, "", 0], ...others], undefined, five), []);
  assertEquals(warnings([[f1, "", 0], [f2, "", 0], ...others], undefined, five).length, 1);
});

Deno.test("a follower with writes of an unfinished catch-up needs the whole table", pure, () => {
  const recovered = new RecoveredState();
  for (const message of [new JoinOk(), new Sync("c", 7, 7)]) recovered.add(message);
  const { recovery } = new Harness(recovered);
  recovery.begin();
  assertEquals(recovery.isForked(new Join("10.0.0.2:2", "c", 6)), false);
  assertEquals(recovery.isForked(new Join("10.0.0.2:2", "c", 6, 9)), true);
});
