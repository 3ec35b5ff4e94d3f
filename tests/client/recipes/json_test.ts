/** Values in JSON, at scripted servers. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { InvalidArgumentError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { InvalidValueError, json } from "../../../lib/client/recipes.ts";
import { FakeStore } from "../../support/fake_store.ts";
import { eventually, within } from "../../support/waiting.ts";

function number(value: unknown): number {
  if (typeof value !== "number") throw new TypeError("a number is expected");
  return value;
}

Deno.test("a typed watch begins with the call, and tells a text of another type", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  await using watch = json(client, number).watch({ prefix: "n" }, { initial: false });
  await eventually("it watches", () => store.watches === 1);
  store.write("n1", "1");
  store.write("n2", "one");
  store.write("n1", null);
  const told = [];
  while (told.length < 4) {
    const { value } = await within("an event", watch.next());
    told.push(value!.type === "put" ? value!.value : value!.type);
  }
  assertEquals(told.filter((one) => one !== "ready"), [1, "invalid", "delete"]);
});

Deno.test("a typed watch ends at once, also while its next event is waited for", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const watch = json(client, number).watch("n");
  assertEquals((await watch.next()).value?.type, "ready");
  const waiting = watch.next();
  await within("the watch has ended", watch.return());
  assertEquals(await waiting, { done: true, value: undefined });
  await eventually("the server was told", () => store.watches === 0);
});

Deno.test("typed lists: wrong options are refused at the call, wrong values when they come", async () => {
  await using store = new FakeStore();
  const { server } = store.server();
  await using client = new KvClient([server.address]);
  const numbers = json(client, number);
  assertThrows(() => numbers.list("", { pageSize: 0 }), InvalidArgumentError);
  assertThrows(() => numbers.watch(""), InvalidArgumentError);
  store.write("n1", "1");
  store.write("n2", "one");
  const list = numbers.list("n");
  assertEquals((await list.next()).value, { key: "n1", value: 1, timestamp: 1 });
  await assertRejects(() => list.next(), InvalidValueError, "n2");
});
