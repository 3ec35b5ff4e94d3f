/**
 * Characters that forge lines, move the cursor or hide text: one list, run through every screen of
 * every program, as real processes. `tests/cli/server_console_test.ts` shows that nothing else is
 * spelled out, and that the page has the same rule.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { alone, ServerProcess } from "../../../bench/server_process.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { type Finished, runDeno } from "../../support/tasks.ts";
import * as fixture from "../../support/tls_fixture.ts";
import { eventually } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";
import {
  assertClean,
  hostileCharacters,
  hostileKeys,
  hostileText,
} from "./support/hostile_text.ts";

const lastKey = "end";
/** A text for the command line, which cannot hold a NUL. */
const argument = hostileText("\0");
/** A name of a file: at most 255 bytes, without a slash. */
const fileName = "\x1b[2J\r\u202e\u200b\u2028\u00ad\x9b";

/** Sends each hostile key, with the whole list as its value, and reads it again. */
async function putAll(server: Address): Promise<void> {
  using wire = await Wire.connect(server);
  for (const key of [...hostileKeys(), lastKey]) {
    await eventually("a PUT_OK", async () => {
      const { type } = await wire.ask({ type: "PUT", id: 1, key, value: hostileText() });
      return type === "PUT_OK";
    });
    await wire.ask({ type: "GET", id: 2, key, timestamp: 0 });
  }
}

/** Runs a script to its end. Neither of its outputs may show anything of the list. */
async function clean(args: readonly string[], input = ""): Promise<Finished> {
  const finished = await runDeno(args, input);
  assertClean(`standard output of ${JSON.stringify(args)}`, finished.out);
  assertClean(`standard error of ${JSON.stringify(args)}`, finished.err);
  assert(finished.out + finished.err !== "", `${args} says nothing`);
  return finished;
}

const run = ["run", "--no-prompt", "--allow-net"];
const address = ["--ip=127.0.0.1", "--port=10097", "--leader-ip=127.0.0.1", "--leader-port=10097"];

/** A server that answers every line, also one that is no message, with a hostile text. */
function rude(
  answer: (request: Message) => Message = ({ id }) => error(id),
  answersStatus = true,
): FakeServer {
  return new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      await wire.send(answer(line.startsWith("{") ? JSON.parse(line) : {}));
    }
  }, { answersStatus });
}

function error(id: unknown, code = "UNAVAILABLE"): Message {
  return { type: "ERROR", id, code, message: hostileText() };
}

Deno.test("the list has all control and format characters, separators and noncharacters", () => {
  const list = hostileCharacters.join("");
  for (const one of "\0\x1b\x7f\x9b\u00ad\u061c\u200e\u200f\u202e\u2066\u2028\u2029\ufeff\ufffe") {
    assertStringIncludes(list, one);
  }
  assertStringIncludes(list, "\u{e0041}");
  assert(hostileCharacters.length > 290, `${hostileCharacters.length}`);
});

Deno.test("hostile keys and values on the consoles of leader and follower", async () => {
  const [port, other] = freePorts(2) as [number, number];
  const flags = ["--cluster-size=2", "--min-in-sync=1"];
  await using leader = await ServerProcess.start({ port, flags, out: "keep" });
  await using follower = await ServerProcess.start({
    ...{ port: other, leaderPort: port, flags, out: "keep" },
  });
  await putAll(follower.address);
  await putAll(leader.address);
  for (const [what, server] of [["the leader", leader], ["the follower", follower]] as const) {
    await server.shows(`key:${lastKey} ts:0. Meu ts`);
    await server.stop();
    assertClean(`standard output of ${what}`, server.screen);
    assertClean(`standard error of ${what}`, server.errors);
    assertStringIncludes(server.screen, "\\u001b");
    assertStringIncludes(server.screen, "\\u202e");
  }
});

