/**
 * Attacks by files, and where secrets could be left. `tests/suites/durable/` has the tests of links
 * and pipes in data directories and of the warning about open modes, `permissions.ts` shows what the
 * permissions of the tasks allow.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { alone, ServerProcess, type ServerProcessOptions } from "../../../bench/server_process.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { makeLink, makePipe } from "../../support/special_files.ts";
import { commandOf, runDeno } from "../../support/tasks.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";
import { RecordingProxy } from "./support/recording_proxy.ts";
import { assertWithout, tracesOf } from "./support/secret_traces.ts";

const ignore = Deno.build.os === "windows";
const victimText = "a file that is not the server's\n";

/** A test with a data directory that does not exist yet, beside a file that must not change. */
function test(name: string, run: (dir: string, victim: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      using scratch = new Scratch();
      const victim = `${scratch.path}/victim`;
      await Deno.writeTextFile(victim, victimText);
      await run(`${scratch.path}/data`, victim);
      assertEquals(await Deno.readTextFile(victim), victimText);
    },
  });
}

/** Runs a server that may touch the directory and everything beside it, to its end. */
async function failing(dataDir: string, options: ServerProcessOptions = {}): Promise<string> {
  const permitted = dataDir.replace(/\/[^/]*$/, "");
  await using server = new ServerProcess({ dataDir, permitted, flags: alone, ...options });
  assertEquals(await server.end(), 1, server.errors);
  assertMatch(server.errors, /^(?:warning: [^\n]*\n)?[^\n]+\n$/);
  return server.errors;
}

/** Makes a directory with a journal that holds one key. */
async function filled(dataDir: string): Promise<void> {
  await using server = await ServerProcess.start({ dataDir, flags: alone });
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" })).type, "PUT_OK");
}

async function assertMissing(path: string): Promise<void> {
  const found = await Deno.lstat(path).then(() => true, () => false);
  assert(!found, `${path} was made`);
}

for (const name of ["journal-1", "journal-1.new"]) {
  test(
    `a hard link to another file in place of ${name} is refused, and that file does not change`,
    async (dir, victim) => {
      await Deno.mkdir(dir, { mode: 0o700 });
      await Deno.link(victim, `${dir}/${name}`);
      assertMatch(await failing(dir), /its first line is not one/);
    },
  );
}

test(
  "a dangling link and a FIFO in place of a data directory are refused at once",
  async (dir, victim) => {
    await makeLink(`${victim}.new`, dir);
    assertMatch(await failing(dir), /Cannot use/);
    await assertMissing(`${victim}.new`);
    await Deno.remove(dir);
    await makePipe(dir);
    assertMatch(await failing(dir), /not a directory/);
  },
);

test("a server's files are for their owner alone, also under a generous umask", async (dir) => {
  const wrapper = ["sh", "-c", 'umask 0; exec "$@"', "sh"] as const;
  await using server = await ServerProcess.start({ dataDir: dir, flags: alone, wrapper });
  using wire = await Wire.connect(server.address);
  await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" });
  const modes: Record<string, number> = { "": (await Deno.stat(dir)).mode! & 0o777 };
  for await (const { name } of Deno.readDir(dir)) {
    modes[name] = (await Deno.stat(`${dir}/${name}`)).mode! & 0o777;
  }
  assertEquals(modes, { "": 0o700, lock: 0o600, "journal-1": 0o600 });
  assert(!server.errors.includes("warning: the mode"), server.errors);
});

test("a follower with the journal of another cluster is refused, and keeps its data", async (dir) => {
  await filled(`${dir}-1`);
  await filled(`${dir}-2`);
  const flags = ["--cluster-size=2", "--min-in-sync=1"];
  const [port] = freePorts(1) as [number];
  await using leader = await ServerProcess.start({ dataDir: `${dir}-1`, port, flags });
  await using follower = await ServerProcess.start({
    dataDir: `${dir}-2`,
    leaderPort: port,
    flags,
  });
  await follower.reports("holds data of cluster");
  using wire = await Wire.connect(follower.address);
  const { type } = await wire.ask({ type: "GET", id: 1, key: "cor", timestamp: 0 });
  assertEquals(type, "TRY_OTHER_SERVER_OR_LATER");
  await Promise.all([follower.stop(), leader.stop()]);
  await using again = await ServerProcess.start({ dataDir: `${dir}-2`, flags: alone });
  using reader = await Wire.connect(again.address);
  await eventually("it has its data", async () => {
    const get = { type: "GET", id: 1, key: "cor", timestamp: 0 };
    return (await reader.ask(get)).value === "azul";
  });
});

const secret = "o segredo dos servidores, com acentuação";
const password = "a senha dos clientes: 0123456789abcdef";
const secretEnv = { KV_SECRET: secret, KV_PASSWORD: password };

