/**
 * The load generator: its flags, and loads on honest servers and on servers that lie, refuse or hang up.
 *
 * Not named like a test, because a busy machine changes its figures: `deno task test:processes` runs it.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { main, readSettings } from "../../../bench/main.ts";
import { History } from "../../../bench/history.ts";
import { load, ratePerSecond } from "../../../bench/load.ts";
import { Values } from "../../../bench/values.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { UsageError } from "../../../lib/cli/flags.ts";
import { Cluster } from "../../support/cluster.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { FakeTerminal } from "../../support/fake_terminal.ts";
import { deadAddress } from "../../support/ports.ts";
import { within } from "../../support/waiting.ts";
import type { Message } from "../../support/wire_client.ts";

const never = new AbortController().signal;
const quick = ["--keys=20", "--duration=0.2", "--warm-up=0", "--connections=4", "--seed=1"];

async function bench(
  servers: string,
  ...flags: string[]
): Promise<{ code: number; screen: string; errors: string }> {
  const terminal = new FakeTerminal("");
  const all = [`--servers=${servers}`, ...quick, ...flags];
  const code = await within("the load ends", main(all, terminal, never));
  return { code, screen: terminal.screen, errors: terminal.errors };
}

/** A server with a table of its own. `change` may change its answers; `undefined` closes the connection. */
function fakeStore(change: (reply: Message, request: Message) => Message | undefined): FakeServer {
  const table = new Map<unknown, { value: unknown; timestamp: number }>();
  let timestamp = 0;
  return FakeServer.answering(({ type, id, key, value, ...rest }) => {
    if (type === "PUT") {
      table.set(key, { value, timestamp: ++timestamp });
      return change({ type: "PUT_OK", id, key, timestamp }, { type, id, key, value });
    }
    const entry = table.get(key) ?? { value: null, timestamp: 0 };
    return change({ type: "GET_OK", id, key, ...entry }, { type, id, key, ...rest });
  });
}

Deno.test("flags: presets, values, and refused values", () => {
  const presets = readSettings([])!;
  assertEquals(presets.numbers, {
    connections: 64,
    "in-flight": 1,
    duration: 10,
    "warm-up": 1,
    "put-ratio": 0.1,
    keys: 10_000,
    "value-bytes": 100,
  });
  assertEquals([presets.via, presets.rate, presets.servers, presets.json], [
    "leader",
    undefined,
    undefined,
    false,
  ]);
  const given = readSettings([
    "--connections=8",
    "--in-flight",
    "16",
    "--put-ratio=1",
    "--via=random",
    "--rate=2000",
    "--servers=127.0.0.1:10097, [::1]:10098",
    "--seed=7",
    "--json",
  ])!;
  assertEquals([given.numbers.connections, given.numbers["in-flight"], given.seed], [8, 16, 7]);
  assertEquals([given.via, given.rate, given.json], ["random", 2_000, true]);
  assertEquals(given.servers!.map(formatAddress), ["127.0.0.1:10097", "[::1]:10098"]);
  assertEquals(readSettings(["--help"]), undefined);
  for (
    const flag of [
      "--connections=0",
      "--put-ratio=1.5",
      "--value-bytes=31",
      "--value-bytes=1048577",
      "--via=both",
      "--rate=0",
      "--servers=localhost",
      "--duration=forever",
      "--unknown",
      "extra",
    ]
  ) assertThrows(() => readSettings([flag]), UsageError, undefined, flag);
});

Deno.test("honest servers: GETs and PUTs at all of them, and no violation", async () => {
  await using cluster = await Cluster.start();
  const servers = cluster.servers.map(({ name }) => name).join(",");
  for (const via of ["leader", "follower", "random"]) {
    const flags = ["--put-ratio=0.5", "--in-flight=4", `--via=${via}`, "--json"];
    const { code, screen, errors } = await bench(servers, ...flags);
    assertEquals([code, errors], [0, ""], via);
    const json = JSON.parse(screen);
    assertGreater(json.get.count, 0);
    assertGreater(json.put.count, 0);
    assertGreater(json.get.maxUs, json.get.p50Us - 1);
    assertEquals([json.errors, json.violation, json.settings.via], [{}, null, via]);
  }
});

Deno.test("the text has the rate, the drawn latencies, and that every answer was checked", async () => {
  await using server = fakeStore((reply) => reply);
  const { code, screen } = await bench(server.name);
  assertEquals(code, 0);
  for (const text of ["requests/s", "GET ", "p999", "█", "every answer checked"]) {
    assertStringIncludes(screen, text);
  }
  assert(!screen.includes("\x1b"), "no colours without a terminal");
});