Deno.test("hostile fields of messages on a server's standard error", async () => {
  const flags = ["--cluster-size=2", "--min-in-sync=1", "--allow-faults"];
  await using server = await ServerProcess.start({ flags, out: "keep" });
  const text = hostileText();
  const hello = { type: "HELLO", role: text, nonce: text };
  for (
    const message of [
      { type: text },
      { type: "JOIN", server: text, cluster: text, timestamp: 0 },
      { type: "JOIN", server: "127.0.0.1:9", cluster: text, timestamp: 7 },
      { type: "JOIN", server: `a${"\u202e"}b:9`, cluster: "", timestamp: 0 },
      { type: "PUT", id: 1, key: "k", value: "v", client: text },
      { type: "ERROR", code: "FORBIDDEN", message: text },
      hello,
      { type: "PROOF", proof: text },
      { type: "OBSERVE", id: 1, server: text },
      { type: "FAULT", id: 1, follower: text, action: "pause" },
    ]
  ) {
    using wire = await Wire.connect(server.address);
    await wire.send(message);
    await wire.closeWrite();
    await wire.drain();
  }
  await server.stop();
  assertClean("standard output", server.screen);
  assertClean("standard error", server.errors);
});

Deno.test("what an impostor leader says, on a follower's standard error", async () => {
  const reported = async (answer: (request: Message) => Message, secret?: string) => {
    await using leader = rude(answer);
    await using follower = await ServerProcess.start({
      leaderPort: leader.address.port,
      ...(secret === undefined ? {} : {
        env: { KV_SECRET: secret, KV_PASSWORD: secret },
        deno: [...run, "--allow-env=KV_SECRET,KV_PASSWORD", "server.ts"],
      }),
    });
    await eventually("it reports", () => follower.errors.split("\n").length > 2, 20_000);
    await follower.stop();
    assertClean("standard error", follower.errors);
  };
  const text = hostileText();
  await reported(() => error(undefined, "FORBIDDEN"));
  await reported(() => ({ type: "JOIN_OK", cluster: text }));
  await reported(() => ({ type: text }));
  await reported(() => ({ type: "SYNC", cluster: text, timestamp: text }));
  await reported(() => error(undefined, "FORBIDDEN"), "a secret of many letters");
  await reported(
    () => ({ type: "CHALLENGE", nonce: text, proof: text }),
    "a secret of many letters",
  );
});

Deno.test("hostile arguments of every program", async () => {
  const scripts = [
    "server.ts",
    "client.ts",
    "dashboard/main.ts",
    "tools/start.ts",
    "tools/demo.ts",
    "bench/main.ts",
    "bench/limits/main.ts",
  ];
  await Promise.all(scripts.map(async (script) => {
    const { code } = await clean([...run, script, `--${argument}`]);
    assertEquals(code, 2, script);
  }));
  await clean([...run, "server.ts", argument]);
  await clean([...run, "client.ts", argument]);
});

Deno.test("hostile values of flags", async () => {
  const values: [string, ...string[]][] = [
    ...["ip", "port", "leader-ip", "put-timeout", "advertise", "metrics-port", "etcd", "engine"]
      .map((flag): [string, string] => ["server.ts", `--${flag}=${argument}`]),
    ["client.ts", `--servers=${argument}`, "status"],
    ["client.ts", `--timeout=${argument}`, "status"],
    ["client.ts", `--lang=${argument}`, "status"],
    ["client.ts", `--count=${argument}`, "observe"],
    ["client.ts", "fault", argument, "127.0.0.1:1"],
    ["client.ts", "completion", argument],
    ["dashboard/main.ts", `--servers=${argument}`],
    ["dashboard/main.ts", `--ip=${argument}`],
    ["tools/start.ts", `--ports=${argument}`],
    ["tools/demo.ts", `--lang=${argument}`],
    ["tools/demo.ts", `--story=${argument}`],
    ["bench/main.ts", `--servers=${argument}`],
    ["bench/main.ts", `--keys=${argument}`],
  ];
  for (const [script, ...flags] of values) {
    const own = script === "server.ts" ? address.filter((one) => !sameFlag(one, flags[0]!)) : [];
    const { code } = await clean([...run, script, ...own, ...flags]);
    assertEquals(code, 2, `${script} ${JSON.stringify(flags).slice(0, 40)}`);
  }
});

function sameFlag(one: string, other: string): boolean {
  return one.split("=")[0] === other.split("=")[0];
}

