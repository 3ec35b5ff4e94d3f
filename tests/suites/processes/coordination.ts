/**
 * Commands that run until they are ended, as real processes: `watch`, `lock`, `export`, `import`.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { ServerCluster } from "../../../bench/server_cluster.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { valueBytesMax } from "../../../lib/limits.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { linesOf } from "../../support/lines.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, finish, runTask, startCommand, startTask } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually, within } from "../../support/waiting.ts";

const processMsMax = 20_000;
const project = new URL("../../../", import.meta.url);
const unix = Deno.build.os !== "windows";

function serversFlag({ address }: TestServer): string {
  return `--servers=${formatAddress(address)}`;
}

/** Starts a command whose output is read by hand. */
async function piped(...flags: string[]): Promise<Deno.ChildProcess> {
  const { args } = await commandOf("client");
  return new Deno.Command(Deno.execPath(), {
    args: [...args, ...flags],
    cwd: project,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

/** A client whose store has this number of values of 1 MiB. */
async function withLargeValues(server: TestServer, count: number): Promise<KvClient> {
  const client = new KvClient([server.address], { timeoutMs: 60_000 });
  for (let n = 0; n < count; n++) await client.put(`k${n}`, "v".repeat(valueBytesMax));
  return client;
}

for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `watch: ${signal} ends it with code ${expected}, and its session is stored`,
    ignore: !unix,
    fn: async () => {
      await using server = await TestServer.alone();
      await using client = new KvClient([server.address]);
      await client.put("cor", "azul");
      const file = `.session/watch-${Deno.pid}-${signal}.json`;
      const flags = [serversFlag(server), `--session=${file}`, "watch", "cor"];
      try {
        const { args } = await commandOf("client:session");
        const without = args.filter((arg) => !arg.startsWith("--session="));
        await using watch = Process.deno([...without, ...flags], { out: "keep" });
        await watch.shows("PUT key: cor value: azul timestamp 1\n");
        watch.signal(signal);
        assertEquals(await watch.end(), expected);
        const session = JSON.parse(await Deno.readTextFile(new URL(file, project)));
        assert(session.cluster !== "", JSON.stringify(session));
      } finally {
        for (const path of [file, `${file}.lock`]) {
          await Deno.remove(new URL(path, project)).catch(() => {});
        }
      }
    },
  });
}

Deno.test("put --ttl: the key is gone after that time, which watch shows", async () => {
  await using server = await TestServer.alone();
  const at = serversFlag(server);
  await using watch = await startCommand("client", at, "--json", "watch", "cor", "--count=2");
  await watch.shows('{"type":"ready"');
  const put = await runTask("client", [at, "put", "cor", "azul", "--ttl=1"]);
  assertEquals(put.code, 0, put.err);
  const { code, out } = await finish(watch);
  assertEquals([code, JSON.parse(linesOf(out).at(-1)!)], [0, {
    ...{ type: "delete", key: "cor", timestamp: 2 },
  }]);
});

Deno.test("watch ends with its next line if its pipe is closed", async () => {
  await using server = await TestServer.alone();
  await using client = new KvClient([server.address]);
  await client.put("cor", "azul");
  await using child = await piped(serversFlag(server), "watch", "cor");
  const reader = child.stdout.getReader();
  assert(!(await reader.read()).done);
  await reader.cancel();
  let ended = false;
  const status = child.status.finally(() => ended = true);
  await eventually("it ends", async () => {
    await client.put("cor", "verde");
    return ended || undefined;
  });
  assertEquals((await status).code, 0);
});

Deno.test({
  name: "client:lock: the program gets the token, and its exit code is passed on",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    const at = serversFlag(server);
    const script = "echo $KV_LOCK_TOKEN; cat; exit 5";
    const { code, out, err } = await runTask(
      "client:lock",
      [at, "job", "--", "sh", "-c", script],
      "input\n",
    );
    assertEquals([code, out], [5, "1\ninput\n"], err);
    assertEquals(server.holds("job")?.value, undefined, "it is released");
    for (const [program, expected] of [["/no/such/program", 127], ["/", 126]] as const) {
      const failed = await runTask("client:lock", [at, "--lang=en", "job", "--", program]);
      assertEquals(failed.code, expected, failed.err);
      assertStringIncludes(failed.err, `Cannot run ${program}: `);
      assertEquals(server.holds("job")?.value, undefined, "it is released");
    }
    const plain = await runTask("client", [at, "lock", "job", "--", "sh"]);
    assertEquals(plain.code, 2);
    assertStringIncludes(plain.err, 'no permission to run "sh": "deno task client:lock');
  },
});

