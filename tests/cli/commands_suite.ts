/** The one-shot commands, in this process: output, messages and exit codes. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../../client.ts";
import config from "../../deno.json" with { type: "json" };
import { Secret } from "../../lib/auth/secret.ts";
import { clientUsage } from "../../lib/cli/client_flags.ts";
import { languageOf } from "../../lib/cli/language.ts";
import { portugueseReason } from "../../lib/cli/reasons.ts";
import { sendCharsMax } from "../../lib/cli/operator_commands.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { version } from "../../lib/version.ts";
import { tlsExpected } from "../../lib/wire/errors.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { clusterStatus } from "../../lib/client/cluster_status.ts";
import { runCommand } from "../../lib/cli/commands.ts";
import { statusTable } from "../../lib/cli/status_table.ts";
import { commandTexts, durationText } from "../../lib/cli/command_texts.ts";
import { KvClient, LostError, type StatusResult } from "../../lib/client/kv_client.ts";
import { valueBytesMax } from "../../lib/limits.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { Cluster } from "../support/cluster.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { anyPort, deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { otherCa, server as certificates } from "../support/tls_fixture.ts";
import { within } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

/** Runs the client in Portuguese with these arguments. */
async function run(args: string[], input = "", terminal = new FakeTerminal(input)) {
  const isCommand = args.some((arg) => !arg.startsWith("-"));
  const line = isCommand ? ["--lang=pt", ...args] : args; // the menu has no --lang
  const code = await within("the client ends", exitCode(terminal, () => main(line, terminal)));
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
    [["get", ""], "a key está vazia [INVALID_ARGUMENT]"],
    [["put", "", "v", "--if-absent"], "a key está vazia"],
    [["delete", ""], "a key está vazia"],
    [["lock", ""], "a key está vazia"],
    [["watch", ""], "a key está vazia"],
    [["get", "k", "--ttl=5"], "--ttl belongs to put and lock: see --help"],
    [["get", "k", "--if-absent"], "--if-absent belongs to put and import: see --help"],
    [["put", "k", "v", "--latest"], "--latest belongs to get: see --help"],
    [["list", "--count=1"], "--count belongs to watch-status, observe and watch: see --help"],
    [["put", "k", "v", "--if-absent", "--if-timestamp=1"], "contradict each other"],
    [["put", "k", "v", "--if-timestamp=-1"], "--if-timestamp must be a whole number from 0"],
    [["delete", "k", "--if-timestamp=0"], "--if-timestamp must be a whole number from 1"],
    [["put", "k", "v", "--ttl=0.9"], "--ttl must be a number from 1 to 2147483"],
    [["watch"], 'the command is "watch KEY|--prefix=P": a key, or a prefix, and not both'],
    [["watch", "k", "--prefix=p"], "a key, or a prefix, and not both"],
    [["watch", "--prefix"], "--prefix needs a value"],
    [["lock", "a", "b"], 'the command is "lock NAME [-- COMMAND…]": put -- before the program'],
    [["lock", "--", "-a", "b"], "put -- before the program"],
    [["lock", "a", "--", "true"], 'no permission to run "true": "deno task client:lock NAME'],
    [["import", "file"], 'the command is "import", but 1 words follow import'],
    [["import", "--from-line=0"], "--from-line must be a whole number from 1"],
    [["--if-absent"], "--if-absent belongs to a command"],
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
  const encodings = {
    "is not UTF-8": [0x70, 0xe1, 10],
    "is UTF-16, with a byte order mark": [0xff, 0xfe, 0x70, 0],
  };
  for (const [fault, bytes] of Object.entries(encodings)) {
    const terminal = new FakeTerminal(undefined, false);
    terminal.typeBytes(new Uint8Array(bytes));
    terminal.endInput();
    const { code, err } = await run([serversFlag(server), "put", "k", "-"], "", terminal);
    assertEquals([code, err], [2, `the input ${fault}: save it as UTF-8\n`]);
  }
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
    ["PUT", "GET"].map((choice) =>
      `ERRO no ${choice}: não realizado: o servidor não atende agora («a\\nb») [UNAVAILABLE]\n`
    ),
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

Deno.test("a session that has seen more than all servers hold: what to do, below the refusal", async () => {
  await using server = FakeServer.answering(({ type, id, key }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key, timestamp: 5 }
      : { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 4 }
  );
  await using client = new KvClient([server.address], { timeoutMs: 400 });
  await client.put("k", "v");
  for (const session of [undefined, "s.json"]) {
    const screen = new FakeTerminal("");
    const get = { name: "get", key: "k", latest: false } as const;
    const how = { json: false, texts: commandTexts.pt, timeoutMs: 100, access: {} };
    const context = { ...how, screen, session, servers: [server.address] };
    assertEquals(await runCommand(context, client, get), 3);
    const [refused, advice] = linesOf(screen.errors);
    assertStringIncludes(refused!, `meu timestamp 5, dos servidores: ${server.name} 4`);
    assertStringIncludes(advice!, "grave a key de novo, ou apague o arquivo da sessão");
    assertEquals(advice!.endsWith(" s.json."), session !== undefined);
  }
});

Deno.test("what the session saw is lost: exit code 3, and what to delete", async () => {
  const lost = { get: () => Promise.reject(new LostError("127.0.0.1:1", "k", 5)) };
  for (
    const [lang, text] of [
      [
        "en",
        "GET failed key: k: what this session saw was lost with the leader, before it was acknowledged.",
      ],
      [
        "pt",
        "ERRO no GET key: k: o que esta sessão viu se perdeu com o líder, antes de ser confirmado.",
      ],
    ] as const
  ) {
    const screen = new FakeTerminal("");
    const how = { json: true, texts: commandTexts[lang], timeoutMs: 100, access: {}, servers: [] };
    const get = { name: "get", key: "k", latest: false } as const;
    const client = lost as unknown as KvClient;
    assertEquals(await runCommand({ ...how, screen, session: "s.json" }, client, get), 3);
    assertEquals(JSON.parse(screen.screen).error, "LOST");
    assertStringIncludes(screen.errors, text);
    assertStringIncludes(screen.errors, " s.json.\n");
  }
});

Deno.test("a person is asked for the password on standard error, a pipe is not", async () => {
  await using server = await TestServer.alone();
  const args = [serversFlag(server), "--password-stdin", "get", "cor"];
  const person = await run(args, "", new FakeTerminal("senha\n", true));
  assert(person.err.startsWith("Senha dos clientes: \n"), person.err);
  const pipe = await run(args, "senha\n");
  assertEquals(person.err, `Senha dos clientes: \n${pipe.err}`);
  assertEquals(person.out + pipe.out, "");
});

// Status

Deno.test("status: a line for each server, exit code 0 while all answer", async () => {
  await using cluster = await Cluster.start();
  await run([serversFlag(...cluster.servers), "put", "cor", "azul"]);
  const { code, out, err } = await run([serversFlag(...cluster.servers), "status"]);
  assertEquals([code, err], [0, ""]);
  const [titles, ...rows] = linesOf(out).map((line) => line.split(/ {2,}/));
  assertEquals(titles, [...commandTexts.pt.columns]);
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

Deno.test("status: a mistake is named in place of an outage, and is exit code 7 if there is no outage", async () => {
  await using good = await TestServer.alone();
  await using bad = new FakeServer((wire) => wire.write("HTTP/1.1 400 Bad Request\r\n"), {
    answersStatus: false,
  });
  const mistaken = await run([serversFlag(good, bad), "status"]);
  assertEquals(mistaken.code, 7);
  const last = linesOf(mistaken.out).at(-1)!;
  assert(last.startsWith(`${bad.name}  não é um servidor deste sistema (`), last);
  const json = JSON.parse((await run([serversFlag(good, bad), "--json", "status"])).out);
  assertEquals([json.ok, json.servers[1].code], [false, "PROTOCOL"]);
  const both = await run([
    serversFlag(good, bad, { address: deadAddress() }),
    "--timeout=2",
    "status",
  ]);
  assertEquals(both.code, 4);
  assertStringIncludes(both.out, "fora do ar (");
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
  // A follower may dial its leader by a name that the leader does not have for itself.
  assertEquals(facts(leader, says("10.0.0.2:1", "kv-0:1", 8))[1], ["follower", false, 2]);
  const other = says("10.0.0.2:1", "kv-0:1", 8, { cluster: "d" });
  assertEquals(facts(leader, other)[1], ["follower", null, null]);
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
  const plain = statusTable(status, commandTexts.pt, false);
  assertEquals(
    plain,
    [
      "SERVIDOR        PAPEL     EM DIA  TIMESTAMP  ATRASO  KEYS  CONEXÕES  NO AR HÁ   MEMÓRIA",
      "10.0.0.1:1      líder     sim     9          0       2     3         1 h 2 min  80 MiB",
      "10.0.0.2:1      seguidor  não     8          2       2     3         1 h 2 min  80 MiB",
      "10.0.0.3:10099  fora do ar (o servidor não atende agora («a\\u001b[2J») [UNAVAILABLE])",
      "",
    ].join("\n"),
  );
  const colored = statusTable(status, commandTexts.pt, true);
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
  Deno.test(`${ms} ms is ${text}`, () => assertEquals(durationText(ms), text));
}

// Languages

Deno.test("--lang=en speaks English, --lang=pt Portuguese, in answers, failures and status", async () => {
  await using server = await TestServer.alone();
  const dead = deadAddress();
  const english = (...args: string[]) => run(["--lang=en", ...args]);
  const at = serversFlag(server);
  assertEquals(
    (await english(at, "put", "cor", "azul")).out,
    `PUT_OK key: cor timestamp 1 by server ${server.name}\n`,
  );
  assertEquals((await english(at, "get", "nada")).err, "No such key: nada\n");
  assertEquals(
    (await english(at, "get", "")).err,
    'GET failed: invalid request: "key" is empty\n',
  );
  const [titles, row] = linesOf((await english(at, "status")).out);
  assertEquals(titles!.split(/ {2,}/), [...commandTexts.en.columns]);
  assertMatch(row!, / leader +yes /);
  const down = serversFlag({ address: dead });
  for (const [lang, words] of [["en", "refused"], ["pt", "recusada"]] as const) {
    const { err } = await run([`--lang=${lang}`, down, "--timeout=0.2", "get", "cor"]);
    assertStringIncludes(err, words);
    const { out } = await run([`--lang=${lang}`, down, "--timeout=0.2", "status"]);
    assertStringIncludes(out, words);
  }
});

Deno.test("put checks the key before it reads the value", async () => {
  const terminal = new FakeTerminal(undefined, false); // an input that does not end
  const { code, err } = await run(["put", "", "-"], "", terminal);
  assertEquals([code, err.includes("a key está vazia")], [2, true]);
  terminal.endInput();
});

Deno.test("--lang: any case and any region; an unknown language is an error", async () => {
  await using server = await TestServer.alone();
  for (const tag of ["EN", "en-US", "en_GB.UTF-8"]) {
    const { err } = await run([`--lang=${tag}`, serversFlag(server), "get", "nada"]);
    assertEquals(err, "No such key: nada\n");
  }
  const { err } = await run(["--lang=pt_BR", serversFlag(server), "get", "nada"]);
  assertEquals(err, "A key não existe: nada\n");
  const { code, err: complaint } = await run(["--lang=fr", "get", "k"]);
  assertEquals([code, complaint], [2, '--lang must be en or pt, not "fr"\n']);
});

for (
  const [tag, language] of [
    ...[["pt-BR", "pt"], ["pt", "pt"], ["PT-pt", "pt"], ["en-US", "en"], ["C", "en"]] as const,
    ...[["ptx", "en"], ["", "en"], ["fr-FR", "en"]] as const,
  ]
) {
  Deno.test(`the system's language ${JSON.stringify(tag)} is ${language}`, () => {
    assertEquals(languageOf(tag), language);
  });
}

// What leaders, followers and the library say to clients: the message, its translation.
for (
  const [reason, code, portuguese] of [
    ["not applied: the leader waits for all 3 servers, 1 have joined", "UNAVAILABLE"],
    ["not applied: 1 of 3 servers are in sync, and 2 must be", "UNAVAILABLE"],
    ["may be applied later: not every server in sync has acknowledged the writes in time"],
    ["may or may not be applied: the leader did not answer in time"],
    ["may or may not be applied: the connection to the leader was lost"],
    ["UNAVAILABLE: not applied: no connection to the leader 127.0.0.1:1", "UNAVAILABLE"],
    ["OVERLOADED: not applied: 7 PUTs are waiting already, try again later", "OVERLOADED"],
    [
      "not applied: the leader 127.0.0.1:1 runs a version that knows only PUT and GET",
      "UNAVAILABLE",
    ],
    [
      "not applied: 127.0.0.1:1 runs a version without deletions and times to live: upgrade it",
      "UNAVAILABLE",
    ],
    [
      'the lock "job" may be lost: no server has renewed it for 900 ms, less a margin',
      "LOCK_LOST",
      "o lock job pode estar perdido: nenhum servidor o renovou em 900 ms [LOCK_LOST]",
    ],
    ['the lock "job" may be lost: another program has it', "LOCK_LOST"],
    ['line 7: "key" is longer than 1024 bytes', "TOO_LARGE"],
    ["no connection within 300 ms", "UNAVAILABLE", "sem conexão em 300 ms [UNAVAILABLE]"],
    ["failed to lookup address information: Name or service not known", "UNAVAILABLE"],
    ["No route to host (os error 113)", "UNAVAILABLE"],
    ["Connection timed out (os error 110)", "UNAVAILABLE"],
    ["No connection could be made because … refused it. (os error 10061)", "UNAVAILABLE"],
    ["Too many open files (os error 24)", "UNAVAILABLE"],
    ["cannot connect to [fe80::1]:1: Invalid argument (os error 22)", "INVALID_ARGUMENT"],
    ["OVERLOADED: this server has 4 connections from 1.2.3.4 already (--max-x)", "OVERLOADED"],
    ["UNAVAILABLE: idle for 3000 ms (--idle-timeout): connect again", "UNAVAILABLE"],
    ["UNAVAILABLE: not applied: etcd cannot be reached: no connection: x", "UNAVAILABLE"],
    [
      "not sent within 9 ms: all servers have failed, the last one with: Connection refused (os error 111)",
      "UNAVAILABLE",
    ],
    [
      "127.0.0.1:1: of another program; 127.0.0.1:2: the connection was lost",
      "UNAVAILABLE",
      "127.0.0.1:1: «of another program»; 127.0.0.1:2: a conexão caiu [UNAVAILABLE]",
    ],
    [
      "127.0.0.1:1: Connection refused (os error 111); 127.0.0.1:2: the connection was lost",
      "UNAVAILABLE",
      "127.0.0.1:1: conexão recusada: não há servidor nesse endereço; " +
      "127.0.0.1:2: a conexão caiu [UNAVAILABLE]",
    ],
    [
      "kv-9:1 (10.0.0.9:1) was dialled, and this server is kv-0:1: dial that address, start the server with --advertise, or use TLS at both ends",
      "FORBIDDEN",
      "este servidor se chama kv-0:1, e o cliente discou kv-9:1: use aquele endereço, inicie o servidor " +
      "com --advertise, ou use TLS nos dois lados [FORBIDDEN]",
    ],
    [
      "the other end is older than this server: upgrade clients and dashboards before servers",
      "FORBIDDEN",
      "o servidor é mais novo que este cliente: atualize o cliente [FORBIDDEN]",
    ],
  ] as const
) {
  Deno.test(`in Portuguese: ${reason}`, () => {
    const shown = portugueseReason(reason, code ?? "UNKNOWN_OUTCOME");
    if (portuguese !== undefined) assertEquals(shown, portuguese);
    else assert(!shown.includes("«"), `it has a translation: ${shown}`);
  });
}

// Commands for operators

Deno.test("a command may be typed in any case, and a mistyped one gets a guess", async () => {
  await using server = await TestServer.alone();
  const at = serversFlag(server);
  assertEquals((await run([at, "PUT", "cor", "azul"])).code, 0);
  assertEquals((await run([at, "Get", "cor"])).out, "azul");
  for (
    const [args, guess] of [
      [["gte", "k"], 'unknown command "gte", did you mean "get"? see --help'],
      [["satus"], 'did you mean "status"?'],
      [["watchstatus"], 'did you mean "watch-status"?'],
      [["get", "k", "--server=1"], 'unknown argument "--server", did you mean "--servers"?'],
      [["get", "k", "--jsn"], 'did you mean "--json"?'],
      [["get", "k", "-servers=1"], 'unknown argument "-servers", did you mean "--servers"?'],
      [["get", "k", "--json=1"], "--json takes no value"],
      [["get", "k", "--pass"], 'did you mean "--password-stdin"?'],
      [["sta"], 'did you mean "status"?'],
      [["watchs", "k"], 'did you mean "watch"?'],
      [["lst"], 'unknown command "lst", did you mean "list"?'],
      [["del", "k"], 'unknown command "del", did you mean "delete"?'],
      [["put", "k", "v", "--if-abs"], 'did you mean "--if-absent"?'],
      [["put", "k", "v", "--if-timestmp=1"], 'did you mean "--if-timestamp"?'],
      [["set", "a", "b"], 'unknown command "set": see --help'],
      [["remember"], 'unknown command "remember": see --help'],
    ] as const
  ) {
    const { code, err } = await run([...args]);
    assertEquals(code, 2);
    assertStringIncludes(err, guess);
  }
});

Deno.test("--help, -h and help show the help; --version the version of deno.json", async () => {
  for (const args of [["--help"], ["-h"], ["help"], ["HELP"], ["help", "put"], ["put", "-h"]]) {
    const { code, out } = await run(args);
    assertEquals([code, out], [0, clientUsage]);
  }
  assertEquals(await run(["--version"]), { code: 0, out: `${version}\n`, err: "" });
  assertEquals(version, config.version);
});

Deno.test("fault: the leader is looked up; its refusal is told; delay needs a time", async () => {
  const two = { clusterSize: 2, minInSync: 2 };
  await using leader = new TestServer(anyPort, undefined, two, {}, { allowFaults: true });
  await using follower = new TestServer(anyPort, leader.address, two);
  await follower.ready();
  const at = serversFlag(follower, leader);
  assertEquals(await run([at, "fault", "Pause", follower.name]), {
    ...{ code: 0, err: "", out: `FAULT_OK pause ${follower.name} no líder ${leader.name}\n` },
  });
  const delayed = await run([at, "--json", "fault", "delay", follower.name, "50"]);
  assertEquals(JSON.parse(delayed.out), {
    ...{ action: "delay", follower: follower.name, delayMs: 50, leader: leader.name },
  });
  assertEquals((await run([at, "fault", "resume", follower.name])).code, 0);
  const unknown = await run([at, "fault", "pause", "127.0.0.1:1"]);
  assertStringIncludes(unknown.err, "ERRO no FAULT: pedido inválido: nenhum seguidor 127.0.0.1:1");
  for (
    const wrong of [["pause"], ["delay", "127.0.0.1:1"], ["stop", "127.0.0.1:1"], ["pause", "x"]]
  ) {
    assertEquals((await run([at, "fault", ...wrong])).code, 2, wrong.join(" "));
  }
});

Deno.test("fault: a server without --allow-faults, and a cluster without a leader", async () => {
  await using server = await TestServer.alone();
  const refused = await run([serversFlag(server), "fault", "pause", "127.0.0.1:1"]);
  assertStringIncludes(refused.err, "roda sem --allow-faults [FORBIDDEN]");
  const down = serversFlag({ address: deadAddress() });
  const lost = await run([down, "--timeout=1", "fault", "pause", "127.0.0.1:1"]);
  assertEquals(lost.code, 4);
  assertStringIncludes(lost.err, "nenhum servidor que responde é o líder");
});

Deno.test("observe shows --count events, one a line, as JSON on request", async () => {
  await using server = await TestServer.alone();
  const at = serversFlag(server);
  await run([at, "put", "cor", "azul\x1b[2J"]);
  const { code, out } = await run([at, "--count=2", "observe"]);
  assertEquals([code, linesOf(out).length], [0, 2]);
  assertMatch(out, /^\d{4}-\S+Z 127\.0\.0\.1:\d+ \w+ /m);
  const json = await run([at, "--json", "--count=2", "observe"]);
  const events = linesOf(json.out).map((line) => JSON.parse(line));
  assertEquals(events.map((event) => event.server), [server.name, server.name]);
  const table = events.find(({ kind }) => kind === "table");
  assertEquals([table.key, table.value, table.timestamp], ["cor", "azul\x1b[2J", 1]);
});

Deno.test("observe: no server answers in the time of a request, exit code 4", async () => {
  const down = serversFlag({ address: deadAddress() });
  const { code, err } = await run([down, "--timeout=0.1", "observe"]);
  assertEquals(code, 4);
  assertMatch(err, /^127\.0\.0\.1:\d+: sem observação: conexão recusada/);
});

Deno.test("send: lines go out as they are, the answers come back line by line", async () => {
  await using server = await TestServer.alone();
  const put = '{"type":"PUT","id":1,"key":"cor","value":"azul"}';
  const { code, out } = await run([serversFlag(server), "send", put, '{"type":"get"}']);
  const answers = linesOf(out).map((line) => JSON.parse(line));
  assertEquals(code, 0);
  assertEquals(answers[0], { type: "PUT_OK", id: 1, key: "cor", timestamp: 1 });
  assertEquals(answers[1].code, "BAD_MESSAGE");
  const dead = await run([serversFlag({ address: deadAddress() }), "send", put]);
  assertEquals(dead.code, 4);
});

Deno.test("send: a server that says nothing, exit code 4 after the time of a request", async () => {
  await using server = new FakeServer(() => {});
  const { code, err } = await run([serversFlag(server), "--timeout=0.1", "send", "{}"]);
  assertEquals(code, 4);
  assertStringIncludes(err, "sem resposta em 100 ms");
});

for (const shell of ["bash", "zsh"]) {
  Deno.test(`completion ${shell}: every command and flag is in the script`, async () => {
    const { code, out } = await run(["completion", shell]);
    assertEquals(code, 0);
    for (const word of ["watch-status", "observe", "--servers=", "--json", "pause delay resume"]) {
      assertStringIncludes(out, word);
    }
  });
}

// Whose mistake it is, for the commands of operators

/** A leader that is the whole cluster and wants a password from its clients. */
async function withPassword(): Promise<TestServer> {
  const secrets = { client: await Secret.from("senha"), server: await Secret.from("segredo") };
  const one = { clusterSize: 1, minInSync: 1 };
  const server = new TestServer(anyPort, undefined, one, {}, { secrets });
  await server.ready();
  return server;
}

const statusLine = '{"type":"STATUS","id":1}';

for (const command of [["observe"], ["fault", "pause", "127.0.0.1:1"], ["send", statusLine]]) {
  Deno.test(`${command[0]}: a mistake is exit code 7 at once, and names itself in JSON`, async () => {
    await using guarded = await withPassword();
    await using open = await TestServer.alone();
    await using foreign = new FakeServer((wire) => wire.write("HTTP/1.1 400 Bad Request\r\n"), {
      answersStatus: false,
    });
    await using tls = new FakeServer((wire) => wire.write(Uint8Array.of(21, 3, 3, 0, 2, 2, 70)), {
      answersStatus: false,
    });
    const password = "--password-stdin";
    const mistakes = [
      [guarded, [password], "outra\n", "FORBIDDEN"],
      [open, [password], "senha\n", "FORBIDDEN"],
      [foreign, [], "", "PROTOCOL"],
      [tls, [], "", "TLS"],
    ] as const;
    for (const [server, flags, input, error] of mistakes) {
      const args = [serversFlag(server), "--timeout=60", "--json", ...flags, ...command];
      const { code, out, err } = await run(args, input);
      assertEquals([code, JSON.parse(linesOf(out).at(-1)!).error], [7, error], err);
      assertStringIncludes(err, `[${error}]`);
    }
  });
}

Deno.test("observe and fault: a missing password is exit code 7", async () => {
  await using server = await withPassword();
  for (const command of [["observe"], ["fault", "pause", "127.0.0.1:1"]]) {
    const { code, err } = await run([serversFlag(server), "--timeout=60", ...command]);
    assertEquals(code, 7);
    assertStringIncludes(err, "o servidor pede a senha dos clientes");
  }
});

Deno.test("observe, fault and send: TLS at one end only, and another CA, are exit code 7", async () => {
  const one = { clusterSize: 1, minInSync: 1 };
  await using server = new TestServer(anyPort, undefined, one, {}, {
    tls: new TlsAcceptor(certificates),
  });
  await server.ready();
  const commands = [
    { name: "observe", count: 1 },
    { name: "fault", action: "pause", follower: "127.0.0.1:1", delayMs: undefined },
    { name: "send", lines: [statusLine] },
  ] as const;
  for (const access of [{}, { tls: { ca: otherCa } }]) {
    const servers = [server.address];
    await using client = new KvClient(servers, { ...access, timeoutMs: 20_000 });
    for (const command of commands) {
      const screen = new FakeTerminal("");
      const how = { json: false, texts: commandTexts.pt, timeoutMs: 20_000, access };
      const code = await runCommand({ ...how, screen, servers }, client, command);
      assertEquals([command.name, code], [command.name, 7]);
      assertStringIncludes(screen.errors, "[TLS]");
    }
  }
});

Deno.test("observe: a server that is there, or down, is no mistake of the caller", async () => {
  await using guarded = await withPassword();
  await using open = await TestServer.alone();
  const seen = await run([serversFlag(guarded, open), "--count=1", "observe"]);
  assertEquals(seen.code, 0);
  const down = { address: deadAddress() };
  const args = [serversFlag(guarded, down), "--timeout=0.5", "--json", "observe"];
  const { code, out } = await run(args);
  const { error, message } = JSON.parse(out);
  assertEquals([code, error], [4, "UNAVAILABLE"]);
  assertStringIncludes(message, `${guarded.name}: `);
  assertStringIncludes(message, `; ${formatAddress(down.address)}: `);
});

Deno.test("observe: a silent server, and one with too many observers, are told and in JSON", async () => {
  await using silent = new FakeServer(() => {});
  const nothing = await run([serversFlag(silent), "--timeout=0.1", "--json", "observe"]);
  assertEquals([nothing.code, JSON.parse(nothing.out).error], [4, "UNAVAILABLE"]);
  assertMatch(nothing.err, /sem observação: sem (conexão|resposta) em 100 ms \[UNAVAILABLE\]/);
  await using full = new FakeServer(async (wire) => {
    const { id } = await wire.messageOf("OBSERVE");
    await wire.send({ type: "ERROR", id, code: "OVERLOADED", message: "cheio" });
  });
  const refused = await run([serversFlag(full), "--timeout=0.5", "--json", "observe"]);
  assertEquals([refused.code, JSON.parse(refused.out).error], [4, "OVERLOADED"]);
  assertStringIncludes(refused.err, "[OVERLOADED]");
});

Deno.test("send: a connection that is lost before all answers came is no time-out", async () => {
  await using server = await TestServer.alone();
  const args = ["--lang=en", serversFlag(server), "send", "garbage", statusLine];
  const { code, out, err } = await run(args);
  assertEquals([code, JSON.parse(out).code], [4, "BAD_MESSAGE"]);
  assertStringIncludes(err, "the connection was lost before all answers came");
});

Deno.test("send: a server that ends the connection, or speaks TLS, has not answered the line", async () => {
  const ends = [["OVERLOADED", "cheio", 4], ["FORBIDDEN", tlsExpected, 7]] as const;
  for (const [code, message, exit] of ends) {
    await using server = FakeServer.answering(() => ({ type: "ERROR", code, message }));
    assertEquals((await run([serversFlag(server), "send", "{}"])).code, exit);
  }
});

Deno.test("send: an argument with line ends is several lines, and - is the input", async () => {
  await using server = await TestServer.alone();
  const at = serversFlag(server);
  const two = `${statusLine}\n{"type":"GET","id":2,"key":"k"}`;
  for (const [argument, input] of [[two, ""], [`${two}\n`, ""], ["-", `\ufeff${two}\r\n`]]) {
    const { code, out, err } = await run([at, "send", argument!], input);
    assertEquals([code, err], [0, ""]);
    assertEquals(linesOf(out).map((line) => JSON.parse(line).id), [1, 2]);
  }
  const empty = await run([at, "--json", "send", "-"]);
  assertEquals([empty.code, empty.err], [2, "the input has no line to send\n"]);
  assertEquals(JSON.parse(empty.out).error, "USAGE");
  const dash = await run([at, "send", "--", "-"]);
  assertStringIncludes(dash.out, "BAD_MESSAGE");
});

Deno.test("send proves the password first, and takes the lines after it from the input", async () => {
  await using server = await withPassword();
  const flags = [serversFlag(server), "--password-stdin", "send"];
  for (const [argument, input] of [[statusLine, "senha\n"], ["-", `senha\n${statusLine}\n`]]) {
    const { code, out, err } = await run([...flags, argument!], input);
    assertEquals([code, err], [0, ""]);
    assertEquals(linesOf(out).map((line) => JSON.parse(line).type), ["STATUS_OK"]);
  }
  const long = await run([...flags, "-"], `senha\n${"x".repeat(sendCharsMax)}`);
  assertEquals([long.code, long.out], [2, ""]);
  assertStringIncludes(long.err, `longer than ${sendCharsMax} characters`);
});

for (const shell of ["bash", "zsh"]) {
  Deno.test(`completion ${shell}: only what kv may use, and no operand that is not known`, async () => {
    const { out } = await run(["completion", shell]);
    const offered = [...out.matchAll(/choices="([^"]*)"/g)].flatMap(([, words]) =>
      words!.split(" ")
    );
    for (const word of ["--session=", "--tls-ca=", "--tls-cert=", "--tls-key="]) {
      assert(!offered.includes(word), word);
    }
    for (const word of ["--lang=", "--lang=en", "--lang=pt", "en", "pt", "put", "zsh", "--json"]) {
      assert(offered.includes(word), word);
    }
    assertStringIncludes(out, "|--session|"); // its value is no command
    assert(!out.includes("compopt")); // bash 3.2 has none
  });
}
