/**
 * Servers with data directories, as processes on a real disk.
 *
 * Not named like a test, because it needs more than the network: `deno task test:durable` runs it. `deno task
 * test:durable -- --seed=N` repeats a run of its random test.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { recoverySkip } from "../../../lib/replication/recovery.ts";
import { FaultyCluster } from "../faults/faulty_cluster.ts";
import { History } from "../faults/history.ts";
import { Load } from "../faults/load.ts";
import { SessionFile } from "../../../lib/cli/session_file.ts";
import { openAutoFolder } from "../../../lib/journal/auto_folder.ts";
import { DiskFolder } from "../../../lib/journal/disk.ts";
import { JournalError } from "../../../lib/journal/errors.ts";
import { Process } from "../../../bench/process.ts";
import { alone, ServerProcess, type ServerProcessOptions } from "../../../bench/server_process.ts";
import { freePorts } from "../../support/ports.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { Scratch } from "../../support/scratch.ts";
import { makeLink } from "../../support/special_files.ts";
import { eventually } from "../../support/waiting.ts";
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

test("two servers never use one directory, also if its lock was removed", async (_, dir) => {
  await using first = await start(dir);
  await put(first, "a", "1");
  await Deno.remove(`${dir}/lock`);
  const { code, errors } = await fail(dir);
  assertEquals(code, 1);
  assertStringIncludes(errors, `Cannot use ${dir}: another server uses it`);
  await put(first, "a", "2").catch(() => {}); // it may have noticed already
  assertEquals(await first.end(), 1);
  assertStringIncludes(
    first.errors,
    `Cannot write to ${dir}: its file lock was removed or replaced, so that another server may ` +
      "have written there. No further write is acknowledged",
  );
  await using again = await start(dir);
  assert(["1", "2"].includes((await get(again, "a"))!));
});

test("files that are not of a journal are left alone, and named in one line", async (_, dir) => {
  await Deno.mkdir(`${dir}/lost+found`, { recursive: true, mode: 0o700 });
  for (const name of [".DS_Store", "Thumbs.db"]) await Deno.writeTextFile(`${dir}/${name}`, "x");
  for (const value of ["1", "2"]) {
    await using server = await start(dir);
    assertStringIncludes(server.errors, `${dir} also holds `);
    assertStringIncludes(server.errors, "which the journal neither reads nor changes");
    assertEquals(await get(server, "a"), value === "1" ? null : "1");
    await put(server, "a", value);
    assertEquals(await server.stop(), 0);
  }
  const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
  assertEquals(names, [".DS_Store", "Thumbs.db", "journal-1", "lock", "lost+found"]);
  // A link with the name of a segment may lead to the only copy.
  await Deno.rename(`${dir}/journal-1`, `${dir}/elsewhere`);
  await makeLink("elsewhere", `${dir}/journal-1`);
  const { code, errors } = await fail(dir);
  assertEquals(code, 1);
  assertStringIncludes(errors, `${dir}/journal-1 is not a regular file`);
});

test(
  "a foreign file in a directory is neither taken for the journal's nor replaced",
  async (_, dir) => {
    await Deno.mkdir(dir, { mode: 0o700 });
    const refused = async (name: string, reason: string) => {
      await Deno.writeTextFile(`${dir}/${name}`, "precious");
      const { code, errors } = await fail(dir);
      assertEquals([code, await Deno.readTextFile(`${dir}/${name}`)], [1, "precious"]);
      assertStringIncludes(errors, `${dir}/${name} ${reason}`);
      await Deno.remove(`${dir}/${name}`);
    };
    await refused("JOURNAL-1", "can be mistaken for a file of the journal");
    await refused("journal-7.new", "has the name of an unfinished file of the journal");
    await Deno.writeTextFile(`${dir}/journal-1.new`, ""); // what a crash at the first start leaves
    await using server = await start(dir);
    await Deno.writeTextFile(`${dir}/journal-2`, "precious");
    await using client = new KvClient([server.address], { timeoutMs: 10_000 });
    const value = "x".repeat(500_000);
    for (let n = 0; n < 40; n++) await client.put("k", value);
    await server.reports(`cannot compact ${dir}: journal-2 is in the way`);
    assertEquals(await Deno.readTextFile(`${dir}/journal-2`), "precious");
    await Deno.remove(`${dir}/journal-2`);
    await eventually("it compacts", async () => {
      await client.put("k", value);
      return server.errors.includes(`compacted ${dir} at last`);
    });
  },
);

test("a rename in a directory replaces no file", async (_, dir) => {
  const folder = await DiskFolder.open(dir);
  try {
    for (const name of ["a", "b"]) await Deno.writeTextFile(`${dir}/${name}`, name);
    await assertRejects(() => folder.rename("a", "b"), Error, "b is in the way");
    assertEquals(await Deno.readTextFile(`${dir}/b`), "b");
    await folder.rename("a", "c");
  } finally {
    folder.close();
  }
});

test("a session file with a byte order mark is read", async (scratch) => {
  const path = `${scratch.path}/session.json`;
  const session = { version: 1, cluster: "c", timestamps: [["k", 7]] } as const;
  await Deno.writeTextFile(path, `\uFEFF${JSON.stringify(session)}`);
  assertEquals(await new SessionFile(path).read(), { ...session, timestamps: [["k", 7]] });
});

test("a directory or a file that other users may use is reported", async (_, dir) => {
  const warning = (path: string) => `warning: the mode of ${path}`;
  {
    await using server = await start(dir); // makes everything itself
    assertEquals(server.errors.includes("warning: the mode"), false, server.errors);
    assertEquals(await server.stop(), 0);
  }
  for (const [path, mode] of [[dir, 0o755], [`${dir}/journal-1`, 0o640]] as const) {
    const { mode: before } = await Deno.stat(path);
    await Deno.chmod(path, mode);
    await using server = await start(dir);
    assertStringIncludes(server.errors, warning(path));
    assertStringIncludes(server.errors, `chmod -R go-rwx ${dir}`);
    assertEquals(await server.stop(), 0);
    await Deno.chmod(path, before! & 0o777);
  }
});

for (const how of ["removed", "moved away"] as const) {
  test(`a directory that is ${how} ends its server with the truth`, async (scratch, dir) => {
    await using server = await start(dir);
    await put(server, "a", "1");
    if (how === "removed") await Deno.remove(dir, { recursive: true });
    else await Deno.rename(dir, `${scratch.path}/away`);
    await put(server, "a", "2").catch(() => {}); // it may have noticed already
    assertEquals(await server.end(), 1);
    assertStringIncludes(
      server.errors,
      `Cannot write to ${dir}: journal-1 is no longer in it: the directory was removed, moved or ` +
        "replaced. No further write is acknowledged",
    );
  });
}

test("a compaction without permission is put off, and made once it may", async (scratch, dir) => {
  await Deno.mkdir(dir);
  for (const path of [dir, scratch.path]) await Deno.chmod(path, 0o777);
  const user = { user: 65_534, env: { DENO_DIR: `${scratch.path}/cache`, HOME: scratch.path } };
  await using server = await ServerProcess.start({
    dataDir: dir,
    flags: alone,
    ...(Deno.uid() === 0 ? user : {}),
  });
  await using client = new KvClient([server.address], { timeoutMs: 10_000 });
  const value = "x".repeat(500_000);
  let puts = 0;
  const putSome = async () => {
    for (let n = 0; n < 40; n++) await client.put("k", `${value}${++puts}`);
  };
  await Deno.chmod(dir, 0o555);
  await putSome();
  await server.reports(`cannot compact ${dir}: Permission denied`);
  await putSome();
  await Deno.chmod(dir, 0o777);
  await eventually("it compacts", async () => {
    await client.put("k", `${value}${++puts}`);
    return server.errors.includes(`compacted ${dir} at last`);
  });
  assertEquals(server.errors.split("cannot compact").length, 2, "reported once");
  assertEquals(await client.get("k").then((got) => got.value), `${value}${puts}`);
  await server.kill();
  await using again = await start(dir);
  assertEquals(await get(again, "k"), `${value}${puts}`);
});

test("a process without a file descriptor left still compacts", async (_, dir) => {
  const program = new URL("full_process.ts", import.meta.url).href;
  const limited = 'ulimit -n 80; exec "$0" "$@"';
  await using full = new Process(
    "sh",
    [
      "-c",
      limited,
      Deno.execPath(),
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      program,
      dir,
    ],
    { out: "keep" },
  );
  assertEquals(await full.code, 0, full.errors);
  const lines = full.screen.split("\n");
  assertEquals(lines.slice(0, 2), ["full: EMFILE", 'ended ""'], full.screen);
  assert(lines.some((line) => /^table-\d+$/.test(line)), full.screen);
  assert(!lines.includes("journal-1"), full.screen);
});

test("three servers whose clients take all descriptors all go on, and compact", async (scratch) => {
  const dirs = ["a", "b", "c"].map((name) => `${scratch.path}/${name}`);
  const ports = freePorts(3);
  await using stack = new AsyncDisposableStack();
  const wrapper = ["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'] as const;
  const servers = await Promise.all(
    dirs.map((dataDir, i) =>
      ServerProcess.start({ dataDir, port: ports[i]!, leaderPort: ports[0]!, wrapper })
    ),
  );
  for (const server of servers) stack.use(server);
  await servers[0]!.reports("open, cluster");
  await using client = new KvClient(servers.map(({ address }) => address), { timeoutMs: 10_000 });
  await client.put("k", "first");
  const idle: Deno.Conn[] = [];
  for (const { address } of servers) {
    for (let n = 0; n < 200; n++) idle.push(await Deno.connect(address));
  }
  for (const server of servers) await server.reports("this process can open no more files");
  const value = "x".repeat(500_000);
  for (let n = 1; n <= 80; n++) {
    await eventually(`PUT ${n}`, () => client.put("k", `${value}${n}`).catch(() => undefined));
  }
  for (const conn of idle) conn.close();
  for (const [i, server] of servers.entries()) {
    assertEquals(server.ended, false, server.errors);
    const tables = [...Deno.readDirSync(dirs[i]!)].filter(({ name }) => /^table-\d+$/.test(name));
    assertEquals(tables.length, 1, server.errors);
  }
});

test("--data-dir=auto gives each address a directory of its own, and finds the old ones", async (scratch) => {
  const before = Deno.cwd();
  Deno.chdir(scratch.path);
  try {
    const reports: string[] = [];
    const open = async (hostname: string, port: number) => {
      const folder = await openAutoFolder({ hostname, port }, (line) => reports.push(line));
      folder.close();
      return folder.path;
    };
    // New directories, in any order of starts.
    assertEquals(await open("127.0.0.2", 1), "data/127.0.0.2-1");
    assertEquals(await open("127.0.0.1", 1), "data/1");
    assertEquals(await open("127.0.0.3", 1), "data/127.0.0.3-1");
    assertEquals(await open("fe80::1", 1), "data/fe80__1-1");
    assertEquals(
      reports.filter((line) => line.includes("data/1.server says that data/1")).length,
      2,
    );
    for (const again of [1, 2]) {
      assertEquals(await open("127.0.0.1", 1), "data/1", `${again}`);
      assertEquals(await open("127.0.0.2", 1), "data/127.0.0.2-1", `${again}`);
    }
    // The directory of an earlier version belongs to the first server that takes it.
    await Deno.mkdir("data/2");
    assertEquals(await open("10.0.0.2", 2), "data/2");
    assertEquals(await open("10.0.0.2", 2), "data/2");
    assertEquals(await open("127.0.0.1", 2), "data/127.0.0.1-2");
    assertEquals(await open("127.0.0.1", 2), "data/127.0.0.1-2");
    assertEquals(await Deno.readTextFile("data/2.server"), "10.0.0.2:2\n");
    // While another process uses it, nothing is taken.
    await Deno.mkdir("data/3");
    const used = await openAutoFolder({ hostname: "127.0.0.1", port: 3 }, () => {});
    await Deno.remove("data/3.server");
    await assertRejects(() => open("10.0.0.2", 3), JournalError, "data/3: another server uses it");
    assertEquals([...Deno.readDirSync("data")].some(({ name }) => name === "3.server"), false);
    used.close();
  } finally {
    Deno.chdir(before);
  }
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
  const dir = `${import.meta.dirname}/../../../data/${port}`;
  try {
    const { env, args: deno } = await commandOf("server:durable");
    await using server = await ServerProcess.start({ deno, env, port: port!, flags: alone });
    await put(server, "a", "1");
    assertStringIncludes(await Deno.readTextFile(`${dir}/journal-1`), `"value":"1"`);
    assertEquals((await Deno.stat(`${dir}/journal-1`)).mode! & 0o077, 0);
    assertEquals(await server.stop(), 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
    await Deno.remove(`${dir}.server`);
  }
});
