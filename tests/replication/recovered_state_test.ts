import { assertEquals } from "@std/assert";
import { Get, Heartbeat, Join, JoinOk, Replication, Snapshot, Sync } from "../../lib/mensagem.ts";
import type { JournalMessage } from "../../lib/replication/journal.ts";
import { JournalSummary, RecoveredState } from "../../lib/replication/recovered_state.ts";
import { givenSeed, Random } from "../support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test("a recovered state is what the messages of a journal add up to", () => {
  const recovered = new RecoveredState();
  const add = (...messages: JournalMessage[]) => {
    for (const message of messages) assertEquals(recovered.add(message), true);
    const { cluster, timestamp, highest, led, store } = recovered;
    return [cluster, timestamp, highest, led, store.size];
  };
  assertEquals(add(), ["", 0, 0, false, 0]);
  assertEquals(add(new Snapshot([["a", "1", 9]], false)), ["", 0, 9, false, 1]);
  assertEquals(add(new Sync("c", 5, 12)), ["c", 5, 9, false, 1]);
  assertEquals(add(Replication.of("b", "2", 6)), ["c", 6, 9, false, 2]);
  assertEquals(add(new Heartbeat(), new JoinOk()), ["c", 6, 9, true, 2]);
  assertEquals(add(new Sync("c", 9, 100)), ["c", 100, 100, true, 2]);
  assertEquals(recovered.gaps, [[10, 99]]);
  assertEquals(add(new Join("1.1.1.1:1", "c", 100)), ["c", 100, 100, false, 2]);
  assertEquals(add(new Snapshot([["c", "3", 4]], true, true)), ["", 0, 4, false, 1]);
  assertEquals(recovered.gaps, []);
  assertEquals(recovered.add(new Get(1, "a", 0)), false);
});

Deno.test("the gaps of a table that is being copied count once it is complete", pure, () => {
  const recovered = new RecoveredState();
  const add = (...messages: JournalMessage[]) => {
    for (const message of messages) recovered.add(message);
    // A compaction writes the summary. It must not say that more is complete.
    const again = new JournalSummary();
    for (const message of recovered.summary.messages(new Join("1.1.1.1:1", "", 0))) {
      again.add(message);
    }
    assertEquals(again, recovered.summary);
    return [recovered.timestamp, recovered.gaps];
  };
  add(new Join("1.1.1.1:1", "", 0), new Sync("c", 7, 7));
  const chunk = new Snapshot([["a", "1", 120]], false, undefined, undefined, [[8, 99]]);
  assertEquals(add(chunk), [7, []]);
  assertEquals(add(new JoinOk(), new Sync("c", 130, 200, undefined, [[8, 99], [131, 199]])), [
    200,
    [[8, 99], [131, 199]],
  ]);
});

Deno.test(
  "the messages of a summary add up to it, even if messages that it already has come again",
  pure,
  () => {
    const random = new Random(givenSeed(Deno.args) ?? 1);
    const follows = new Join("1.1.1.1:1", "", 0);
    for (let run = 0; run < 500; run++) {
      const summary = new JournalSummary();
      const all: JournalMessage[] = [];
      let timestamp = 0;
      for (let n = random.between(0, 12); n > 0; n--) {
        const to = timestamp + random.between(0, 9);
        const message = random.pick([
          new JoinOk(),
          follows,
          new Sync("c", timestamp, to),
          Replication.of("a", "1", to),
        ]);
        summary.add(message);
        all.push(message);
        timestamp = summary.timestamp;
      }
      const again = new JournalSummary();
      for (const message of summary.messages(follows)) again.add(message);
      if (summary.cluster === "") continue; // the table counts for nothing
      assertEquals(again, summary);
      // A compacted table may already have what the journal after it repeats, of one process.
      const role = Math.max(0, all.findLastIndex(({ type }) => type.startsWith("JOIN")));
      for (const message of all.slice(random.between(role, all.length))) again.add(message);
      assertEquals([again.timestamp, again.gaps], [summary.timestamp, summary.gaps]);
    }
  },
);
