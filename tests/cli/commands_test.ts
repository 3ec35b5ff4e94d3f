/** The one-shot commands, in this process: output, messages and exit codes. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../client.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { clusterStatus } from "../../lib/client/cluster_status.ts";
import { statusTable } from "../../lib/cli/status_table.ts";
import { commandTexts } from "../../lib/cli/texts.ts";
import type { StatusResult } from "../../lib/client/kv_client.ts";
import { valueBytesMax } from "../../lib/limits.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { within } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

/** Runs the client with these arguments. */
async function run(args: string[], input = "", terminal = new FakeTerminal(input)) {
  const code = await within("the client ends", exitCode(terminal, () => main(args, terminal)));
  return { code, out: terminal.screen, err: terminal.errors };
}

function serversFlag(...servers: { readonly address: { hostname: string; port: number } }[]) {
  return `--servers=${servers.map(({ address }) => formatAddress(address)).join(",")}`;
}

// PUT and GET

Deno.test("put and get: one line, then the value and nothing else", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  assertEquals(await run([servers, "put", "cor", "azul"]), {
    ...{ code: 0, err: "" },
    out: `PUT_OK key: cor timestamp 1 realizada no servidor ${server.name}\n`,
  });
  assertEquals(await run(["get", "cor", servers]), { code: 0, out: "azul", err: "" });
});

Deno.test("a value is escaped and ends its line on a terminal, and is raw in a pipe", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  await run([servers, "put", "cor", "a\n\u001b[2J"]);
  assertEquals((await run([servers, "get", "cor"])).out, "a\n\u001b[2J");
  const terminal = new FakeTerminal("");
  terminal.outIsTerminal = true;
  assertEquals((await run([servers, "get", "cor"], "", terminal)).out, "a\\n\\u001b[2J\n");
});

Deno.test("an absent key: exit code 1, and nothing on standard output", async () => {
  await using server = await TestServer.alone();
  assertEquals(await run([serversFlag(server), "get", "nada"]), {
    ...{ code: 1, out: "", err: "A key não existe: nada\n" },
  });
});

Deno.test("--json: one object for each command, its escapes harmless on a terminal", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  const value = 'ação "x"\n\u009b\u202e';
  const put = await run([servers, "--json", "put", "cor", value]);
  assertEquals(JSON.parse(put.out), { key: "cor", timestamp: 1, server: server.name });
  const get = await run([servers, "--json", "get", "cor"]);
  assertEquals(JSON.parse(get.out), { key: "cor", value, timestamp: 1, server: server.name });
  // deno-lint-ignore no-control-regex
  assertMatch(get.out, /^[^\u0000-\u001f\u007f-\u009f\u202e]*\n$/);
  const absent = await run([servers, "--json", "get", "true"]);
  assertEquals(absent.code, 1);
  assertEquals(JSON.parse(absent.out), {
    key: "true",
    value: null,
    timestamp: 0,
    server: server.name,
  });
});

for (const input of ["linha 1\nlinha 2\n", "\ufeffcom BOM", "", "sem fim", "\r\n", "007"]) {
  Deno.test(`- takes the input as it is: ${JSON.stringify(input)}`, async () => {
    await using server = await TestServer.alone();
    const servers = serversFlag(server);
    assertEquals((await run([servers, "put", "k", "-"], input)).code, 0);
    assertEquals(server.holds("k")?.value, input);
    assertEquals((await run([servers, "get", "k"])).out, input);
  });
}

Deno.test("after -- nothing is a flag, and - is a dash", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  assertEquals((await run([servers, "put", "--", "--help", "-"])).code, 0);
  assertEquals(server.holds("--help")?.value, "-");
  assertEquals((await run([servers, "get", "--", "--help"])).out, "-");
});

Deno.test("words that look like numbers or booleans stay what they are", async () => {
  await using server = await TestServer.alone();
  const servers = serversFlag(server);
  for (const word of ["007", "1e3", "true", "false", ""]) {
    assertEquals((await run([servers, "put", "k", word])).code, 0);
    assertEquals(server.holds("k")?.value, word);
  }
});