const lies: Readonly<Record<string, [(reply: Message) => Message, string]>> = {
  "an older value": [(reply) => ({ ...reply, timestamp: 0, value: null }), "which was seen"],
  "a value of another client": [(reply) => ({ ...reply, value: "azul" }), "never written"],
  "a value of another key": [
    (reply) => ({ ...reply, value: `${reply.value}`.replace(/\.[^.]+\./, ".zz.") }),
    "never written",
  ],
  "another key's answer": [(reply) => ({ ...reply, key: "other" }), "answered with"],
  "an answer to nothing": [(reply) => ({ ...reply, id: 1_000_000 }), "answers no request"],
  "a wrong field": [(reply) => ({ ...reply, timestamp: "5" }), `"timestamp"`],
};

for (const [lie, [change, why]] of Object.entries(lies)) {
  Deno.test(`a server that lies is detected: ${lie}`, async () => {
    await using server = fakeStore((reply) => reply.type === "GET_OK" ? change(reply) : reply);
    const { code, screen } = await bench(server.name);
    assertEquals(code, 1);
    assertStringIncludes(screen, "VIOLATION: ");
    assertStringIncludes(screen, why);
  });
}

Deno.test("a server that lies is detected: timestamps that fall, while the table is filled", async () => {
  await using server = fakeStore((reply) => ({
    ...reply,
    timestamp: 1_000 - Number(reply.timestamp),
  }));
  // There are more keys than requests in flight, so some PUTs are sent after the answers of others.
  const { code, errors } = await bench(server.name, "--keys=2000");
  assertEquals(code, 1);
  assertStringIncludes(errors, "VIOLATION: PUT of key:");
});

Deno.test("refused requests are counted by code and do not end the load", async () => {
  let gets = 0;
  await using server = fakeStore((reply) =>
    reply.type === "GET_OK" && ++gets % 2 === 0
      ? { type: "ERROR", id: reply.id, code: "OVERLOADED", message: "later" }
      : reply
  );
  const { code, screen } = await bench(server.name, "--put-ratio=0", "--json");
  const { errors, get } = JSON.parse(screen);
  assertEquals(code, 0);
  assertEquals(Object.keys(errors), ["OVERLOADED"]);
  assertGreater(get.count, 0);
});

Deno.test("a lost connection is counted and replaced", async () => {
  let gets = 0;
  await using server = fakeStore((reply) =>
    reply.type === "GET_OK" && ++gets === 10 ? undefined : reply
  );
  const { code, screen } = await bench(server.name, "--put-ratio=0", "--duration=0.5", "--json");
  const { errors, get } = JSON.parse(screen);
  assertEquals(code, 0);
  assertEquals(errors["connection lost"], 1);
  assertEquals(errors["no answer"], 1);
  assertGreater(get.count, 10);
  assertGreater(server.accepted, 1 + 8 + 4); // status, filling, the load's, and one more
});

Deno.test("a server that does not listen, and a table that cannot be filled, are reported", async () => {
  const dead = await bench(formatAddress(deadAddress()));
  assertEquals([dead.code, dead.screen], [1, ""]);
  await using server = fakeStore(({ id }) => ({
    type: "ERROR",
    id,
    code: "UNAVAILABLE",
    message: "the leader waits",
  }));
  const refused = await bench(server.name);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.errors, "cannot fill the table: UNAVAILABLE");
});

Deno.test("an open loop keeps its rate, and its latencies contain the wait during a stall", async () => {
  const stallMs = 300;
  let gets = 0;
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const { id, key } = JSON.parse(line);
      // A fixed time, because it is the stall of the test.
      if (++gets === 10) await new Promise((resolve) => setTimeout(resolve, stallMs));
      await wire.send({ type: "GET_OK", id, key, value: null, timestamp: 0 });
    }
  });
  const result = await load(new History(new Values(1, 10, 100)), {
    connections: [server.address],
    inFlight: 1,
    putRatio: 0,
    seed: 1,
    warmUpMs: 0,
    durationMs: 1_000,
    rate: 200,
  });
  assertEquals([result.violation, result.errors.size], [undefined, 0]);
  assertGreater(ratePerSecond(result), 190);
  assertGreater(201, ratePerSecond(result));
  // 60 requests were due during the stall, so a fifth of all waited for a while.
  assertGreater(result.gets.percentileUs(0.9), stallMs * 1000 / 4);
  assertGreater(result.gets.maxUs, stallMs * 1000 - 10_000);
});

Deno.test("a load that is stopped early has its figures so far", async () => {
  await using server = fakeStore((reply) => reply);
  const stop = new AbortController();
  let answers = 0;
  const result = await within(
    "the load ends",
    load(new History(new Values(1, 10, 100)), {
      connections: [server.address],
      inFlight: 2,
      putRatio: 0.5,
      seed: 1,
      warmUpMs: 0,
      durationMs: 3_600_000,
      signal: stop.signal,
      progress: (progress) => {
        answers = progress.answers;
        stop.abort();
      },
    }),
  );
  assertGreater(answers, 0);
  assertGreater(result.gets.count + result.puts.count, answers - 1);
  assertGreater(10_000, result.elapsedMs);
  assertEquals(result.errors.size, 0);
});