Deno.test("hostile names and contents of files: certificates, data directories, sessions", async () => {
  using scratch = new Scratch();
  const folder = `${scratch.path}/${fileName}`;
  await Deno.mkdir(folder);
  const text = hostileText();
  await Deno.writeTextFile(`${folder}/text`, `-----BEGIN ${text}`);
  await Deno.writeTextFile(`${folder}/cert.pem`, fixture.server.cert);
  await Deno.writeTextFile(`${folder}/session`, JSON.stringify({ [text]: text }));
  await Deno.writeTextFile(`${folder}/broken`, `${text}{`);
  await Deno.mkdir(`${folder}/data`);
  await Deno.writeTextFile(`${folder}/data/${fileName}`, text);
  await Deno.writeTextFile(`${folder}/file`, text);
  const files = [...run, `--allow-read=${scratch.path}`, `--allow-write=${scratch.path}`];
  const tls = (file: string) =>
    ["cert", "key", "ca"].map((kind) => `--tls-${kind}=${folder}/${file}`);
  for (const file of ["text", "none", "data", "cert.pem"]) {
    await clean([...files, "server.ts", ...address, ...tls(file)]);
    await clean([...files, "client.ts", "--servers=127.0.0.1:1", ...tls(file), "get", "k"]);
  }
  for (const file of ["none", "data"]) {
    await clean([...files, "dashboard/main.ts", ...tls(file)]);
  }
  await clean([...run, "server.ts", ...address, ...tls("text")]);
  const dataDir = `${folder}/data`;
  await using server = await ServerProcess.start({ dataDir, flags: alone, out: "keep" });
  await server.stop();
  assertClean("standard error", server.errors);
  assertStringIncludes(server.errors, "also holds \\u001b[2J");
  for (const dir of ["file", "file/below"]) {
    await clean([...files, "server.ts", ...address, `--data-dir=${folder}/${dir}`]);
  }
  await clean([...run, "server.ts", ...address, `--data-dir=${folder}/data`]);
  for (const file of ["session", "broken", "data"]) {
    for (const more of [[], ["--json"]]) {
      const flags = [`--session=${folder}/${file}`, ...more, "--servers=127.0.0.1:1", "get", "k"];
      await clean([...files, "client.ts", ...flags]);
    }
  }
  await clean([...run, "client.ts", `--session=${folder}/session`, "get", "k"]);
});

Deno.test("hostile answers in the client's menu, and what is typed there", async () => {
  const requests = ["PUT", "GET"];
  const text = hostileText("\0\n");
  const answers: ((request: Message) => Message)[] = [
    ({ id }) => error(id),
    ({ id }) => error(id, "FORBIDDEN"),
    ({ type, id, key }) =>
      type === "PUT"
        ? { type: "PUT_OK", id, key, timestamp: 1 }
        : { type: "GET_OK", id, key, value: hostileText(), timestamp: 1 },
    ({ id }) => ({ type: "PUT_OK", id, key: hostileText(), timestamp: hostileText() }),
    () => ({ type: hostileText() }),
  ];
  for (const answer of answers) {
    await using server = rude(answer);
    const init = `INIT\n${`\n${server.address.port}\n`.repeat(3)}`;
    const typed = requests.map((choice) => `${choice}\n<\x1b[2J\u202e\n`).join(`${text}\n`);
    const { code } = await clean([...run, "client.ts"], `${text}\n${init}${typed}`);
    assertEquals(code, 0);
  }
});

for (const json of [[], ["--json"]]) {
  for (const lang of ["pt", "en"]) {
    Deno.test(`hostile answers to each command of the client, ${["text", ...json].at(-1)}, --lang=${lang}`, async () => {
      await using refusing = rude();
      await using forbidding = rude(({ id }) => error(id, "FORBIDDEN"));
      await using broken = rude(() => ({ type: hostileText() }));
      await using late = rude(({ id, key }) => (
        { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 0 }
      ));
      const key = hostileKeys()[2]!;
      const commands = [
        ["put", "k", argument],
        ["put", key, "v"],
        ["get", key],
        ["status"],
        ["observe", "--count=1"],
        ["fault", "pause", "127.0.0.1:9"],
        ["send", argument],
      ];
      for (const server of [refusing, forbidding, broken, late]) {
        await Promise.all(commands.map(async (command) => {
          const flags = [`--servers=${server.name}`, "--timeout=1", `--lang=${lang}`, ...json];
          await clean([...run, "client.ts", ...flags, ...command]);
        }));
      }
    });
  }
}

