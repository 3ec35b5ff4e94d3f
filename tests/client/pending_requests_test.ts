/** The requests of a connection by id, beside a plain `Map` of them. */

import { assert, assertEquals } from "@std/assert";
import { PendingRequest, PendingRequests } from "../../lib/client/pending_requests.ts";
import { Get } from "../../lib/mensagem.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;

/** A GET that notes why it has failed. */
function pendingGet(id: number, failures: unknown[] = [], answerBy = Infinity): PendingRequest {
  const deadlines = { since: 0, sendBy: answerBy, answerBy };
  const asker = { answered() {}, failed: (reason: unknown) => failures.push(reason) };
  return new PendingRequest(new Get(id, "cor", 0), deadlines, asker);
}

Deno.test(
  "each request is found by its id, whichever are answered before, given up or never answered",
  pure,
  seeded((random) => {
    for (let round = 0; round < 30; round++) {
      const pending = new PendingRequests("a", () => {});
      const byId = new Map<number, PendingRequest>();
      const sizeMax = random.between(1, 300);
      for (let step = 0; step < 600; step++) {
        if (byId.size < sizeMax && random.chance(0.6)) {
          const id = pending.takeId();
          assert(id > 0 && !byId.has(id));
          if (random.chance(0.1)) continue; // an id that no request gets
          const one = pendingGet(id);
          if (random.chance(0.7)) one.sentAt = step;
          byId.set(id, one);
          pending.add(one);
        } else if (byId.size > 0) {
          // Now and then the oldest, so that some stay for long.
          const ids = [...byId.keys()];
          const id = ids[random.chance(0.5) ? random.below(ids.length) : 0]!;
          pending.remove(byId.get(id)!);
          pending.remove(byId.get(id)!); // a second time does nothing
          byId.delete(id);
          assertEquals(pending.get(id), undefined);
        }
        assertEquals(pending.awaited, byId.size);
        assertEquals(pending.chars, byId.size * 3);
      }
      for (const [id, one] of byId) assert(pending.get(id) === one);
      const all = [...byId.values()];
      assertEquals(pending.unsent(), all.filter(({ sent }) => !sent));
      assertEquals(pending.oldestSentAt, all.find(({ sent }) => sent)?.sentAt);
    }
  }),
);

Deno.test(
  "a request with an id of the connection's own has a place beside all others",
  pure,
  () => {
    const pending = new PendingRequests("a", () => {});
    const all = Array.from({ length: 200 }, () => pendingGet(pending.takeId()));
    for (const one of all) pending.add(one);
    const own = pendingGet(0);
    pending.add(own);
    assert(pending.get(0) === own);
    assert(all.every((one) => pending.get(one.request.id) === one));
    assertEquals(pending.get(2 ** 40), undefined);
  },
);

Deno.test("what is given up after it was sent stays, and its answer is dropped", pure, () => {
  const pending = new PendingRequests("a", () => {});
  const failures: unknown[] = [];
  const [unsent, sent, patient] = [5, 5, 9].map((by) => pendingGet(pending.takeId(), failures, by));
  sent!.sentAt = patient!.sentAt = 1;
  for (const one of [unsent!, sent!, patient!]) pending.add(one);
  assertEquals(pending.expire(5, "answer"), { late: true, next: 9 });
  assertEquals(failures.length, 2);
  assertEquals([pending.awaited, pending.abandoned], [1, 1]);
  assertEquals(pending.get(unsent!.request.id), undefined);
  assert(pending.get(sent!.request.id)!.abandoned);
  pending.remove(sent!);
  assertEquals([pending.awaited, pending.abandoned], [1, 0]);
});
