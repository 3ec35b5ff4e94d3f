import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { UnavailableError } from "../../lib/client/errors.ts";
import { Requester } from "../../lib/client/requester.ts";
import { runStream, type StreamOptions } from "../../lib/client/watch_stream.ts";
import { FakeStore, type FakeStoreServer } from "../support/fake_store.ts";
import { eventually, within } from "../support/waiting.ts";

function requesterOf({ server }: FakeStoreServer): Requester {
  const options = { timeoutMs: 1_000, once: false, password: undefined, tls: undefined };
  return new Requester([server.address], { ...options, random: Math.random });
}

const options: StreamOptions = {
  target: { key: "a" },
  after: 0,
  signal: new AbortController().signal,
  onPause: () => {},
  onChanges: () => {},
  lookEveryMs: 40,
};

Deno.test("a server that sends nothing, or no more, is lost, and its connection is replaced", async () => {
  await using store = new FakeStore();
  for (const silent of [true, false]) {
    const one = store.server({ silent });
    const requester = requesterOf(one);
    const [server] = requester.pool.servers;
    let told = 0;
    const onChanges = () => {
      told++;
      one.mood.silent = true;
    };
    const why = await within("lost", runStream(requester, server!, { ...options, onChanges }));
    assertInstanceOf(why, UnavailableError);
    assert(why.message.includes("silent"));
    assertEquals(told, silent ? 0 : 1);
    one.mood.silent = false;
    const stop = new AbortController();
    const again = runStream(requester, server!, { ...options, signal: stop.signal });
    await eventually("a second connection", () => one.server.accepted === 2);
    stop.abort();
    assertEquals(await again, undefined);
    await requester.close();
  }
});

Deno.test("empty CHANGES keep a watch alive", async () => {
  await using store = new FakeStore();
  const one = store.server();
  const requester = requesterOf(one);
  const stop = new AbortController();
  let told = 0;
  const running = runStream(requester, requester.pool.servers[0]!, {
    ...options,
    signal: stop.signal,
    onChanges: () => told++,
  });
  const timer = setInterval(() => store.tick(), 20);
  await eventually("more than the limit of silence", () => told >= 25); // 500 ms
  clearInterval(timer);
  stop.abort();
  assertEquals(await running, undefined);
  await requester.close();
});