// Exit codes

for (
  const [args, complaint] of [
    [["del", "k"], 'unknown command "del"'],
    [["put", "k"], 'the command is "put KEY VALUE", but 1 words follow put'],
    [["put", "k", "v", "w"], 'the command is "put KEY VALUE", but 3 words follow put'],
    [["get"], 'the command is "get KEY", but 0 words follow get'],
    [["status", "x"], 'the command is "status", but 1 words follow status'],
    [["toString"], 'unknown command "toString"'],
    [["get", "-5"], 'unknown argument "-5"'],
    [["get", "k", "--servers=1.2.3"], "--servers must be a list such as"],
    [["get", "k", "--servers="], "--servers needs a value"],
    [["get", "k", "--timeout=0"], "--timeout must be a number from 0.01 to 3600"],
    [["watch-status", "--count=0"], "--count must be a whole number from 1"],
    [["put", "k", "-", "--password-stdin"], "cannot be both the password and the value"],
    [["get", "k", "--session=x/y"], "no permission to read x/y"],
    [["get", "k", "--session="], "--session needs a value"],
    [["get", ""], '"key" is empty'],
    [["--json"], "--json belongs to a command"],
    [["--servers=127.0.0.1:1"], "--servers belongs to a command"],
    [["--"], "-- belongs to a command"],
  ] as const
) {
  Deno.test(`${JSON.stringify(args)} is wrong: exit code 2`, async () => {
    const { code, out, err } = await run([...args]);
    assertEquals([code, out], [2, ""]);
    assertStringIncludes(err, complaint);
  });
}

Deno.test("with --json wrong usage of a command is one line of JSON too", async () => {
  for (
    const args of [["get"], ["nothing"], ["get", "k", "--count=2"], ["get", "k", "--timeout=x"]]
  ) {
    const { code, out, err } = await run(["--json", ...args]);
    assertEquals(code, 2);
    const { error, message } = JSON.parse(out);
    assertEquals([error, `${message}\n`], ["USAGE", err]);
  }
});

Deno.test("an input that is not UTF-8, or too long, is exit code 2, and no server is asked", async () => {
  await using server = new FakeServer(() => {});
  const long = await run([serversFlag(server), "put", "k", "-"], "v".repeat(valueBytesMax + 1));
  assertEquals([long.code, long.err], [2, `the input is longer than ${valueBytesMax} bytes\n`]);
  const terminal = new FakeTerminal();
  terminal.typeBytes(Uint8Array.of(0xff, 0xfe));
  terminal.endInput();
  const binary = await run([serversFlag(server), "put", "k", "-"], "", terminal);
  assertEquals([binary.code, binary.err], [2, "the input is not UTF-8\n"]);
  assertEquals(server.accepted, 0);
});

/** Runs a PUT and a GET against a server that gives these answers. */
async function codes(answer: (request: Message) => Message | undefined) {
  await using server = FakeServer.answering(answer);
  const flags = [serversFlag(server), "--timeout=0.3", "--json"];
  const [put, get] = [await run([...flags, "put", "k", "v"]), await run([...flags, "get", "k"])];
  const errors = [put, get].map(({ out }) => JSON.parse(out).error);
  return { codes: [put.code, get.code], errors, err: [put.err, get.err] };
}

Deno.test("TRY_OTHER_SERVER_OR_LATER everywhere: exit code 3", async () => {
  await using server = FakeServer.answering(({ id, key }) => (
    { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 4 }
  ));
  const { code, out, err } = await run([serversFlag(server), "--timeout=0.2", "get", "k"]);
  assertEquals([code, out], [3, ""]);
  assertEquals(
    err,
    `TRY_OTHER_SERVER_OR_LATER key: k, meu timestamp 0, dos servidores: ${server.name} 4\n`,
  );
});

