/**
 * Servers with data directories, as processes on a real disk.
 *
 * Not named like a test, because it needs more than the network: `deno task test:durable` runs it. What of it is
 * random takes its seed back with `deno task test:durable -- --seed=N`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { recoverySkip } from "../../../lib/replication/recovery.ts";
import { Cluster } from "../faults/cluster.ts";
import { History } from "../faults/history.ts";
import { Load } from "../faults/load.ts";
import { freePorts } from "../../support/helpers.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { Scratch, type Server, startServer } from "./server.ts";

const { putTimeoutMs } = tuningDefault;

const rounds = 20;
/** PUTs go on so soon after all servers were started: a start, a dial with its pause, a catch-up. */
const resumeMs = 8_000;
const answerSlackMs = 2_000;
/** So many requests show that work goes on. */
const some = 100;
const windows = Deno.build.os === "windows";
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

Deno.test({
  name: `${rounds} times all three are killed under load and come back: nothing confirmed is lost`,
  ignore: windows,
  fn: async () => {
    const random = new Random(seed);
    const history = new History();
    using scratch = new Scratch();
    await using cluster = await Cluster.start(history, scratch.path);
    try {
      await using load = await Load.start(cluster, history, random);
      for (let round = 1; round <= rounds; round++) {
        await load.puts(some);
        await cluster.kill(0, 1, 2);
        // Now and then the leader is the first, and needs nobody to open and to answer GETs.
        if (round % 4 === 0) {
          const servesMs = await cluster.start(0);
          await cluster.leader.reported("open, cluster", servesMs - 2_000);
          await load.gets(10);
        }
        await cluster.healAll();
        await load.resumes("after all three were killed", performance.now(), resumeMs);
        if (round % 2 === 0) await cluster.settled();
      }
      await cluster.settled();
      await load.puts(some);
      await load.stop();
      const last = await load.lastRequests();
      const { figures, violations } = history.judge({
        ...last,
        tables: await load.readTables(),
        clients: load.clients,
        calmUntilMs: cluster.calmUntilMs,
        loadEndMs: load.endMs,
        answerMs: putTimeoutMs + answerSlackMs,
      });
      const { acknowledged, unknown, failed, lost, stale } = figures;
      console.log(
        `${rounds} rounds: ${load.rate} requests/s before the first; PUT: ${acknowledged} acknowledged, ` +
          `${failed} failed, ${unknown} unknown; lost ${lost}, stale ${stale} (seed ${seed})`,
      );
      assertEquals(violations, []);
      assertEquals([figures.lost, figures.stale], [0, 0]);
    } catch (cause) {
      throw new Error(`seed ${seed}; what happened:\n${cluster.story}`, { cause });
    }
  },
});

/** A test with a folder of its own, and a server alone in it. */
function test(name: string, run: (scratch: Scratch, dir: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: windows,
    fn: async () => {
      using scratch = new Scratch();
      await run(scratch, `${scratch.path}/data`);
    },
  });
}

/** A server that is the whole cluster. */
const alone = ["--cluster-size=1", "--min-in-sync=1"];

async function put(server: Server, key: string, value: string): Promise<number> {
  await using client = new KvClient([server.address], { timeoutMs: 5_000 });
  return (await client.put(key, value)).timestamp;
}

/** What is in a file, without the room behind it. */
async function written(file: string): Promise<string> {
  return (await Deno.readTextFile(file)).replace(/\0+$/, "");
}

async function get(server: Server, key: string): Promise<string | null> {
  await using client = new KvClient([server.address], { timeoutMs: 5_000 });
  return (await client.get(key)).value;
}

test("a server has after SIGKILL what it had before, and its timestamps go on", async (_, dir) => {
  let before = 0;
  for (const value of ["1", "2", "3"]) {
    await using server = await startServer(dir, alone);
    if (value !== "1") assertEquals(await get(server, "a"), `${Number(value) - 1}`);
    const timestamp = await put(server, "a", value);
    assert(timestamp > before && (before === 0 || timestamp > recoverySkip / 2), `${timestamp}`);
    before = timestamp;
    await server.kill();
  }
});