Deno.test({
  name: "client:lock: a signal is passed on, and the lock is held until the program has ended",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    const script = "trap 'echo ending; read line; exit 3' TERM; echo ready; read line; exit 4";
    const args = [serversFlag(server), "job", "--", "sh", "-c", script];
    await using lock = await startCommand("client:lock", ...args);
    await lock.shows("ready\n");
    lock.signal("SIGTERM");
    await lock.shows("ending\n");
    assert(typeof server.holds("job")?.value === "string");
    await lock.type("\n\n");
    assertEquals(await lock.end(), 3);
    assertEquals(server.holds("job")?.value, undefined);
  },
});

Deno.test({
  name: "client:lock: every signal is passed on, the second and third too, and SIGHUP",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    const script = 'for s in INT TERM HUP; do trap "echo $s" $s; done; echo ready; ' +
      'until [ "$line" = end ]; do read line; done; exit 6';
    const args = [serversFlag(server), "job", "--", "sh", "-c", script];
    await using lock = await startCommand("client:lock", ...args);
    let expected = "ready\n";
    await lock.shows(expected);
    for (const name of ["INT", "INT", "TERM", "HUP", "TERM", "INT", "HUP"] as const) {
      lock.signal(`SIG${name}`);
      expected += `${name}\n`;
      await lock.shows(expected);
      assert(typeof server.holds("job")?.value === "string", `it is held after SIG${name}`);
    }
    await lock.type("end\n");
    assertEquals([await lock.end(), lock.screen], [6, expected]);
    assertEquals(server.holds("job")?.value, undefined, "it is released");
  },
});

for (const [how, trap] of [["SIGTERM", ""], ["SIGKILL", "trap '' TERM; "]] as const) {
  Deno.test({
    name: `client:lock: a lost lock ends the program by ${how}, and is exit code 9`,
    ignore: !unix,
    fn: async () => {
      const server = await TestServer.alone();
      const args = [serversFlag(server), "--lang=en", "--ttl=1", "job", "--", "sh", "-c"];
      const script = `${trap}echo ready; read line; echo more`; // its input does not end
      await using lock = await startCommand("client:lock", ...args, script);
      await lock.shows("ready\n");
      await server.close();
      assertEquals([await lock.end(), lock.screen], [9, "ready\n"], lock.errors);
      assertStringIncludes(
        lock.errors,
        'LOCK failed: the lock "job" may be lost: no server has renewed it',
      );
    },
  });
}

Deno.test({
  name: "client:lock: programs of four holders never run at the same time",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    using scratch = new Scratch();
    const log = `${scratch.path}/log`;
    // Only who overlaps with another one finds the folder there.
    const script =
      `mkdir ${scratch.path}/in || exit 9; sleep 0.1; echo $KV_LOCK_TOKEN >> ${log}; ` +
      `rmdir ${scratch.path}/in`;
    const args = [serversFlag(server), "job", "--", "sh", "-c", script];
    const all = await Promise.all(
      [1, 2, 3, 4].map(async () => await finish(await startCommand("client:lock", ...args))),
    );
    assertEquals(all.map(({ code }) => code), [0, 0, 0, 0], all.map(({ err }) => err).join());
    const tokens = linesOf(await Deno.readTextFile(log)).map(Number);
    assertEquals(tokens.length, 4);
    assertEquals(tokens, tokens.toSorted((a, b) => a - b), "the token rises");
  },
});

Deno.test({
  name: "export: 150 MiB that are not read for a while take little memory, and arrive whole",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using server = await TestServer.alone();
    const count = 150;
    await using client = await withLargeValues(server, count);
    await using child = await piped(serversFlag(server), "export");
    const reader = child.stdout.getReader();
    let bytes = (await reader.read()).value!.length;
    const memory = () => residentBytes(child.pid);
    let [last, same] = [0, 0];
    await eventually("its memory stays the same", async () => {
      const now = await memory();
      same = Math.abs(now - last) < 1024 * 1024 ? same + 1 : 0;
      last = now;
      return same > 50 || undefined;
    });
    assert(last < 150 * 1024 * 1024, `${last} bytes`);
    let lines = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes += part.value.length;
      for (let lf = part.value.indexOf(10); lf >= 0; lf = part.value.indexOf(10, lf + 1)) lines++;
    }
    assertEquals(lines, count);
    assert(bytes > count * valueBytesMax);
    assertEquals((await within("it ends", child.status, processMsMax)).code, 0);
    assert((await client.get("k0")).value !== null);
  },
});