Deno.test("not done: exit code 4, and JSON says why", async () => {
  const refused = ({ id }: Message) => ({
    type: "ERROR",
    id,
    code: "UNAVAILABLE",
    message: "a\nb",
  });
  const { codes: [put, get], errors, err } = await codes(refused);
  assertEquals([put, get], [4, 4]);
  assertEquals(errors, ["UNAVAILABLE", "UNAVAILABLE"]);
  assertEquals(
    err,
    ["PUT", "GET"].map((choice) => `ERRO no ${choice}: não realizado (UNAVAILABLE: a\\nb)\n`),
  );
  const { code } = await run([
    serversFlag({ address: deadAddress() }),
    "--timeout=0.1",
    "get",
    "k",
  ]);
  assertEquals(code, 4);
});

Deno.test("unknown outcome: exit code 5 for a PUT, 4 for a GET", async () => {
  const hangUp = () => undefined;
  const { codes: [put, get], errors } = await codes(hangUp);
  assertEquals([put, get], [5, 4]);
  assertEquals(errors, ["UNKNOWN_OUTCOME", "UNAVAILABLE"]);
});

Deno.test("the question for the password goes to standard error, not between the values", async () => {
  await using server = await TestServer.alone();
  await run([serversFlag(server), "put", "cor", "azul"]);
  const wrong = await run([serversFlag(server), "--password-stdin", "get", "cor"], "senha\n");
  assertStringIncludes(wrong.err, "Senha dos clientes: ");
  assertEquals(wrong.out, "");
});

// Status

Deno.test("status: a line for each server, exit code 0 while all answer", async () => {
  await using cluster = await Cluster.start();
  await run([serversFlag(...cluster.servers), "put", "cor", "azul"]);
  const { code, out, err } = await run([serversFlag(...cluster.servers), "status"]);
  assertEquals([code, err], [0, ""]);
  const [titles, ...rows] = linesOf(out).map((line) => line.split(/ {2,}/));
  assertEquals(titles, [...commandTexts.columns]);
  assertEquals(
    rows.map((row) => row.slice(0, 6)),
    cluster.servers.map(({ name }, index) => [
      ...[name, index === 0 ? "líder" : "seguidor", "sim", "1", "0", "1"],
    ]),
  );
});

Deno.test("status: a server that is down has its line too, and the exit code is 4", async () => {
  await using cluster = await Cluster.start();
  await cluster.kill(2);
  const flags = [serversFlag(...cluster.servers), "--timeout=2"];
  const { code, out } = await run([...flags, "status"]);
  assertEquals(code, 4);
  const last = linesOf(out).at(-1)!;
  assert(last.startsWith(`${cluster.servers[2]!.name}  fora do ar (`), last);
  const json = await run([...flags, "--json", "status"]);
  assertEquals(json.code, 4);
  const { ok, leader, servers } = JSON.parse(json.out);
  assertEquals([ok, leader], [false, cluster.leader.name]);
  const facts = servers.map((s: Record<string, unknown>) => [s.server, s.reachable, s.inSync]);
  const [a, b, c] = cluster.servers.map(({ name }) => name);
  assertEquals(facts, [[a, true, true], [b, true, true], [c, false, undefined]]);
});

Deno.test("watch-status shows --count tables, cleared only on a terminal, JSON line by line", async () => {
  await using server = await TestServer.alone();
  const flags = [serversFlag(server), "--count=3", "--interval=0.01"];
  const piped = await run([...flags, "watch-status"]);
  assertEquals([piped.code, linesOf(piped.out).length], [0, 6]);
  const json = await run([...flags, "--json", "watch-status"]);
  assertEquals(linesOf(json.out).map((line) => JSON.parse(line).ok), [true, true, true]);
  const terminal = new FakeTerminal("");
  terminal.outIsTerminal = true;
  const shown = await run([...flags, "watch-status"], "", terminal);
  assertEquals(shown.out.split("\x1b[H\x1b[2J").length, 4);
});