test("a torn last write is cut off and reported, all before it is there", async (_, dir) => {
  {
    await using server = await startServer(dir, alone);
    await put(server, "a", "1");
    await server.kill();
  }
  const file = `${dir}/journal-1`;
  const text = await written(file);
  const size = new TextEncoder().encode(text).length;
  await Deno.writeTextFile(file, `${text}12345678 {"type":"REPLICATION","key":"a","val`);
  await using server = await startServer(dir, alone);
  assertEquals(await get(server, "a"), "1");
  assertStringIncludes(
    server.errors,
    `${file}: the last 45 bytes, from byte ${size} on, are not a complete write`,
  );
});

test(
  "a corrupt middle stops the server with file and byte, and nothing is changed",
  async (_, dir) => {
    {
      await using server = await startServer(dir, alone);
      for (const value of ["1", "2", "3"]) await put(server, "a", value);
      await server.stop();
    }
    const file = `${dir}/journal-1`;
    const bytes = await Deno.readFile(file);
    const at = new TextDecoder().decode(bytes).indexOf(`"value":"1"`);
    bytes[at + 9] = "7".charCodeAt(0);
    await Deno.writeFile(file, bytes);
    await using server = await startServer(dir, alone, { serves: false });
    assertEquals(await server.code, 1);
    const line = new TextDecoder().decode(bytes).lastIndexOf("\n", at) + 1;
    assertStringIncludes(
      server.errors,
      `${file} is damaged at byte ${line}, and nothing was changed`,
    );
    assertEquals(await Deno.readFile(file), bytes);
  },
);

test("two servers never share a directory", async (_, dir) => {
  await using first = await startServer(dir, alone);
  await using second = await startServer(dir, alone, { serves: false });
  assertEquals(await second.code, 1);
  assertStringIncludes(second.errors, `Cannot use ${dir}: another server uses it`);
  await put(first, "a", "1");
});

test("a directory of somebody else is left alone", async (_, dir) => {
  await Deno.mkdir(dir);
  await Deno.writeTextFile(`${dir}/thesis.txt`, "precious");
  await using server = await startServer(dir, alone, { serves: false });
  assertEquals(await server.code, 1);
  assertStringIncludes(server.errors, `${dir} holds thesis.txt, which is not of this program`);
  assertEquals(await Deno.readTextFile(`${dir}/thesis.txt`), "precious");
});

test("a directory that cannot be one, or may not be used, is told", async (scratch, dir) => {
  await Deno.writeTextFile(dir, "a file");
  for (
    const [path, permitted, message] of [
      [dir, dir, `Cannot use ${dir}: `],
      [`${scratch.path}/other`, dir, `Cannot use ${scratch.path}/other: no permission to read it`],
    ] as const
  ) {
    await using server = await startServer(path, alone, { serves: false, permitted });
    assertEquals(await server.code, 1);
    assertStringIncludes(server.errors, message);
  }
});

test("a read-only directory is told", async (scratch, dir) => {
  await Deno.mkdir(dir);
  await Deno.chmod(dir, 0o555);
  await using server = await startServer(dir, alone, {
    serves: false,
    // Nothing is read-only to the administrator.
    ...(Deno.uid() === 0 ? { nobody: scratch } : {}),
  });
  assertEquals(await server.code, 1);
  assertStringIncludes(server.errors, `Cannot use ${dir}: Permission denied`);
});

test(
  "a full disk ends the server with an error, and only what was confirmed counts",
  async (_, dir) => {
    const value = "x".repeat(100_000);
    let confirmed = 0;
    {
      await using server = await startServer(dir, alone, { fileKibibytesMax: 4_096 });
      await using client = new KvClient([server.address], { timeoutMs: 10_000 });
      for (let n = 0; n < 100; n++) {
        try {
          await client.put(`k${n}`, value);
          confirmed++;
        } catch {
          break;
        }
      }
      assertEquals(await server.code, 1);
      assertStringIncludes(server.errors, `Cannot write to ${dir}: `);
      assertStringIncludes(server.errors, "No further write is acknowledged");
    }
    assert(confirmed > 10 && confirmed < 50, `${confirmed} were confirmed`);
    // With room again it goes on.
    await using server = await startServer(dir, alone);
    for (let n = 0; n < confirmed; n++) assertEquals(await get(server, `k${n}`), value);
    await put(server, "k", "1");
  },
);

