import { assertEquals, assertStrictEquals } from "@std/assert";
import { ErrorReply, Mensagem, Put, PutOk } from "../../lib/mensagem.ts";
import { type PendingPut, PendingPuts } from "../../lib/replication/pending_puts.ts";
import type { Link, ServerPrints } from "../../lib/replication/environment.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** Pending PUTs, and everything that they answered and printed, in order. */
class Desk {
  readonly events: string[] = [];
  readonly puts = new PendingPuts({ prints: this.#prints() });

  /** A PUT with this id. Its link writes down what is sent to it. */
  pending(id: number, deadline: number, timestamp = 0, text = "k"): PendingPut {
    const link: Link = {
      peer: `peer of ${id}`,
      betweenServers: false,
      send: (frame) => this.events.push(`to ${id}: ${frame.trimEnd()}`),
      close: () => this.events.push(`closed ${id}`),
    };
    const put = new Put(id, text, `value of ${id}`);
    return { link, id, put, key: text, timestamp, client: `client of ${id}`, deadline };
  }

  /** The events since the last call. */
  look(): string[] {
    return this.events.splice(0);
  }

  #prints(): ServerPrints {
    const unexpected = (): never => {
      throw new Error("a print that pending PUTs do not make");
    };
    return {
      putOk: (client, key, timestamp) => this.events.push(`print ${client} ${key} ${timestamp}`),
      put: unexpected,
      forwarding: unexpected,
      replication: unexpected,
      get: unexpected,
    };
  }
}

const ok = (id: number, timestamp: number): string[] => [
  `print client of ${id} k ${timestamp}`,
  `to ${id}: ${new PutOk(id, "k", timestamp).encode().trimEnd()}`,
];
const notApplied = (id: number): string =>
  `to ${id}: ${new ErrorReply("UNAVAILABLE", "not applied: why", id).encode().trimEnd()}`;
const unknown = (id: number): string =>
  `to ${id}: ${
    new ErrorReply("UNKNOWN_OUTCOME", "may be applied later: why", id).encode().trimEnd()
  }`;

Deno.test(
  "commit prints and answers all PUTs up to its timestamp, in order, and no other",
  pure,
  () => {
    const desk = new Desk();
    for (const id of [1, 2, 3]) desk.puts.stamped(desk.pending(id, 100, id * 10));
    desk.puts.commit(9);
    assertEquals(desk.look(), []);
    desk.puts.commit(20);
    assertEquals(desk.look(), [...ok(1, 10), ...ok(2, 20)]);
    desk.puts.commit(20);
    assertEquals(desk.look(), []);
    desk.puts.commit(99);
    assertEquals(desk.look(), ok(3, 30));
    assertStrictEquals(desk.puts.length, 0);
  },
);

Deno.test("a PUT that waits is not answered by a commit", pure, () => {
  const desk = new Desk();
  desk.puts.wait(desk.pending(1, 100));
  desk.puts.commit(99);
  assertEquals(desk.look(), []);
  assertStrictEquals(desk.puts.length, 1);
});

Deno.test("PUTs that wait come back in their order, and their text is counted", pure, () => {
  const desk = new Desk();
  const first = desk.pending(1, 100, 0, "€€");
  const second = desk.pending(2, 100, 0, "k");
  desk.puts.wait(first);
  desk.puts.wait(second);
  assertStrictEquals(desk.puts.waitingChars, "€€value of 1kvalue of 2".length);
  assertStrictEquals(desk.puts.nextWaiting(), first);
  assertStrictEquals(desk.puts.waitingChars, "kvalue of 2".length);
  assertStrictEquals(desk.puts.nextWaiting(), second);
  assertStrictEquals(desk.puts.waitingChars, 0);
  assertStrictEquals(desk.puts.nextWaiting(), undefined);
});

Deno.test(
  "a PUT that waited until its deadline is answered UNAVAILABLE, once",
  pure,
  () => {
    const desk = new Desk();
    for (const id of [1, 2, 3]) desk.puts.wait(desk.pending(id, id * 10));
    desk.puts.expire(9, "why");
    assertEquals(desk.look(), []);
    desk.puts.expire(20, "why");
    assertEquals(desk.look(), [notApplied(1), notApplied(2)]);
    desk.puts.expire(20, "why");
    assertEquals(desk.look(), []);
    assertStrictEquals(desk.puts.waitingChars, "kvalue of 3".length);
    assertStrictEquals(desk.puts.nextWaiting()?.id, 3);
  },
);

Deno.test("a PUT that goes on waiting gets memory of its own, and keeps its place", pure, () => {
  const desk = new Desk();
  const put = Mensagem.decode(new Put(1, "k", "v").encode().slice(0, -1)) as Put;
  const waiting = [1, 2, 3].map((id) => ({ ...desk.pending(id, 9), put }));
  for (const pending of waiting.slice(0, 2)) desk.puts.wait(pending);
  desk.puts.expire(0, "why");
  assertStrictEquals(desk.puts.nextWaiting(), waiting[0]);
  desk.puts.wait(waiting[2]!);
  const own = () => waiting.map((pending) => pending.put !== put);
  assertEquals(own(), [true, true, false]);
  desk.puts.expire(0, "why");
  assertEquals(own(), [true, true, true]);
  assertEquals(waiting.map((pending) => pending.put.encode()), Array(3).fill(put.encode()));
});

Deno.test(
  "a stamped PUT is answered UNKNOWN_OUTCOME at its deadline, and never PUT_OK",
  pure,
  () => {
    const desk = new Desk();
    for (const id of [1, 2, 3]) desk.puts.stamped(desk.pending(id, id * 10, id));
    desk.puts.expire(9, "why");
    assertEquals(desk.look(), []);
    desk.puts.expire(10, "why");
    assertEquals(desk.look(), [unknown(1)]);
    desk.puts.expire(25, "why");
    assertEquals(desk.look(), [unknown(2)]);
    desk.puts.commit(3);
    assertEquals(desk.look(), ok(3, 3));
  },
);

Deno.test("a PUT that expired keeps its place until it is committed", pure, () => {
  const desk = new Desk();
  desk.puts.stamped(desk.pending(1, 10, 1));
  desk.puts.expire(10, "why");
  assertStrictEquals(desk.puts.length, 1);
  desk.puts.commit(1);
  assertStrictEquals(desk.puts.length, 0);
  desk.look();
  // Nothing of it is left that could swallow a later answer.
  desk.puts.stamped(desk.pending(2, 20, 2));
  desk.puts.commit(2);
  assertEquals(desk.look(), ok(2, 2));
});

Deno.test(
  "the queues answer as a dumb list does, and each PUT once; 30,000 random operations",
  pure,
  seeded((random) => {
    for (let round = 0; round < 150; round++) compare(random, 200);
  }),
);

/** The dumb second version: a list of all PUTs with their states, searched from end to end. */
interface Listed {
  readonly pending: PendingPut;
  state: "waiting" | "applied" | "expired" | "done";
}

function compare(random: Random, operations: number): void {
  const desk = new Desk();
  const list: Listed[] = [];
  const answers = new Map<number, number>();
  let now = 0;
  let timestamp = 0;
  for (let n = 0; n < operations; n++) {
    const expected: string[] = [];
    const dice = random.next();
    if (dice < 0.45) {
      // New PUTs wait as long as others do.
      const waits = list.some(({ state }) => state === "waiting") || random.chance(0.3);
      const pending = desk.pending(n, now + 20, waits ? 0 : ++timestamp);
      if (waits) desk.puts.wait(pending);
      else desk.puts.stamped(pending);
      list.push({ pending, state: waits ? "waiting" : "applied" });
    } else if (dice < 0.6) {
      const next = list.find(({ state }) => state === "waiting");
      assertStrictEquals(desk.puts.nextWaiting(), next?.pending);
      if (next !== undefined) {
        next.pending.timestamp = ++timestamp;
        next.state = "applied";
        desk.puts.stamped(next.pending);
      }
    } else if (dice < 0.8) {
      const upTo = random.between(0, timestamp);
      for (const listed of list) {
        const { state, pending } = listed;
        if (state !== "applied" && state !== "expired" || pending.timestamp > upTo) {
          continue;
        }
        if (state === "applied") expected.push(...ok(pending.id, pending.timestamp));
        listed.state = "done";
      }
      desk.puts.commit(upTo);
    } else {
      now += random.below(8);
      const late = list.filter(({ pending }) => pending.deadline <= now);
      for (const listed of late.filter(({ state }) => state === "waiting")) {
        expected.push(notApplied(listed.pending.id));
        listed.state = "done";
      }
      for (const listed of late.filter(({ state }) => state === "applied")) {
        expected.push(unknown(listed.pending.id));
        listed.state = "expired";
      }
      desk.puts.expire(now, "why");
    }
    const happened = desk.look();
    assertEquals(happened, expected);
    for (const event of happened.filter((event) => event.startsWith("to "))) {
      const { id } = Mensagem.decode(event.slice(event.indexOf("{"))) as PutOk | ErrorReply;
      answers.set(id!, (answers.get(id!) ?? 0) + 1);
    }
    const open = list.filter(({ state }) => state !== "done");
    assertStrictEquals(desk.puts.length, open.length);
  }
  desk.puts.commit(timestamp);
  desk.puts.expire(Infinity, "why");
  assertStrictEquals(desk.puts.length, 0);
  assertEquals([...answers.values()].filter((count) => count !== 1), []);
}
