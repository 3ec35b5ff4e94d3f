/** `put` with conditions, `delete`, `list`, `keys`, `get --latest`, `watch`, `lock`, `export` and `import` at servers. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../client.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, within } from "../support/waiting.ts";

type Servers = readonly { readonly address: { hostname: string; port: number } }[];

/** Runs a command in English at these servers. */
async function run(
  servers: Servers,
  args: readonly string[],
  terminal: FakeTerminal = new FakeTerminal(""),
) {
  const flag = `--servers=${servers.map(({ address }) => formatAddress(address)).join(",")}`;
  const role = () => main([flag, "--lang=en", ...args], terminal);
  const code = await within("the client ends", exitCode(terminal, role));
  return { code, out: terminal.screen, err: terminal.errors };
}

/** Runs a command with `--json`. Returns the exit code and the last object. */
async function json(servers: Servers, ...args: string[]) {
  const { code, out } = await run(servers, ["--json", ...args]);
  return [code, JSON.parse(linesOf(out).at(-1)!)];
}

Deno.test("put and delete on a condition: a conflict is exit code 8, and tells what is there", async () => {
  await using server = await TestServer.alone();
  const [servers, { name }] = [[server], server];
  assertEquals(await json(servers, "put", "cor", "azul", "--if-absent"), [
    0,
    { key: "cor", timestamp: 1, server: name },
  ]);
  const conflict = { key: "cor", error: "CONFLICT", value: "azul", timestamp: 1 };
  for (
    const args of [
      ["put", "cor", "verde", "--if-absent"],
      ["put", "cor", "verde", "--if-timestamp=7"],
      ["delete", "cor", "--if-timestamp=7"],
    ]
  ) {
    const [code, { message, ...fields }] = await json(servers, ...args);
    assertEquals([code, fields], [8, conflict]);
    assertStringIncludes(message, "the key was not written");
    const { err } = await run(servers, args);
    assertEquals(
      err,
      `${args[0]!.toUpperCase()} failed: conflict: key cor has timestamp 1. Nothing was written.\n`,
    );
  }
  assertEquals((await run(servers, ["put", "cor", "verde", "--if-timestamp=1"])).code, 0);
  const deleted = await run(servers, ["delete", "cor", "--if-timestamp=2"]);
  assertEquals(deleted.out, `DELETE_OK key: cor timestamp 3 by server ${name}\n`);
  assertEquals((await run(servers, ["get", "cor"])).code, 1);
  assertEquals((await run(servers, ["delete", "cor"])).code, 0); // not there: no error
  const absent = await run(servers, ["put", "cor", "v", "--if-timestamp=3"]);
  assertEquals(absent.err, "PUT failed: conflict: there is no key cor. Nothing was written.\n");
});

Deno.test("list and keys: the keys with a prefix in order, escaped, or exact with --json", async () => {
  await using server = await TestServer.alone();
  const key = "b\u001b[2J\t";
  await using client = new KvClient([server.address]);
  for (const [name, value] of [["c", "3"], [key, "x\ny"], ["a", "1"]] as const) {
    await client.put(name, value);
  }
  const table = "a\t3\t1\nb\\u001b[2J\\t\t2\tx\\ny\nc\t1\t3\n";
  assertEquals(await run([server], ["list"]), { code: 0, out: table, err: "" });
  assertEquals((await run([server], ["keys"])).out, "a\nb\\u001b[2J\\t\nc\n");
  assertEquals(await json([server], "list", "b"), [0, { key, value: "x\ny", timestamp: 2 }]);
  assertEquals(await json([server], "keys", "b"), [0, { key }]);
  assertEquals(await run([server], ["keys", "nada"]), { code: 0, out: "", err: "" });
  const closed = new FakeTerminal("");
  closed.outClosed = true;
  assertEquals((await run([server], ["list"], closed)).code, 0);
});

Deno.test("get --latest and the rest of the commands work through a follower", async () => {
  await using cluster = await Cluster.start();
  const follower = [cluster.servers[2]!];
  assertEquals((await run(follower, ["put", "cor", "azul", "--if-absent"])).code, 0);
  assertEquals((await run(follower, ["get", "cor", "--latest"])).out, "azul");
  assertEquals((await run(follower, ["get", "nada", "--latest"])).code, 1);
  assertEquals((await run(follower, ["delete", "cor"])).code, 0);
  assertEquals((await run(follower, ["get", "cor", "--latest"])).code, 1);
});

Deno.test("get --latest asks the leader, get any server", async () => {
  const asked: unknown[] = [];
  await using server = FakeServer.answering(({ type, id, key }) => {
    asked.push(type);
    return { type: "GET_OK", id, key, value: "azul", timestamp: 1 };
  });
  for (const flags of [[], ["--latest"]]) {
    assertEquals((await run([server], ["get", "cor", ...flags])).out, "azul");
  }
  assertEquals(asked, ["GET", "GET_LATEST"]);
});

