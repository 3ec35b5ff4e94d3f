import { assert, assertEquals } from "@std/assert";
import { Semaphore } from "../../lib/etcd/semaphore.ts";
import { within } from "../support/waiting.ts";

Deno.test("permits are granted up to the limit, then first come, first served", async () => {
  const semaphore = new Semaphore(2, 10);
  const order: number[] = [];
  const granted = await Promise.all([semaphore.acquire(1_000), semaphore.acquire(1_000)]);
  const later = [1, 2, 3].map(async (number) => {
    const permit = await semaphore.acquire(5_000);
    assert(typeof permit === "object");
    order.push(number);
    return permit;
  });
  assertEquals(order, []);
  for (const permit of granted) (permit as Disposable)[Symbol.dispose]();
  const [first] = await Promise.all(later.slice(0, 2));
  assertEquals(order, [1, 2]);
  first![Symbol.dispose]();
  first![Symbol.dispose](); // releasing twice has no effect
  await within("the third permit", later[2]!);
  assertEquals(order, [1, 2, 3]);
});

Deno.test("a waiter that times out gets 'late', and the next waiter gets the permit", async () => {
  const semaphore = new Semaphore(1, 10);
  const first = await semaphore.acquire(0) as Disposable;
  const [late, behind] = [semaphore.acquire(1), semaphore.acquire(5_000)];
  assertEquals(await late, "late");
  first[Symbol.dispose]();
  (await behind as Disposable)[Symbol.dispose]();
  (await semaphore.acquire(0) as Disposable)[Symbol.dispose]();
});

Deno.test("if too many tasks wait, the next one gets 'full' at once", async () => {
  const semaphore = new Semaphore(1, 2);
  const first = await semaphore.acquire(0) as Disposable;
  const waiting = [semaphore.acquire(1), semaphore.acquire(5_000)];
  assertEquals(await semaphore.acquire(5_000), "full");
  assertEquals(await waiting[0], "late");
  const another = semaphore.acquire(5_000); // there is room again
  first[Symbol.dispose]();
  (await waiting[1] as Disposable)[Symbol.dispose]();
  (await another as Disposable)[Symbol.dispose]();
});