Deno.test("hostile entries of a real server in get, observe, status and send", async () => {
  await using server = await ServerProcess.start({ flags: [...alone, "--allow-faults"] });
  await putAll(server.address);
  const flags = (json: readonly string[]) => [
    ...[...run, "client.ts", `--servers=${formatAddress(server.address)}`, "--timeout=10"],
    ...json,
  ];
  const key = hostileKeys()[2]!;
  for (const json of [[], ["--json"]]) {
    if (json.length > 0) await clean([...flags(json), "get", key]);
    await clean([...flags(json), "observe", "--count=5"]);
    await clean([...flags(json), "status"]);
    const get = JSON.stringify({ type: "GET", id: 1, key, timestamp: 0 });
    const { out } = await clean([...flags(json), "send", get]);
    assertStringIncludes(out, "\\u202e");
  }
});

Deno.test("hostile keys, values and joins in the metrics", async () => {
  const [metricsPort] = freePorts(1) as [number];
  const flags = ["--cluster-size=2", "--min-in-sync=1", `--metrics-port=${metricsPort}`];
  await using leader = await ServerProcess.start({ flags });
  const scrape = async () => {
    using wire = await Wire.connect({ hostname: "127.0.0.1", port: metricsPort });
    await wire.write("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    let text = "";
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      text += `${line.replace(/\r$/, "")}\n`;
    }
    return text;
  };
  using hostile = await Wire.connect(leader.address);
  await hostile.send({ type: "JOIN", server: `a${fileName}b:9`, cluster: "", timestamp: 0 });
  using follower = await Wire.connect(leader.address);
  const joined = await follower.ask(
    { type: "JOIN", server: "127.0.0.1:9", cluster: "", timestamp: 0, version: hostileText() },
  );
  assertEquals(joined.type, "JOIN_OK");
  using client = await Wire.connect(leader.address);
  for (const key of hostileKeys()) {
    await client.send({ type: "PUT", id: 1, key, value: hostileText() });
  }
  await client.ask({ type: "GET", id: 2, key: "k", timestamp: 0 });
  const text = await scrape();
  assertStringIncludes(text, "127.0.0.1:9");
  assertClean("the metrics", text);
});

Deno.test("hostile answers to the benchmark", async () => {
  const ok = ({ id, key }: Message) => ({ type: "PUT_OK", id, key, timestamp: 1 });
  for (const make of [() => rude(), () => rude(ok), () => rude(undefined, false)]) {
    await using server = make();
    for (const json of [[], ["--json"]]) {
      const flags = ["--duration=1", "--warm-up=0", "--keys=1", "--connections=1", ...json];
      await clean([...run, "bench/main.ts", `--servers=${server.name}`, ...flags]);
    }
  }
});

Deno.test("what set-up finds in a file, on its standard error", async () => {
  using scratch = new Scratch();
  await Deno.writeTextFile(`${scratch.path}/deno.json`, hostileText());
  const script = new URL("../../../tools/setup.ts", import.meta.url).href;
  const flags = ["--no-config", "--no-prompt", "--allow-read", "--allow-write"];
  await using setup = Process.deno(["run", ...flags, script], { cwd: scratch.path, out: "keep" });
  assertEquals(await setup.end(), 1);
  assertClean("standard output", setup.screen);
  assertClean("standard error", setup.errors);
  assertStringIncludes(setup.errors, "setup: cannot fill vendor/");
});

Deno.test("what the dashboard's page shows goes through one function", async () => {
  const page = new URL("../../../dashboard/page/", import.meta.url);
  const shows =
    /textContent|innerText|innerHTML|outerHTML|insertAdjacent|createTextNode|document\.write/;
  for await (const { name } of Deno.readDir(page)) {
    if (!name.endsWith(".js") || name === "dom.js") continue;
    const text = await Deno.readTextFile(new URL(name, page));
    assertEquals(text.match(shows), null, `${name}: use dom.js`);
  }
});