Deno.test("put: PUT without flags, WRITE with a condition or a time to live", async () => {
  const asked: unknown[] = [];
  await using server = FakeServer.answering(({ type, id, key, expected, ttlMs }) => {
    asked.push([type, expected, ttlMs]);
    return { type: `${type}_OK`, id, key, timestamp: 1 };
  });
  for (const flags of [[], ["--ttl=1.5"], ["--if-timestamp=3"], ["--if-absent", "--ttl=60"]]) {
    assertEquals((await run([server], ["put", "cor", "azul", ...flags])).code, 0);
  }
  assertEquals(asked, [
    ["PUT", undefined, undefined],
    ["WRITE", undefined, 1_500],
    ["WRITE", 3, undefined],
    ["WRITE", 0, 60_000],
  ]);
});

Deno.test("observe shows a deletion as a value of null", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  await client.put("cor", "azul");
  const terminal = new FakeTerminal("");
  const observing = run([server], ["observe", "--count=8"], terminal);
  await eventually("it observes", () => terminal.screen.includes(" table ") || undefined);
  await client.delete("cor");
  await eventually(
    "it shows the deletion",
    () => terminal.screen.includes("value=null") || undefined,
  );
  for (let n = 0; n < 8; n++) await client.put("cor", "verde");
  assertEquals((await observing).code, 0);
  assertMatch(terminal.screen, / written key="cor" value=null timestamp=2\n/);
});

Deno.test("watch: what there is, then changes, until a signal; --since goes on after a timestamp", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  await client.put("a/1", "um");
  const terminal = new FakeTerminal("");
  const watching = run([server], ["watch", "--prefix=a/"], terminal);
  await terminal.complains("Changes follow.\n");
  await client.put("b", "outra");
  await client.delete("a/1");
  await client.put("a/2", "dois\n");
  await terminal.shows("timestamp 4\n");
  terminal.interrupt(130);
  const { code, out } = await watching;
  assertEquals([code, linesOf(out)], [130, [
    "PUT key: a/1 value: um timestamp 1",
    "DELETE key: a/1 timestamp 3",
    "PUT key: a/2 value: dois\\n timestamp 4",
  ]]);
  const since = await run([server], ["watch", "--prefix=", "--since=3", "--count=1"]);
  assertEquals([since.code, since.out], [0, "PUT key: a/2 value: dois\\n timestamp 4\n"]);
});

Deno.test("lock: the token is the timestamp of the key; the next holder waits for the release", async () => {
  await using server = await TestServer.alone();
  const [first, second] = [new FakeTerminal(""), new FakeTerminal("")];
  const holding = run([server], ["lock", "job"], first);
  await first.shows("1\n");
  const busy = await run([server], ["lock", "job", "--wait=0.05"]);
  assertEquals([busy.code, busy.out], [8, ""]);
  const waiting = run([server], ["lock", "job", "--json"], second);
  await second.complains("another client holds it, or no server answers.\n");
  first.interrupt(130);
  assertEquals((await holding).code, 130);
  await second.shows("}\n");
  const { lock, timestamp } = JSON.parse(second.screen);
  assert(lock === "job" && timestamp > 1, second.screen);
  second.interrupt(143);
  assertEquals((await waiting).code, 143);
  assertEquals((await run([server], ["get", "job"])).code, 1); // it is released
});

Deno.test("export and import copy a store to other servers, and go on where they ended", async () => {
  await using old = await TestServer.alone();
  await using fresh = await TestServer.alone();
  await using client = new KvClient([old.address]);
  const keys = Array.from({ length: 600 }, (_, n) => `k${n}`);
  await Promise.all(keys.map((key) => client.put(key, `value of ${key}`)));
  const { code, out, err } = await run([old], ["export"]);
  assertEquals([code, err], [0, "600 entries exported.\n"]);
  const head = linesOf(out).slice(0, 400).join("\n");
  const rest = await run([old], ["export", "--after=-"], new FakeTerminal(`${head}\n`));
  assertEquals(`${head}\n${rest.out}`, out);
  const broken = `${head}\nx\n${rest.out}`;
  const stopped = await run([fresh], ["import"], new FakeTerminal(broken));
  assertEquals(stopped.code, 2);
  assertMatch(stopped.err, /line 401: .*\n.*400 entries imported.*--from-line=401\n/);
  const args = ["import", "--from-line=402"];
  assertEquals((await run([fresh], args, new FakeTerminal(broken))).code, 0);
  const values = (text: string) =>
    linesOf(text).map((line) => {
      const { key, value } = JSON.parse(line);
      return [key, value];
    });
  assertEquals(values((await run([fresh], ["export"])).out), values(out));
});