test("secret and password are in no file, argument, output, message, metric, status or page, and neither are the keys made of them", async (dir) => {
  const [port, metricsPort, pagePort] = freePorts(3) as [number, number, number];
  const texts: Record<string, string> = {};
  const flags = ["--cluster-size=2", "--min-in-sync=1"];
  const task = async (name: string) => (await commandOf(name)).args;
  const server = async (dataDir: string, more: ServerProcessOptions) =>
    await ServerProcess.start({
      ...more,
      dataDir,
      env: secretEnv,
      out: "keep",
      deno: (await task("server:secret")).flatMap((arg) =>
        arg === "server.ts" ? [`--allow-read=${dir}`, `--allow-write=${dir}`, arg] : [arg]
      ),
    });
  await Deno.mkdir(dir, { mode: 0o700 });
  await using toLeader = new RecordingProxy({ hostname: "127.0.0.1", port });
  const known = toLeader.address.port;
  await using leader = await server(`${dir}/1`, {
    port,
    leaderPort: known,
    flags: [...flags, `--advertise=127.0.0.1:${known}`, `--metrics-port=${metricsPort}`],
  });
  await using follower = await server(`${dir}/2`, { leaderPort: known, flags });
  await leader.reports("2 of 2 in sync");
  const servers = `--servers=${formatAddress(toLeader.address)},${formatAddress(follower.address)}`;
  const client = await task("client:secret");
  for (
    const command of [["put", "cor", "azul"], ["get", "cor"], ["status"], ["status", "--json"]]
  ) {
    const { code, out, err } = await runDeno([...client, servers, ...command], "", secretEnv);
    texts[`client ${command}`] = out + err;
    if (command[0] !== "status") assertEquals(code, 0, err);
  }
  for (const wrong of [secret, `${password}x`]) {
    const { code, out, err } = await runDeno([...client, servers, "get", "cor"], "", {
      KV_PASSWORD: wrong,
    });
    assertEquals(code, 7, err);
    texts["client with a wrong password"] = out + err;
  }
  for (const script of ["server.ts", "client.ts"]) {
    const run = ["run", "--no-prompt", "--allow-net", script];
    const { code, err } = await runDeno([...run, `--secret=${secret}`, `--password=${password}`]);
    assertEquals(code, 2);
    texts[`${script} with a secret among its arguments`] = err;
  }
  await using dashboard = Process.deno(
    [...await task("dashboard"), "--password-stdin", servers, `--port=${pagePort}`],
    { keyboard: true, out: "keep" },
  );
  await dashboard.type(`${password}\n`);
  await dashboard.listensOn(pagePort);
  texts.page = await http(pagePort, "/");
  texts.script = await http(pagePort, "/page.js");
  await eventually("the dashboard sees a server", async () => {
    texts.events = await http(pagePort, "/events", 200_000);
    return texts.events.includes("PUT") || texts.events.includes("azul");
  });
  texts.refusal = await http(pagePort, `/${encodeURIComponent(password.slice(0, 1))}`);
  texts.metrics = await http(metricsPort, "/metrics");
  texts.argv = "";
  for (const { pid } of [leader, follower, dashboard]) {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-ww", "-o", "args=", "-p", `${pid}`],
    })
      .output();
    texts.argv += new TextDecoder("latin1").decode(stdout);
  }
  assertStringIncludes(texts.argv, "server.ts");
  await dashboard.stop();
  await follower.stop();
  await leader.stop();
  texts["dashboard's console"] = dashboard.screen + dashboard.errors;
  texts["leader's console"] = leader.screen + leader.errors;
  texts["follower's console"] = follower.screen + follower.errors;
  texts.wire = toLeader.recorded;
  for (const name of ["1", "2"]) {
    for await (const { name: file } of Deno.readDir(`${dir}/${name}`)) {
      const bytes = await Deno.readFile(`${dir}/${name}/${file}`);
      texts[`file ${name}/${file}`] = new TextDecoder("latin1").decode(bytes);
    }
  }
  // The search can find something: the value that was put is in these.
  for (const what of ["file 1/journal-1", "file 2/journal-1", "wire", "events"]) {
    assertStringIncludes(texts[what]!, "azul", what);
  }
  const traces = [...await tracesOf(secret), ...await tracesOf(password)];
  for (const [what, text] of Object.entries(texts)) assertWithout(what, text, traces);
});

/** The answer to a GET, without an end for an endless one. Bytes as characters. */
async function http(port: number, path: string, charsMax = Infinity): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const request = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: close\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  const latin1 = new TextDecoder("latin1");
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (let reads = 0; text.length < charsMax && reads < 1_000; reads++) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += latin1.decode(buffer.subarray(0, count));
    if (charsMax < Infinity && text.includes("event: keyframe") && text.endsWith("\n\n")) break;
  }
  return text;
}