/** The resident memory of a process, in bytes. */
async function residentBytes(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
    .output();
  return parseInt(new TextDecoder().decode(stdout)) * 1024;
}

Deno.test({
  name: "import: SIGINT ends it with code 130; --from-line goes on, and nothing is missing",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    const at = serversFlag(server);
    const lines = Array.from({ length: 30_000 }, (_, n) => `{"key":"k${n}","value":"${n}"}\n`);
    await using first = await startCommand("client", at, "--lang=en", "import");
    await first.type(lines.slice(0, 20_000).join("")); // the rest never comes
    await eventually("it imports", () => server.holds("k19999"));
    first.signal("SIGINT");
    assertEquals(await first.end(), 130);
    assertStringIncludes(first.errors, "20000 entries imported. ");
    assertStringIncludes(first.errors, "--from-line=20001\n");
    const rest = await runTask("client", [at, "import", "--from-line=20001"], lines.join(""));
    assertEquals(rest.code, 0, rest.err);
    await using client = new KvClient([server.address]);
    let keys = 0;
    for await (const { key, value } of client.list()) {
      assertEquals(key, `k${value}`);
      keys++;
    }
    assertEquals(keys, 30_000);
  },
});

Deno.test({
  name: "Ctrl-C through deno task releases the lock",
  ignore: !unix,
  fn: async () => {
    await using server = await TestServer.alone();
    await using lock = startTask("client", serversFlag(server), "lock", "job");
    await lock.shows("1\n");
    await lock.stop("SIGINT");
    await eventually("it is released", () => server.holds("job")?.value === undefined || undefined);
  },
});

Deno.test({
  name: "three server processes: import, export and watch while a follower is killed lose nothing",
  ignore: !unix,
  fn: async () => {
    await using cluster = await ServerCluster.start();
    const at = `--servers=${cluster.addresses.map(formatAddress).join(",")}`;
    const count = 5_000;
    const lines = Array.from({ length: count }, (_, n) => `{"key":"k${n}","value":"${n}"}\n`);
    const input = lines.join("");
    await using watch = await startCommand("client", at, "--json", "watch", "--prefix=k");
    await watch.shows('{"type":"ready"');
    const { args } = await commandOf("client");
    const started = Process.deno([...args, at, "--lang=en", "import"], {
      ...{ keyboard: true, out: "keep" },
    });
    await started.type(lines.slice(0, count / 2).join(""));
    await eventually("half is imported", () => watch.screen.includes(`"key":"k${count / 2 - 1}"`));
    await cluster.processes[1]!.kill();
    await started.type(lines.slice(count / 2).join(""));
    let { code, err } = await finish(started);
    for (let rounds = 0; code !== 0 && rounds < 10; rounds++) {
      const [, line] = /--from-line=(\d+)/.exec(err)!;
      ({ code, err } = await runTask("client", [at, "import", `--from-line=${line}`], input));
    }
    assertEquals(code, 0, err);
    const half = await runTask("client", [at, "export", "k"]);
    const head = half.out.slice(0, half.out.indexOf("\n", half.out.length / 2) + 1);
    cluster.restart(1);
    await cluster.inSync();
    await cluster.processes[2]!.kill();
    const rest = await runTask("client", [at, "export", "k", "--after=-"], head);
    assertEquals([half.code, rest.code], [0, 0], half.err + rest.err);
    const entries = linesOf(head + rest.out).map((line) => JSON.parse(line));
    assertEquals(entries.length, count);
    assertEquals(new Set(entries.map(({ key }) => key)).size, count);
    for (const { key, value } of entries) assertEquals(key, `k${value}`);
    const seen = () => new Set([...watch.screen.matchAll(/"key":"(k\d+)"/g)].map(([, key]) => key));
    await eventually("the watch has seen every key", () => seen().size === count);
    watch.signal("SIGINT");
    assertEquals(await watch.end(), 130);
  },
});
