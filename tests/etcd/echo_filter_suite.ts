import { assertEquals } from "@std/assert";
import { EchoFilter, heldCharsMax, type UnansweredWrite } from "../../lib/etcd/echo_filter.ts";
import type { WatchEvent } from "../../lib/etcd/protocol.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

function event(revision: number, key = "k", value = "v"): WatchEvent {
  return { key, value, revision, deleted: false };
}

function filtering(heldMax = 100): { filter: EchoFilter; others: number[] } {
  const others: number[] = [];
  return { filter: new EchoFilter(({ revision }) => others.push(revision), heldMax), others };
}

Deno.test(
  "an own write is not passed on, even if the watch shows it before the answer",
  pure,
  () => {
    const { filter, others } = filtering();
    const write = { key: "k", value: "v" };
    filter.begin(write);
    filter.end(write, 5);
    filter.show(event(5));
    filter.begin(write);
    filter.show(event(6));
    filter.end(write, 6);
    filter.show(event(7));
    assertEquals(others, [7]);
  },
);

Deno.test(
  "a write that may be an own one holds back the writes after it until the PUT is answered",
  pure,
  () => {
    const { filter, others } = filtering();
    const write = { key: "k", value: "v" };
    filter.begin(write);
    filter.show(event(4, "k", "other"));
    filter.show(event(5));
    filter.show(event(6, "other"));
    assertEquals(others, [4]);
    filter.end(write);
    assertEquals(others, [4, 5, 6]);
  },
);

Deno.test("if too many writes are held back, the oldest is passed on", pure, () => {
  const { filter, others } = filtering(2);
  filter.begin({ key: "k", value: "v" });
  for (const revision of [1, 2, 3, 4]) filter.show(event(revision));
  assertEquals(others, [1, 2]);
});

Deno.test("if too much text is held back, the oldest write is passed on", pure, () => {
  const { filter, others } = filtering();
  const value = "x".repeat(heldCharsMax / 2 - 1);
  filter.begin({ key: "k", value });
  for (const revision of [1, 2, 3, 4]) filter.show(event(revision, "k", value));
  assertEquals(others, [1, 2]);
});

Deno.test(
  "500 random schedules: exactly the writes of others are passed on, once and in order",
  pure,
  seeded((random) => {
    for (let run = 0; run < 500; run++) {
      const { filter, others } = filtering();
      const expected: number[] = [];
      /** Applied by etcd, and not shown by the watch yet; below, not answered yet. */
      const onWatch: WatchEvent[] = [];
      const answers: { write: UnansweredWrite; revision: number }[] = [];
      for (let revision = 1; revision <= 30;) {
        const write = { key: `k${random.below(2)}`, value: `v${random.below(2)}` };
        switch (random.below(4)) {
          case 0:
            filter.begin(write);
            answers.push({ write, revision });
            onWatch.push(event(revision++, write.key, write.value));
            break;
          case 1:
            expected.push(revision);
            onWatch.push(event(revision++, write.key, write.value));
            break;
          case 2:
            if (onWatch.length > 0) filter.show(onWatch.shift()!);
            break;
          default: {
            const [answer] = answers.splice(random.below(answers.length || 1), 1);
            if (answer !== undefined) filter.end(answer.write, answer.revision);
          }
        }
      }
      for (const one of onWatch) filter.show(one);
      for (const { write, revision } of answers) filter.end(write, revision);
      assertEquals(others, expected, `run ${run}`);
    }
  }),
);