test("loading that takes longer than a second is told", async (_, dir) => {
  const { recordOf, headerLine } = await import("../../../lib/journal/record.ts");
  const { Replication, Sync, JoinOk } = await import("../../../lib/mensagem.ts");
  await Deno.mkdir(dir);
  const head = [new JoinOk(), new Sync("c", 0, 0)].map((message) => recordOf(message.encode()));
  const keys = 400_000;
  using file = await Deno.create(`${dir}/journal-1`);
  let text = headerLine + head.join("");
  for (let n = 1; n <= keys; n++) {
    text += recordOf(Replication.of(`key ${n}`, `é${"x".repeat(100)}`, n).encode());
    if (n % 10_000 !== 0) continue;
    file.writeSync(new TextEncoder().encode(text));
    text = "";
  }
  await using server = await startServer(dir, alone);
  assertStringIncludes(server.errors, `loading ${dir}: `);
  assertStringIncludes(server.errors, `loaded ${dir}: ${keys} keys, `);
});

/** Three servers in directories of their own. */
async function startThree(
  stack: AsyncDisposableStack,
  dirs: readonly string[],
  ports: readonly number[],
): Promise<Server[]> {
  const servers = await Promise.all(
    dirs.map((dir, i) => startServer(dir, [`--leader-port=${ports[0]}`], { port: ports[i]! })),
  );
  return servers.map((server) => stack.use(server));
}

test("a follower that was away gets only what it lacks", async (scratch) => {
  const dirs = ["a", "b", "c"].map((name) => `${scratch.path}/${name}`);
  const ports = freePorts(3);
  await using stack = new AsyncDisposableStack();
  const [leader, , away] = await startThree(stack, dirs, ports);
  const value = "x".repeat(1_000);
  for (let n = 0; n < 300; n++) await put(leader!, `k${n}`, value);
  await away!.kill();
  await put(leader!, "new", "1");
  const { length } = await written(`${dirs[2]}/journal-1`);
  assertGreater(length, 300_000);
  const again = stack.use(
    await startServer(dirs[2]!, [`--leader-port=${ports[0]}`], { port: ports[2]! }),
  );
  await again.reported("synchronised at timestamp 301");
  assertEquals(await get(again, "new"), "1");
  const more = (await written(`${dirs[2]}/journal-1`)).length - length;
  assert(more > 0 && more < 2_000, `${more} bytes were written for one new key`);
});

test("a leader that lost its last writes does not win over a follower that has them", async (scratch) => {
  const dirs = ["a", "b", "c"].map((name) => `${scratch.path}/${name}`);
  const ports = freePorts(3);
  {
    await using stack = new AsyncDisposableStack();
    const [leader] = await startThree(stack, dirs, ports);
    for (const value of ["1", "2", "3"]) await put(leader!, "a", value);
  }
  // A disk that says that it has what it has not.
  const text = await Deno.readTextFile(`${dirs[0]}/journal-1`);
  const end = text.lastIndexOf("\n", text.indexOf(`"value":"3"`)) + 1;
  await Deno.truncate(`${dirs[0]}/journal-1`, end);
  {
    await using stack = new AsyncDisposableStack();
    const [leader, follower] = await startThree(stack, dirs, ports);
    const refusal = "holds timestamp 3, which this leader does not know";
    await leader!.reported(refusal);
    await follower!.reported(refusal);
    await follower!.reported("stop it and start it with an empty one");
  }
  // What the message says to do.
  await Deno.remove(dirs[0]!, { recursive: true });
  await using stack = new AsyncDisposableStack();
  const [leader] = await startThree(stack, dirs, ports);
  await leader!.reported("open, cluster");
  assertEquals(await get(leader!, "a"), "3");
  assertGreater(await put(leader!, "a", "4"), recoverySkip / 2);
});

test("deno task server:durable writes to data/PORT and may touch nothing else", async () => {
  const [port] = freePorts(1);
  const dir = new URL(`../../../data/${port}`, import.meta.url).pathname;
  try {
    await using server = await startServer("", alone, { task: "server:durable", port: port! });
    await put(server, "a", "1");
    assertStringIncludes(await Deno.readTextFile(`${dir}/journal-1`), `"value":"1"`);
    assertEquals((await Deno.stat(`${dir}/journal-1`)).mode! & 0o077, 0);
    await server.stop();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
