import { assertEquals } from "@std/assert";
import type { EtcdEvent } from "../../lib/etcd/protocol.ts";
import { type OwnWrite, OwnWrites } from "../../lib/etcd/own_writes.ts";
import { Random } from "../support/random.ts";

const pure = { permissions: "none" } as const;

function event(revision: number, key = "k", value = "v"): EtcdEvent {
  return { key, value, revision, created: false, deleted: false };
}

function listening(heldMax = 100): { own: OwnWrites; others: number[] } {
  const others: number[] = [];
  return { own: new OwnWrites(({ revision }) => others.push(revision), heldMax), others };
}

Deno.test("an own write is not passed on, whether watch or answer come first", pure, () => {
  const { own, others } = listening();
  const write = { key: "k", value: "v" };
  own.begin(write);
  own.end(write, 5);
  own.show(event(5));
  own.begin(write);
  own.show(event(6));
  own.end(write, 6);
  own.show(event(7));
  assertEquals(others, [7]);
});

Deno.test(
  "what waits for an answer holds up what comes after it, and nothing else does",
  pure,
  () => {
    const { own, others } = listening();
    const write = { key: "k", value: "v" };
    own.begin(write);
    own.show(event(4, "k", "other"));
    own.show(event(5));
    own.show(event(6, "other"));
    assertEquals(others, [4]);
    own.end(write);
    assertEquals(others, [4, 5, 6]);
  },
);

Deno.test("with too many in the row nobody waits", pure, () => {
  const { own, others } = listening(2);
  own.begin({ key: "k", value: "v" });
  for (const revision of [1, 2, 3, 4]) own.show(event(revision));
  assertEquals(others, [1, 2]);
});

Deno.test(
  "over random schedules every write of others is passed on once, in order, and no own one",
  pure,
  () => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const random = new Random(seed);
    for (let run = 0; run < 500; run++) {
      const { own, others } = listening();
      const expected: number[] = [];
      /** Written in etcd; watch and answers bring it later. */
      const onWatch: EtcdEvent[] = [];
      const answers: { write: OwnWrite; revision: number }[] = [];
      for (let revision = 1; revision <= 30;) {
        const write = { key: `k${random.below(2)}`, value: `v${random.below(2)}` };
        switch (random.below(4)) {
          case 0:
            own.begin(write);
            answers.push({ write, revision });
            onWatch.push(event(revision++, write.key, write.value));
            break;
          case 1:
            expected.push(revision);
            onWatch.push(event(revision++, write.key, write.value));
            break;
          case 2:
            if (onWatch.length > 0) own.show(onWatch.shift()!);
            break;
          default: {
            const [answer] = answers.splice(random.below(answers.length || 1), 1);
            if (answer !== undefined) own.end(answer.write, answer.revision);
          }
        }
      }
      for (const one of onWatch) own.show(one);
      for (const { write, revision } of answers) own.end(write, revision);
      assertEquals(others, expected, `seed ${seed}, run ${run}`);
    }
  },
);
