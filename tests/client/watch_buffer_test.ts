import { assert, assertEquals } from "@std/assert";
import type { WatchEvent } from "../../lib/client/results.ts";
import { WatchBuffer } from "../../lib/client/watch_buffer.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

function rest(buffer: WatchBuffer): WatchEvent[] {
  const all = [];
  for (let event = buffer.take(); event !== undefined; event = buffer.take()) all.push(event);
  return all;
}

const put = (key: string, timestamp: number): WatchEvent => ({
  type: "put",
  key,
  value: `v${timestamp}`,
  timestamp,
});
const deletion = (key: string, timestamp: number): WatchEvent => ({
  type: "delete",
  key,
  timestamp,
});
const ready = (timestamp: number): WatchEvent => ({ type: "ready", timestamp });
const reset = (timestamp: number): WatchEvent => ({ type: "reset", timestamp });
const disconnected: WatchEvent = { type: "disconnected", since: new Date(0), reason: "gone" };
const connected: WatchEvent = { type: "connected", server: "127.0.0.1:1" };

Deno.test("as long as there is room, every event stays", pure, () => {
  const buffer = new WatchBuffer(4);
  const events = [put("a", 1), put("a", 2), ready(2), put("a", 3)];
  buffer.add(events);
  assert(!buffer.full);
  assertEquals(rest(buffer), events);
});

Deno.test(
  "beyond the bound the last change of each key stays, and ready comes after them",
  pure,
  () => {
    const buffer = new WatchBuffer(4);
    buffer.add([put("a", 1), put("b", 2), ready(2), put("a", 3), deletion("c", 4)]);
    assertEquals(rest(buffer), [put("b", 2), put("a", 3), deletion("c", 4), ready(4)]);
  },
);

Deno.test("a reset makes the events before it void", pure, () => {
  const buffer = new WatchBuffer(3);
  buffer.add([put("a", 1), ready(1), reset(9), put("b", 2)]);
  assertEquals(rest(buffer), [reset(9), put("b", 2)]);
});

Deno.test("of many lost connections the last state stays, if it was not told already", pure, () => {
  const buffer = new WatchBuffer(3);
  buffer.add([disconnected, connected, disconnected, connected]);
  assertEquals(rest(buffer), []);
  buffer.add([disconnected, connected, disconnected, put("a", 1)]);
  assertEquals(rest(buffer), [put("a", 1), disconnected]);
  buffer.add([connected, disconnected, connected, put("a", 2)]);
  assertEquals(rest(buffer), [put("a", 2), connected]);
});

Deno.test("long values count by their length", pure, () => {
  const buffer = new WatchBuffer(1_000, 100);
  const long = (timestamp: number): WatchEvent => ({
    ...{ type: "put", key: "a", timestamp },
    value: "x".repeat(40),
  });
  buffer.add([long(1), long(2)]);
  buffer.add([long(3)]);
  assertEquals(rest(buffer), [long(3)]);
  buffer.add([long(4), { ...long(5), key: "b" } as WatchEvent]);
  assert(!buffer.full);
  buffer.add([{ ...long(6), key: "c" } as WatchEvent]);
  assert(buffer.full);
  rest(buffer);
  assert(!buffer.full);
});

Deno.test(
  "a reader of any speed ends with the same state, in the order of the timestamps",
  pure,
  seeded((random: Random) => {
    for (let round = 0; round < 200; round++) {
      const buffer = new WatchBuffer(random.between(1, 20));
      const written = new Map<string, number>();
      let told = new Map<string, number>();
      let last = 0;
      let timestamp = 0;
      const read = (event: WatchEvent | undefined) => {
        if (event === undefined || event.type === "disconnected" || event.type === "connected") {
          return;
        }
        if (event.type === "reset") {
          told = new Map();
          last = 0;
          return;
        }
        assert(event.timestamp >= last, `${event.timestamp} after ${last}`);
        last = event.timestamp;
        if (event.type === "put") told.set(event.key, event.timestamp);
        if (event.type === "delete") told.delete(event.key);
      };
      for (let step = 0; step < 100; step++) {
        const key = random.pick(["a", "b", "c", "d", "e", "f"]);
        timestamp++;
        if (random.chance(0.03)) {
          written.clear();
          buffer.add([reset(timestamp)]);
        } else if (random.chance(0.05)) buffer.add([ready(timestamp)]);
        else if (random.chance(0.3)) {
          written.delete(key);
          buffer.add([deletion(key, timestamp)]);
        } else {
          written.set(key, timestamp);
          buffer.add([put(key, timestamp)]);
        }
        while (random.chance(0.4)) read(buffer.take());
      }
      for (const event of rest(buffer)) read(event);
      assertEquals(told, written);
    }
  }),
);
