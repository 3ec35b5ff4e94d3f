/**
 * The one-shot commands as real processes: `deno task client …`, with their exit codes, pipes and session files.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { valueBytesMax } from "../../../lib/limits.ts";
import { formatAddress } from "../../../lib/wire/address.ts";
import { Process } from "../../../bench/process.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { linesOf } from "../../support/lines.ts";
import { deadAddress } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, runDeno, runTask } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually, within } from "../../support/waiting.ts";

const processMsMax = 20_000;
const project = new URL("../../../", import.meta.url);

function serversFlag(...servers: { readonly address: { hostname: string; port: number } }[]) {
  return `--servers=${servers.map(({ address }) => formatAddress(address)).join(",")}`;
}

Deno.test("deno task client put, get, status: what they print, and code 0", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  const put = await runTask(
    "client",
    [servers, "--lang=pt", "put", "cor", "-"],
    "\ufeffazul\r\n\n",
  );
  assertEquals([put.code, put.out], [
    0,
    `PUT_OK key: cor timestamp 1 realizada no servidor ${server.name}\n`,
  ]);
  const get = await runTask("client", [servers, "get", "cor"]);
  assertEquals([get.code, get.out], [0, "\ufeffazul\r\n\n"]);
  const status = await runTask("client", [servers, "--json", "status"]);
  assertEquals(status.code, 0);
  assertEquals(JSON.parse(status.out).servers[0].keys, 1);
  const watch = await runTask("client", [servers, "watch-status", "--count=2", "--interval=0.05"]);
  assertEquals([watch.code, linesOf(watch.out).length], [0, 4]);
});

Deno.test("KV_SERVERS has the servers of client:secret; client may not read it, and does not ask", async () => {
  await using server = await TestServer.alone();
  const env = { KV_SERVERS: server.name };
  const { args } = await commandOf("client:secret");
  const put = await runDeno([...args, "put", "cor", "azul"], "", env);
  assertEquals([put.code, put.err], [0, ""]);
  const wrong = await runDeno([...args, "get", "cor"], "", { KV_SERVERS: "10097" });
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "KV_SERVERS must be a list such as 127.0.0.1:10097,");
  const flag = await runDeno([...args, serversFlag(server), "get", "cor"], "", { KV_SERVERS: "" });
  assertEquals([flag.code, flag.out], [0, "azul"]);
  const { args: plain } = await commandOf("client");
  const unread = await runDeno([...plain, "completion", "bash"], "", { KV_SERVERS: "10097" });
  assertEquals([unread.code, unread.err], [0, ""]);
});

Deno.test("without --lang a command speaks the language of the system", async () => {
  await using server = await TestServer.alone();
  const args = ["run", "--allow-net", "client.ts", serversFlag(server), "get", "nada"];
  for (
    const [LC_ALL, text] of [["pt_BR.UTF-8", "A key não existe"], ["C", "No such key"]] as const
  ) {
    const { code, err } = await runDeno(args, "", { LC_ALL });
    assertEquals([code, err], [1, `${text}: nada\n`]);
  }
});

Deno.test("bash completes commands and flags with the script of `completion bash`", async () => {
  const scripted = async (shell: string, script: string) => {
    const { code, out } = await runTask("client", ["completion", shell]);
    assertEquals(code, 0);
    const command = new Deno.Command(shell, { args: ["-c", `${out}\n${script}`] });
    return new TextDecoder().decode((await command.output()).stdout);
  };
  const words = "COMP_WORDS=(kv fault pa); COMP_CWORD=2; _kv; echo ${COMPREPLY[*]}";
  assertEquals(await scripted("bash", words), "pause\n");
  const flag = "COMP_WORDS=(kv --ser); COMP_CWORD=1; _kv 2>/dev/null; echo ${COMPREPLY[*]}";
  assertEquals(await scripted("bash", flag), "--servers=\n");
});

Deno.test("every exit code of `deno task client`", async () => {
  await using server = await TestServer.alone();
  await using behind = FakeServer.answering(({ id, key }) => (
    { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 0 }
  ));
  await using rude = FakeServer.answering(() => undefined);
  await using strict = FakeServer.answering(({ id }) => (
    { type: "ERROR", id, code: "FORBIDDEN", message: "hoje não" }
  ));
  const dead = { address: deadAddress() };
  const cases: [code: number, servers: string, ...args: string[]][] = [
    [0, serversFlag(server), "put", "k", "v"],
    [1, serversFlag(server), "get", "nada"],
    [2, serversFlag(server), "get"],
    [3, serversFlag(behind), "--timeout=0.3", "get", "k"],
    [4, serversFlag(dead), "--timeout=0.3", "get", "k"],
    [4, serversFlag(dead), "--timeout=0.3", "put", "k", "v"],
    [4, serversFlag(server, dead), "--timeout=2", "status"],
    [5, serversFlag(rude), "--timeout=0.3", "put", "k", "v"],
    [7, serversFlag(strict), "--timeout=60", "put", "k", "v"],
  ];
  for (const [code, ...args] of cases) {
    assertEquals((await runTask("client", args)).code, code, `${args}`);
  }
});

Deno.test("a program without --allow-net, or for another address: exit code 7, and the reason", async () => {
  for (const flags of [[], ["--allow-net=127.0.0.1:1"]]) {
    const run = ["run", "--no-prompt", ...flags, "client.ts", "--servers=127.0.0.1:2"];
    for (const command of [["get", "cor"], ["status"]]) {
      const { code, out, err } = await runDeno([...run, ...command]);
      assertEquals(code, 7, err);
      assertStringIncludes(out + err, "no permission to connect to 127.0.0.1:2");
    }
  }
});

Deno.test("watch-status ends by itself if its pipe is closed", async () => {
  await using server = await TestServer.alone();
  // Not a `Process`, because that class reads an output to its end.
  await using child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", "client.ts"].concat(
      [serversFlag(server), "--json", "watch-status", "--interval=0.05"],
    ),
    cwd: project,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  assert(!(await reader.read()).done);
  await reader.cancel();
  const { success } = await within("the process ends", child.status, processMsMax);
  assert(success);
});

Deno.test("a session file: later commands read nothing older, and commands at the same time lose nothing", async () => {
  await using server = await TestServer.alone();
  using scratch = new Scratch();
  const folder = scratch.path;
  const file = `${folder}/deep/session.json`;
  const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  const flags = ["run", "--no-prompt", "--allow-net", ...permissions, "client.ts"];
  const client = (...args: string[]) => runDeno([...flags, `--session=${file}`, ...args]);
  const keys = ["a", "b", "c", "d"];
  const servers = serversFlag(server);
  const puts = await Promise.all(keys.map((key) => client(servers, "put", key, "v")));
  assertEquals(puts.map(({ code }) => code), [0, 0, 0, 0], puts.map(({ err }) => err).join());
  const { timestamps, cluster } = JSON.parse(await Deno.readTextFile(file));
  assertEquals(timestamps.map(([key]: [string]) => key).sort(), keys);

  // A server that is behind the session does not answer, and the command prints no older value.
  await using behind = FakeServer.answering(({ id, key, timestamp }) =>
    timestamp === 0
      ? { type: "GET_OK", id, key, value: "antigo", timestamp: 0 }
      : { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 0 }
  );
  const stale = await client(serversFlag(behind), "--lang=en", "--timeout=0.3", "get", "a");
  assertEquals([stale.code, stale.out], [3, ""]);
  assertStringIncludes(stale.err, `or delete the session's file ${file}.\n`);

  await using other = await TestServer.alone();
  const reset = await client(serversFlag(other), "--lang=pt", "get", "a");
  assertEquals(reset.code, 2);
  assertStringIncludes(reset.err, "pertence a outro cluster");
  assertStringIncludes(reset.err, `apague o arquivo da sessão ${file}.\n`);
  assertEquals(JSON.parse(await Deno.readTextFile(file)).cluster, cluster);

  await Deno.writeTextFile(file, '{"version":2}');
  const bad = await client(servers, "get", "a");
  assertEquals(bad.code, 2);
  assertStringIncludes(bad.err, 'not an exported session: "version" must be 1, not 2');
});

Deno.test("a PUT whose session cannot be saved is exit code 6, and one that could never be saved is not sent", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  using scratch = new Scratch();
  const folder = scratch.path;
  const file = `${folder}/session.json`;
  await Deno.mkdir(`${file}.lock`); // the path of the lock
  const permissions = [`--allow-read=${folder}`, `--allow-write=${folder}`];
  const flags = [
    "run",
    "--no-prompt",
    "--allow-net",
    ...permissions,
    "client.ts",
    servers,
    "--lang=pt",
  ];
  const put = await runDeno([...flags, `--session=${file}`, "put", "cor", "azul"]);
  assertEquals(put.code, 6);
  assertStringIncludes(put.err, "A sessão não foi gravada");
  assertEquals(server.holds("cor")?.value, "azul");

  const narrow = permissions.map((flag) => `${flag}/session.json`);
  const args = ["run", "--no-prompt", "--allow-net", ...narrow, "client.ts", servers];
  const refused = await runDeno([...args, `--session=${file}`, "put", "cor", "verde"]);
  assertEquals(refused.code, 2);
  assertStringIncludes(refused.err, `no permission to read ${folder}/;`);
  assertEquals(server.holds("cor")?.value, "azul", "a PUT that could not be recorded is not sent");
});

Deno.test({
  name: "an output that cannot be written is reported in one line, with exit code 6",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using server = await TestServer.alone();
    const args = ["run", "--no-prompt", "--allow-net", "client.ts", serversFlag(server)];
    await using client = Process.deno([...args, "put", "cor", "azul"], {
      out: { file: "/dev/full" },
    });
    assertEquals(
      [await client.end(), linesOf(client.errors).length, server.holds("cor")?.value],
      [6, 1, "azul"],
    );
  },
});

Deno.test("a large value is complete in a pipe that is not read for a while", async () => {
  await using server = await TestServer.alone();
  const value = `${"é".repeat(valueBytesMax / 2 - 1)}z`;
  await using client = new KvClient([server.address]);
  await client.put("grande", value);
  const args = ["run", "--no-prompt", "--allow-net", "client.ts", serversFlag(server)];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args, "get", "grande"],
    cwd: project,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  await eventually(
    "the GET is answered",
    () => server.prints.some((line) => line.includes("GET key:grande")),
  );
  // The command stays for its reader: its end would lose the rest.
  assertEquals((await new Response(child.stdout).text()) === value, true);
  assertEquals((await child.status).code, 0);
});

Deno.test({
  name: "arguments, variables and files that are not UTF-8: one sentence and exit code 2",
  ignore: Deno.build.os !== "linux", // other systems have no such names
  fn: async () => {
    using scratch = new Scratch();
    const session = `${scratch.path}/session.json`;
    const pem = `${scratch.path}/ca.pem`;
    Deno.writeFileSync(session, Uint8Array.of(0x7b, 0xe1, 0x7d));
    Deno.writeFileSync(pem, Uint8Array.of(0xff, 0xfe, 0x2d, 0));
    const client =
      "run --no-prompt --allow-net --allow-read --allow-write --allow-env=KV_PASSWORD client.ts";
    const latin1 = `"$(printf 'p\\341')"`;
    const cases: readonly [arguments_: string, error: string][] = [
      [`put ${latin1} v`, "argument 2 is not UTF-8"],
      [`put k ${latin1}`, "argument 3 is not UTF-8"],
      [`get -- ${latin1}`, "argument 3 is not UTF-8"],
      [`--session=${latin1} get k`, "argument 1 is not UTF-8"],
      [`--session="${session}" get k`, `--session=${session}: it is not UTF-8`],
      [`--tls-ca="${pem}" get k`, `--tls-ca=${pem} is UTF-16, with a byte order mark`],
      [`get k`, "KV_PASSWORD in the environment is not UTF-8"],
    ];
    for (const [given, error] of cases) {
      const variable = given === "get k" ? `KV_PASSWORD=${latin1} ` : "";
      const command = `${variable}exec "${Deno.execPath()}" ${client} ${given}`;
      await using process = new Process("sh", ["-c", command], { out: "keep" });
      assertEquals(await process.end(), 2, given);
      assert(process.errors.startsWith(error), process.errors);
      assertEquals(linesOf(process.errors).length, 1);
    }
  },
});

Deno.test("deno task client:session may use its folder and no other file; client has no session", async () => {
  await using server = await TestServer.alone();
  const file = `.session/test-${Deno.pid}.json`;
  const servers = serversFlag(server);
  try {
    const put = await runTask("client:session", [
      servers,
      `--session=${file}`,
      "put",
      "cor",
      "azul",
    ]);
    assertEquals(put.code, 0, put.err);
    const session = JSON.parse(await Deno.readTextFile(new URL(file, project)));
    assertEquals(session.timestamps, [["cor", 1]]);
  } finally {
    for (const path of [file, `${file}.lock`]) {
      await Deno.remove(new URL(path, project)).catch(() => {});
    }
  }
  const outside = await runTask("client:session", [servers, "--session=deno.json", "get", "cor"]);
  assertEquals(outside.code, 2);
  assertStringIncludes(outside.err, "--session=deno.json: no permission to read deno.json");
  const plain = await runTask("client", [servers, `--session=${file}`, "get", "cor"]);
  assertEquals(plain.code, 2);
});

Deno.test("--help of every role has examples, and code 0", async () => {
  for (const role of ["client", "server", "start", "setup"]) {
    const { code, out } = await runTask(role, ["--help"]);
    assertEquals(code, 0, role);
    assertMatch(out, new RegExp(`\\n {2}deno task ${role}[ \\n]`), role);
  }
});