Deno.test("watch-status ends when its output is closed", async () => {
  await using server = await TestServer.alone();
  const terminal = new FakeTerminal("");
  terminal.outClosed = true;
  const { code } = await run([serversFlag(server), "watch-status"], "", terminal);
  assertEquals(code, 0);
});

/** The status of a server. The tests read only some of its fields. */
function says(server: string, leader: string, timestamp: number, more = {}): StatusResult {
  const lists = { inSync: [], followers: [] };
  const numbers = { keys: 2, connections: 3, uptimeMs: 3_725_000, memoryBytes: 83_886_080 };
  const status = { server, leader, cluster: "c", timestamp, ...lists, ...numbers, faults: false };
  return { server, reachable: true, status: { ...status, ...more } };
}

Deno.test("lag and in sync are those that the leader reports, and unknown without it", () => {
  const followers = [{ server: "10.0.0.2:1", timestamp: 7, inSync: false }];
  const leader = says("10.0.0.1:1", "10.0.0.1:1", 9, { inSync: ["10.0.0.1:1"], followers });
  const behind = says("10.0.0.2:1", "10.0.0.1:1", 8);
  const stranger = says("10.0.0.3:1", "10.0.0.9:1", 5);
  const facts = (...results: StatusResult[]) =>
    clusterStatus(results).servers.map((s) => s.reachable && [s.role, s.inSync, s.lag]);
  assertEquals(facts(leader, behind, stranger), [
    ["leader", true, 0],
    ["follower", false, 2],
    ["follower", null, null],
  ]);
  assertEquals(facts(behind), [["follower", null, null]]);
});

Deno.test("servers of two clusters: each leader is in sync with itself, and the status is not ok", () => {
  const one = says("10.0.0.1:1", "10.0.0.1:1", 9, { inSync: ["10.0.0.1:1"] });
  const other = says("10.0.0.2:1", "10.0.0.2:1", 3, { inSync: ["10.0.0.2:1"], cluster: "d" });
  const { ok, servers } = clusterStatus([one, other]);
  assertEquals(servers.map((s) => s.reachable && s.inSync), [true, true]);
  assertEquals(ok, false);
  assertEquals(clusterStatus([one, says("10.0.0.3:1", "10.0.0.1:1", 0, { cluster: "" })]).ok, true);
});

Deno.test("the table is aligned, and has colours only on request", () => {
  const followers = [{ server: "10.0.0.2:1", timestamp: 7, inSync: false }];
  const status = clusterStatus([
    says("10.0.0.1:1", "10.0.0.1:1", 9, { inSync: ["10.0.0.1:1"], followers }),
    says("10.0.0.2:1", "10.0.0.1:1", 8),
    { server: "10.0.0.3:10099", reachable: false, reason: "a\x1b[2J" },
  ]);
  const plain = statusTable(status, false);
  assertEquals(
    plain,
    [
      "SERVIDOR        PAPEL     EM DIA  TIMESTAMP  ATRASO  KEYS  CONEXÕES  NO AR HÁ   MEMÓRIA",
      "10.0.0.1:1      líder     sim     9          0       2     3         1 h 2 min  80 MiB",
      "10.0.0.2:1      seguidor  não     8          2       2     3         1 h 2 min  80 MiB",
      "10.0.0.3:10099  fora do ar (a\\u001b[2J)",
      "",
    ].join("\n"),
  );
  const colored = statusTable(status, true);
  assertStringIncludes(colored, "\x1b[31mfora do ar");
  // deno-lint-ignore no-control-regex
  assertEquals(colored.replaceAll(/\x1b\[\d+m/g, ""), plain);
});

for (
  const [ms, text] of [
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min 0 s"],
    [3_600_000, "1 h 0 min"],
    [90_000_000, "1 d 1 h"],
  ] as const
) {
  Deno.test(`${ms} ms is ${text}`, () => assertEquals(commandTexts.duration(ms), text));
}
