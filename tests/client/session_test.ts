import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import { SessionError } from "../../lib/client/errors.ts";
import { HighestByLeader } from "../../lib/client/highest_by_leader.ts";
import { GetOk, PutOk, TryOther } from "../../lib/mensagem.ts";
import { Session, sessionCharsMax, sessionKeysMax } from "../../lib/client/session.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

Deno.test("a key that was never seen has timestamp 0", pure, () => {
  assertStrictEquals(new Session().timestamp("constructor"), 0);
});

Deno.test("PUT_OK and GET_OK raise the timestamp of their key, and it never falls", pure, () => {
  const session = new Session();
  session.learn(new PutOk(1, "a", 5));
  session.learn(new GetOk(2, "b", "x", 7));
  session.learn(new GetOk(3, "a", "old", 4));
  session.learn(new GetOk(4, "a", null, 0));
  assertStrictEquals(session.timestamp("a"), 5);
  session.learn(new GetOk(5, "a", "new", 9));
  assertStrictEquals(session.timestamp("a"), 9);
  assertStrictEquals(session.timestamp("b"), 7);
});

Deno.test(
  "TRY_OTHER_SERVER_OR_LATER shows no value, so the session learns nothing from it",
  pure,
  () => {
    const session = new Session();
    session.learn(new TryOther(1, "a", 5));
    assertStrictEquals(session.timestamp("a"), 0);
  },
);

Deno.test("a session belongs to the first cluster that is named, and to no other", pure, () => {
  const session = new Session();
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assertFalse(session.belongsTo("two"));
  assertFalse(session.belongsTo("two"));
  assert(session.belongsTo("one"));
});

Deno.test("a session stays bounded, and asks for no less after it has forgotten keys", pure, () => {
  const session = new Session();
  const keys = 100_000;
  for (let n = 1; n <= keys; n++) {
    session.learn(new GetOk(1, `k${n}`, "x", n));
    assert(session.size <= sessionKeysMax);
    if (n % 997 === 0) {
      const key = 1 + (n * 7) % n;
      const asked = Math.max(session.timestamp(`k${key}`), session.atLeast ?? 0);
      assert(asked >= key, `${asked} for the key seen at ${key}`);
    }
  }
  assertStrictEquals(session.highest, keys);
  const { timestamps, applied } = session.exported();
  assert(timestamps.length <= sessionKeysMax);
  assertEquals(applied, [keys - timestamps.length]);
  const long = new Session();
  for (let n = 1; n <= 8_000; n++) long.learn(new GetOk(1, `${n}`.padEnd(1_000), "x", n));
  assert(long.size * 1_000 <= sessionCharsMax);
});

Deno.test("lists and watches count for every key", pure, () => {
  const session = new Session();
  assertStrictEquals(session.atLeast, undefined);
  session.learn(new GetOk(1, "a", "x", 5));
  assertStrictEquals(session.atLeast, undefined);
  assertStrictEquals(session.highest, 5);
  session.sawAll(9);
  session.sawAll(7);
  session.sawAll(0);
  assertStrictEquals(session.atLeast, 9);
  assertStrictEquals(session.highest, 9);
});

Deno.test("what an earlier leader has shown stays in doubt until it is confirmed", pure, () => {
  const later = 2 ** 32;
  const session = new Session();
  session.sawAll(5);
  session.learn(new GetOk(1, "a", "x", 7));
  assertStrictEquals(session.doubtful(true), undefined);
  session.learn(new GetOk(2, "b", "x", later));
  assertStrictEquals(session.doubtful(false), undefined); // a GET of "a" carries its timestamp
  assertStrictEquals(session.doubtful(true), 7);
  session.sawAll(later + 3);
  assertStrictEquals(session.doubtful(false), 5);
  const copy = new Session();
  copy.takeOver(session.exported());
  assertStrictEquals(copy.doubtful(false), 5);
  assertStrictEquals(copy.doubtful(true), 7);
  session.confirm(7); // and so 5 is not lost either
  assertStrictEquals(session.doubtful(false), undefined);
  assertStrictEquals(session.doubtful(true), undefined);
  assertStrictEquals(session.atLeast, later + 3);
});

Deno.test("forgetting what was lost leaves the other keys", pure, () => {
  const session = new Session();
  session.learn(new GetOk(1, "a", "x", 5));
  session.learn(new GetOk(2, "b", "x", 9));
  session.sawAll(20);
  session.forget("b");
  assertStrictEquals(session.timestamp("a"), 5);
  assertStrictEquals(session.timestamp("b"), 0);
  assertStrictEquals(session.atLeast, undefined);
  assertStrictEquals(session.highest, 5);
  session.forget();
  assertStrictEquals(session.highest, undefined);
  assertStrictEquals(session.size, 0);
});

Deno.test("a session of an older version can be read, and a wrong one cannot", pure, () => {
  const session = new Session();
  session.takeOver({ version: 1, cluster: "c", timestamps: [["a", 5]] });
  assertStrictEquals(session.timestamp("a"), 5);
  for (const applied of [5, ["5"], [-1], [1.5], Array(65).fill(1)]) {
    const wrong = { version: 1, cluster: "c", timestamps: [], applied };
    assertThrows(() => session.takeOver(wrong), SessionError, "applied");
  }
});

Deno.test(
  "the highest timestamps of leaders are those of a slow and simple count",
  pure,
  seeded((random) => {
    const leader = 2 ** 32;
    for (let round = 0; round < 200; round++) {
      const highest = new HighestByLeader();
      const simple = new Map<number, number>();
      for (let n = 0; n < 30; n++) {
        const number = random.below(5);
        const timestamp = number * leader + random.between(1, 1_000);
        highest.add(timestamp);
        simple.set(number, Math.max(simple.get(number) ?? 0, timestamp));
        const all = [...simple.values()].sort((a, b) => a - b);
        assertEquals(highest.all, all);
        if (random.chance(0.1) && highest.doubtful !== undefined) {
          assertStrictEquals(highest.doubtful, all[0]);
          highest.confirm(all[0]!);
          simple.delete(Math.floor(all[0]! / leader));
        }
      }
    }
  }),
);
