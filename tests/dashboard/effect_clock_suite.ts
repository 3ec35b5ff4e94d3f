/** The clock of what the page shows. */

import { assert, assertEquals } from "@std/assert";
import type { Item } from "../../dashboard/server/item.ts";
import { flightsMax } from "../../dashboard/page/limits.js";
import { EffectClock, flightMs, lagMsMax } from "../../dashboard/page/effect_clock.js";
import { messagesOf } from "../../dashboard/page/selectors.js";
import { apply, emptyState } from "../../dashboard/page/state.js";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const [leader, near, far] = ["127.0.0.1:10097", "127.0.0.1:10098", "127.0.0.1:10099"] as const;

Deno.test(
  "effects keep their order and the bound of the lag, and follow their drawn messages",
  pure,
  seeded((random) => {
    const state = emptyState([leader, near, far]);
    state.leader = leader;
    const clock = new EffectClock();
    let [now, drawn, left] = [0, 0, 0];
    /** By number of the item: when it came, and when its message has arrived at the server. */
    const items: { readonly came: number; readonly arrives: number }[] = [];
    let shown = 0;
    for (let n = 1; n <= 600; n++) {
      now += random.below(n % 100 < 50 ? 300 : 5);
      const at = now;
      const key = `key${random.below(3)}`;
      const client = `127.0.0.1:${random.below(5)}`;
      const item = random.pick<Item>([
        { kind: "put", at, server: leader, client, key, value: "v" },
        { kind: "written", at, server: leader, key, value: "v", timestamp: n },
        { kind: "replication", at, server: near, key, value: "v", timestamp: n },
        { kind: "acknowledged", at, server: leader, follower: near, timestamp: n },
        { kind: "put_ok", at, server: leader, client, key, timestamp: n, ms: 1 },
        { kind: "get", at, server: far, client, key, seen: 2, own: 1, refused: true },
        { kind: "write", at, server: leader, client, key, value: null },
        { kind: "write_ok", at, server: leader, client, key, timestamp: n },
        {
          kind: "conflict",
          at,
          server: leader,
          client,
          key,
          expected: n,
          value: "v",
          timestamp: n,
        },
      ]);
      const messages = messagesOf(state, item);
      apply(state, item);
      const index = items.length;
      const flights = clock.plan(item, messages, now, () => {
        assertEquals(index, shown++, "effects show in the order of the items");
        assert(now >= items[index]!.arrives, "the message is still on its way");
      });
      assert(flights.length === 0 || flights.length === messages.length);
      const first = flights[0]?.start ?? 0;
      const answers = ["put_ok", "write_ok", "conflict"].includes(item.kind);
      const arrives = flights.length === 0 || answers ? first : first + flightMs;
      items.push({ came: now, arrives });
      for (const { start } of flights) assert(start + flightMs <= now + lagMsMax);
      assert(clock.lastAt <= now + lagMsMax);
      assert(clock.lastAt >= arrives);
      if (messages.length > 0) flights.length > 0 ? drawn++ : left++;
      clock.advance(now);
    }
    assert(drawn > 50 && left > 50, `${drawn} drawn, ${left} left out`);
    now += lagMsMax;
    clock.advance(now);
    assertEquals(shown, items.length);
  }),
);

Deno.test(
  "an answer leaves the server after the question has arrived, and is seen after it",
  pure,
  () => {
    const clock = new EffectClock();
    const state = emptyState([leader, near, far]);
    apply(state, { kind: "client", at: 1, client: 1, address: "127.0.0.1:1" });
    const get: Item = {
      ...{ kind: "get", at: 1, server: far, client: "127.0.0.1:1" },
      ...{ key: "cor", seen: 2, own: 1, refused: true },
    };
    const shown: string[] = [];
    const flights = clock.plan(get, messagesOf(state, get), 0, () => shown.push("refused"));
    assertEquals(flights.map(({ start }) => start), [0, flightMs]);
    const seen: Item = { kind: "seen", at: 1, client: 1, key: "cor", value: "v", timestamp: 2 };
    clock.plan(seen, [], 0, () => shown.push("seen"));
    clock.advance(flightMs - 1);
    assertEquals(shown, []);
    clock.advance(flightMs);
    assertEquals(shown, ["refused"]);
    clock.advance(2 * flightMs - 1);
    assertEquals(shown, ["refused"]);
    clock.advance(2 * flightMs);
    assertEquals(shown, ["refused", "seen"]);
    assert(flightsMax > 2);
  },
);

Deno.test("the effect of an answer to a PUT or WRITE shows when it leaves the leader", pure, () => {
  const state = emptyState([leader, near, far]);
  const about = { at: 1, server: leader, client: "127.0.0.1:1", key: "cor", timestamp: 2 } as const;
  const answers: Item[] = [
    { ...about, kind: "put_ok", ms: 1 },
    { ...about, kind: "write_ok" },
    { ...about, kind: "conflict", expected: 1, value: "v" },
  ];
  for (const answer of answers) {
    const clock = new EffectClock();
    assertEquals(clock.plan(answer, messagesOf(state, answer), 0, () => {}).length, 1);
    assertEquals(clock.lastAt, 0, answer.kind);
  }
});
