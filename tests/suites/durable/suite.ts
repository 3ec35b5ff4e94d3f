/**
 * Servers with data directories, as processes on a real disk.
 *
 * Not named like a test, because it needs more than the network: `deno task test:durable` runs it. `deno task
 * test:durable -- --seed=N` repeats a run of its random test.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { recoverySkip } from "../../../lib/replication/recovery.ts";
import { FaultyCluster } from "../faults/faulty_cluster.ts";
import { History } from "../faults/history.ts";
import { Load } from "../faults/load.ts";
import { alone, ServerProcess, type ServerProcessOptions } from "../../../bench/server_process.ts";
import { freePorts } from "../../support/ports.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf } from "../../support/tasks.ts";

const { putTimeoutMs } = tuningDefault;

const rounds = 20;
/** How long PUTs may pause after all servers were started. It covers the start, the dial with its pause, and the catch-up. */
const resumeMs = 8_000;
/** The slack of a busy machine above the time in which a server answers every request. */
const answerSlackMs = 2_000;
/** A number of requests that shows that work goes on. */
const some = 100;
const windows = Deno.build.os === "windows";
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

Deno.test({
  name:
    `all three servers are killed under load ${rounds} times and restarted: no acknowledged write is lost`,
  ignore: windows,
  fn: async () => {
    const random = new Random(seed);
    const history = new History();
    using scratch = new Scratch();
    await using cluster = await FaultyCluster.start(history, scratch.path);
    try {
      await using load = await Load.start(cluster, history, random);
      for (let round = 1; round <= rounds; round++) {
        await load.puts(some);
        await cluster.kill(0, 1, 2);
        // In some rounds the leader starts first. It answers GETs before a follower has joined.
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

/** A test with a folder of its own, and the path of a data directory in it that does not exist yet. */
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

/** Starts a leader that is the whole cluster. */
async function start(dataDir: string): Promise<ServerProcess> {
  return await ServerProcess.start({ dataDir, flags: alone });
}

/** Starts a server that must end by itself. Resolves with its exit code and what it reported. */
async function fail(
  dataDir: string,
  options: ServerProcessOptions = {},
): Promise<{ code: number; errors: string }> {
  await using server = new ServerProcess({ dataDir, flags: alone, ...options });
  return { code: await server.end(), errors: server.errors };
}

async function put(server: ServerProcess, key: string, value: string): Promise<number> {
  await using client = new KvClient([server.address], { timeoutMs: 5_000 });
  return (await client.put(key, value)).timestamp;
}

async function get(server: ServerProcess, key: string): Promise<string | null> {
  await using client = new KvClient([server.address], { timeoutMs: 5_000 });
  return (await client.get(key)).value;
}

/** The text in a file, without the allocated space behind it. */
async function written(file: string): Promise<string> {
  return (await Deno.readTextFile(file)).replace(/\0+$/, "");
}

test("a server has its table after SIGKILL, and its timestamps go on", async (_, dir) => {
  let before = 0;
  for (const value of ["1", "2", "3"]) {
    await using server = await start(dir);
    if (value !== "1") assertEquals(await get(server, "a"), `${Number(value) - 1}`);
    const timestamp = await put(server, "a", value);
    assert(timestamp > before && (before === 0 || timestamp > recoverySkip / 2), `${timestamp}`);
    before = timestamp;
    await server.kill();
  }
});

test("a torn last write is cut off and reported; all writes before it are kept", async (_, dir) => {
  {
    await using server = await start(dir);
    await put(server, "a", "1");
    await server.kill();
  }
  const file = `${dir}/journal-1`;
  const text = await written(file);
  const size = new TextEncoder().encode(text).length;
  await Deno.writeTextFile(file, `${text}12345678 {"type":"REPLICATION","key":"a","val`);
  await using server = await start(dir);
  assertEquals(await get(server, "a"), "1");
  assertStringIncludes(
    server.errors,
    `${file}: the last 45 bytes, from byte ${size} on, are not a complete write`,
  );
});

test(
  "a corrupt record in the middle stops the server with file and byte, and the file is not changed",
  async (_, dir) => {
    {
      await using server = await start(dir);
      for (const value of ["1", "2", "3"]) await put(server, "a", value);
      assertEquals(await server.stop(), 0);
    }
    const file = `${dir}/journal-1`;
    const bytes = await Deno.readFile(file);
    const at = new TextDecoder().decode(bytes).indexOf(`"value":"1"`);
    bytes[at + 9] = "7".charCodeAt(0);
    await Deno.writeFile(file, bytes);
    const { code, errors } = await fail(dir);
    assertEquals(code, 1);
    const line = new TextDecoder().decode(bytes).lastIndexOf("\n", at) + 1;
    assertStringIncludes(
      errors,
      `${file} is damaged at byte ${line}, and nothing was changed`,
    );
    assertEquals(await Deno.readFile(file), bytes);
  },
);

test("two servers never use one directory", async (_, dir) => {
  await using first = await start(dir);
  const { code, errors } = await fail(dir);
  assertEquals(code, 1);
  assertStringIncludes(errors, `Cannot use ${dir}: another server uses it`);
  await put(first, "a", "1");
});

test("a directory with other files is refused and not changed", async (_, dir) => {
  await Deno.mkdir(dir);
  await Deno.writeTextFile(`${dir}/thesis.txt`, "precious");
  const { code, errors } = await fail(dir);
  assertEquals(code, 1);
  assertStringIncludes(errors, `${dir} holds thesis.txt, which is not of this program`);
  assertEquals(await Deno.readTextFile(`${dir}/thesis.txt`), "precious");
});

test(
  "a path that is a file, and a directory without permission, are reported",
  async (scratch, dir) => {
    await Deno.writeTextFile(dir, "a file");
    for (
      const [path, permitted, message] of [
        [dir, dir, `Cannot use ${dir}: `],
        [
          `${scratch.path}/other`,
          dir,
          `Cannot use ${scratch.path}/other: no permission to read it`,
        ],
      ] as const
    ) {
      const { code, errors } = await fail(path, { permitted });
      assertEquals(code, 1);
      assertStringIncludes(errors, message);
    }
  },
);

test("a read-only directory is reported", async (scratch, dir) => {
  await Deno.mkdir(dir);
  await Deno.chmod(dir, 0o555);
  await Deno.chmod(scratch.path, 0o777);
  // root may write to read-only directories, so the server runs as a user who owns nothing.
  const user = { user: 65_534, env: { DENO_DIR: `${scratch.path}/cache`, HOME: scratch.path } };
  const { code, errors } = await fail(dir, Deno.uid() === 0 ? user : {});
  assertEquals(code, 1);
  assertStringIncludes(errors, `Cannot use ${dir}: Permission denied`);
});

test(
  "a full disk ends the server with an error; all acknowledged writes are kept",
  async (_, dir) => {
    const value = "x".repeat(100_000);
    const fileKibibytesMax = 4_096;
    let confirmed = 0;
    {
      // A process that ignores SIGXFSZ gets an error for a file that is too large, as on a full disk.
      const limited = `trap '' XFSZ; ulimit -f ${fileKibibytesMax * 2}; exec "$0" "$@"`;
      await using server = await ServerProcess.start({
        dataDir: dir,
        flags: alone,
        wrapper: ["sh", "-c", limited],
      });
      await using client = new KvClient([server.address], { timeoutMs: 10_000 });
      for (let n = 0; n < 100; n++) {
        try {
          await client.put(`k${n}`, value);
          confirmed++;
        } catch {
          break;
        }
      }
      assertEquals(await server.end(), 1);
      assertStringIncludes(server.errors, `Cannot write to ${dir}: `);
      assertStringIncludes(server.errors, "No further write is acknowledged");
    }
    assert(confirmed > 10 && confirmed < 50, `${confirmed} were confirmed`);
    // Without the limit the server goes on.
    await using server = await start(dir);
    for (let n = 0; n < confirmed; n++) assertEquals(await get(server, `k${n}`), value);
    await put(server, "k", "1");
  },
);

test("loading that takes longer than a second is reported", async (_, dir) => {
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
  await using server = await start(dir);
  assertStringIncludes(server.errors, `loading ${dir}: `);
  assertStringIncludes(server.errors, `loaded ${dir}: ${keys} keys, `);
});

/** Three servers in directories of their own. */
async function startThree(
  stack: AsyncDisposableStack,
  dirs: readonly string[],
  ports: readonly number[],
): Promise<ServerProcess[]> {
  const servers = await Promise.all(
    dirs.map((dataDir, i) =>
      ServerProcess.start({ dataDir, port: ports[i]!, leaderPort: ports[0]! })
    ),
  );
  return servers.map((server) => stack.use(server));
}

test("a follower that was away gets only the writes that it lacks", async (scratch) => {
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
    await ServerProcess.start({ dataDir: dirs[2]!, port: ports[2]!, leaderPort: ports[0]! }),
  );
  await again.reports("synchronised at timestamp 301");
  assertEquals(await get(again, "new"), "1");
  const more = (await written(`${dirs[2]}/journal-1`)).length - length;
  assert(more > 0 && more < 2_000, `${more} bytes were written for one new key`);
});

test("a leader that lost its last writes does not overwrite a follower that has them", async (scratch) => {
  const dirs = ["a", "b", "c"].map((name) => `${scratch.path}/${name}`);
  const ports = freePorts(3);
  {
    await using stack = new AsyncDisposableStack();
    const [leader] = await startThree(stack, dirs, ports);
    for (const value of ["1", "2", "3"]) await put(leader!, "a", value);
  }
  // As after a disk has lost a write that it had confirmed.
  const text = await Deno.readTextFile(`${dirs[0]}/journal-1`);
  const end = text.lastIndexOf("\n", text.indexOf(`"value":"3"`)) + 1;
  await Deno.truncate(`${dirs[0]}/journal-1`, end);
  {
    await using stack = new AsyncDisposableStack();
    const [leader, follower] = await startThree(stack, dirs, ports);
    const refusal = "holds timestamp 3, which this leader does not know";
    await leader!.reports(refusal);
    await follower!.reports(refusal);
    await follower!.reports("stop it and start it with an empty one");
  }
  // The operator does what the message says.
  await Deno.remove(dirs[0]!, { recursive: true });
  await using stack = new AsyncDisposableStack();
  const [leader] = await startThree(stack, dirs, ports);
  await leader!.reports("open, cluster");
  assertEquals(await get(leader!, "a"), "3");
  assertGreater(await put(leader!, "a", "4"), recoverySkip / 2);
});

test("deno task server:durable writes to data/PORT and may change no other file", async () => {
  const [port] = freePorts(1);
  const dir = new URL(`../../../data/${port}`, import.meta.url).pathname;
  try {
    const { env, args: deno } = await commandOf("server:durable");
    await using server = await ServerProcess.start({ deno, env, port: port!, flags: alone });
    await put(server, "a", "1");
    assertStringIncludes(await Deno.readTextFile(`${dir}/journal-1`), `"value":"1"`);
    assertEquals((await Deno.stat(`${dir}/journal-1`)).mode! & 0o077, 0);
    assertEquals(await server.stop(), 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
