import { assertEquals, assertStrictEquals } from "@std/assert";
import { ErrorReply, Mensagem, Put, PutOk } from "../../lib/mensagem.ts";
import { type PendingRequest, PendingRequests } from "../../lib/replication/pending_requests.ts";
import type { Link, ServerPrints } from "../../lib/replication/environment.ts";
import { type Random, seeded } from "../support/random.ts";
import { textOf } from "../../lib/wire/frames.ts";

const pure = { permissions: "none" } as const;

/** Pending PUTs, and everything that they answered and printed, in order. */
class Harness {
  readonly events: string[] = [];
  readonly puts = new PendingRequests({ prints: this.#prints() });

  /** A PUT with this id. Its link writes down what is sent to it. */
  pending(id: number, deadline: number, timestamp = 0, text = "k"): PendingRequest {
    const link: Link = {
      peer: `peer of ${id}`,
      betweenServers: false,
      send: (frame) => this.events.push(`to ${id}: ${textOf(frame).trimEnd()}`),
      close: () => this.events.push(`closed ${id}`),
    };
    const put = new Put(id, text, `value of ${id}`);
    const request = timestamp > 0 ? undefined : put;
    const common = { link, id, isPut: true, request, key: text, timestamp, answer: undefined };
    return { ...common, client: `client of ${id}`, deadline };
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
    const harness = new Harness();
    for (const id of [1, 2, 3]) harness.puts.placed(harness.pending(id, 100, id * 10));
    harness.puts.commit(9);
    assertEquals(harness.look(), []);
    harness.puts.commit(20);
    assertEquals(harness.look(), [...ok(1, 10), ...ok(2, 20)]);
    harness.puts.commit(20);
    assertEquals(harness.look(), []);
    harness.puts.commit(99);
    assertEquals(harness.look(), ok(3, 30));
    assertStrictEquals(harness.puts.length, 0);
  },
);

Deno.test("a PUT that waits is not answered by a commit", pure, () => {
  const harness = new Harness();
  harness.puts.wait(harness.pending(1, 100));
  harness.puts.commit(99);
  assertEquals(harness.look(), []);
  assertStrictEquals(harness.puts.length, 1);
});

Deno.test("waiting PUTs are taken in their order, and their text is counted", pure, () => {
  const harness = new Harness();
  const first = harness.pending(1, 100, 0, "€€");
  const second = harness.pending(2, 100, 0, "k");
  harness.puts.wait(first);
  harness.puts.wait(second);
  assertStrictEquals(harness.puts.waitingChars, "€€value of 1kvalue of 2".length);
  assertStrictEquals(harness.puts.nextWaiting(), first);
  assertStrictEquals(harness.puts.waitingChars, "kvalue of 2".length);
  assertStrictEquals(harness.puts.nextWaiting(), second);
  assertStrictEquals(harness.puts.waitingChars, 0);
  assertStrictEquals(harness.puts.nextWaiting(), undefined);
});

Deno.test(
  "a PUT that waited until its deadline is answered UNAVAILABLE, once",
  pure,
  () => {
    const harness = new Harness();
    for (const id of [1, 2, 3]) harness.puts.wait(harness.pending(id, id * 10));
    harness.puts.expire(9, "why");
    assertEquals(harness.look(), []);
    harness.puts.expire(20, "why");
    assertEquals(harness.look(), [notApplied(1), notApplied(2)]);
    harness.puts.expire(20, "why");
    assertEquals(harness.look(), []);
    assertStrictEquals(harness.puts.waitingChars, "kvalue of 3".length);
    assertStrictEquals(harness.puts.nextWaiting()?.id, 3);
  },
);

Deno.test("a PUT that goes on waiting gets memory of its own, and keeps its place", pure, () => {
  const harness = new Harness();
  const put = Mensagem.decode(new Put(1, "k", "v").encode().slice(0, -1)) as Put;
  const waiting = [1, 2, 3].map((id) => ({ ...harness.pending(id, 9), request: put }));
  for (const pending of waiting.slice(0, 2)) harness.puts.wait(pending);
  harness.puts.expire(0, "why");
  assertStrictEquals(harness.puts.nextWaiting(), waiting[0]);
  harness.puts.wait(waiting[2]!);
  const own = () => waiting.map((pending) => pending.request !== put);
  assertEquals(own(), [true, true, false]);
  harness.puts.expire(0, "why");
  assertEquals(own(), [true, true, true]);
  assertEquals(waiting.map((pending) => pending.request.encode()), Array(3).fill(put.encode()));
});

Deno.test(
  "a stamped PUT is answered UNKNOWN_OUTCOME at its deadline, and never PUT_OK",
  pure,
  () => {
    const harness = new Harness();
    for (const id of [1, 2, 3]) harness.puts.placed(harness.pending(id, id * 10, id));
    harness.puts.expire(9, "why");
    assertEquals(harness.look(), []);
    harness.puts.expire(10, "why");
    assertEquals(harness.look(), [unknown(1)]);
    harness.puts.expire(25, "why");
    assertEquals(harness.look(), [unknown(2)]);
    harness.puts.commit(3);
    assertEquals(harness.look(), ok(3, 3));
  },
);

Deno.test("a PUT that expired keeps its place until it is committed", pure, () => {
  const harness = new Harness();
  harness.puts.placed(harness.pending(1, 10, 1));
  harness.puts.expire(10, "why");
  assertStrictEquals(harness.puts.length, 1);
  harness.puts.commit(1);
  assertStrictEquals(harness.puts.length, 0);
  harness.look();
  // The expired PUT must not take away the answer of a later one.
  harness.puts.placed(harness.pending(2, 20, 2));
  harness.puts.commit(2);
  assertEquals(harness.look(), ok(2, 2));
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
  readonly pending: PendingRequest;
  state: "waiting" | "stamped" | "expired" | "done";
}

function compare(random: Random, operations: number): void {
  const harness = new Harness();
  const list: Listed[] = [];
  const answers = new Map<number, number>();
  let now = 0;
  let timestamp = 0;
  for (let n = 0; n < operations; n++) {
    const expected: string[] = [];
    const dice = random.next();
    if (dice < 0.45) {
      // A new PUT waits if another one does.
      const waits = list.some(({ state }) => state === "waiting") || random.chance(0.3);
      const pending = harness.pending(n, now + 20, waits ? 0 : ++timestamp);
      if (waits) harness.puts.wait(pending);
      else harness.puts.placed(pending);
      list.push({ pending, state: waits ? "waiting" : "stamped" });
    } else if (dice < 0.6) {
      const next = list.find(({ state }) => state === "waiting");
      assertStrictEquals(harness.puts.nextWaiting(), next?.pending);
      if (next !== undefined) {
        next.pending.timestamp = ++timestamp;
        next.state = "stamped";
        harness.puts.placed(next.pending);
      }
    } else if (dice < 0.8) {
      const upTo = random.between(0, timestamp);
      for (const listed of list) {
        const { state, pending } = listed;
        if (state !== "stamped" && state !== "expired" || pending.timestamp > upTo) {
          continue;
        }
        if (state === "stamped") expected.push(...ok(pending.id, pending.timestamp));
        listed.state = "done";
      }
      harness.puts.commit(upTo);
    } else {
      now += random.below(8);
      const late = list.filter(({ pending }) => pending.deadline <= now);
      for (const listed of late.filter(({ state }) => state === "waiting")) {
        expected.push(notApplied(listed.pending.id));
        listed.state = "done";
      }
      for (const listed of late.filter(({ state }) => state === "stamped")) {
        expected.push(unknown(listed.pending.id));
        listed.state = "expired";
      }
      harness.puts.expire(now, "why");
    }
    const happened = harness.look();
    assertEquals(happened, expected);
    for (const event of happened.filter((event) => event.startsWith("to "))) {
      const { id } = Mensagem.decode(event.slice(event.indexOf("{"))) as PutOk | ErrorReply;
      answers.set(id!, (answers.get(id!) ?? 0) + 1);
    }
    const open = list.filter(({ state }) => state !== "done");
    assertStrictEquals(harness.puts.length, open.length);
  }
  harness.puts.commit(timestamp);
  harness.puts.expire(Infinity, "why");
  assertStrictEquals(harness.puts.length, 0);
  assertEquals([...answers.values()].filter((count) => count !== 1), []);
}
