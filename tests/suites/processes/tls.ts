/**
 * The tasks that speak TLS as real processes, and a client that is not Deno: OpenSSL.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs
 * it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../../lib/wire/address.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { KvServer } from "../../../lib/server/kv_server.ts";
import { anyPort, eventually, freePorts, within } from "../../support/helpers.ts";
import { ca, selfSigned, server } from "../../support/tls_fixture.ts";

const project = new URL("../../../", import.meta.url);
/** How long a process may take to start, or to end. */
const processMs = 20_000;
const join = JSON.stringify({ type: "JOIN", server: "127.0.0.1:9", cluster: "", timestamp: 0 });

/** A folder of its own, with these files in it. */
class Folder implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async with(files: Record<string, string>): Promise<Folder> {
    const path = await Deno.makeTempDir();
    await Deno.mkdir(`${path}/tls`);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${path}/tls/${name}`, text);
    }
    return new Folder(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** What the task does, with the files of another folder in the place of the project's. */
async function commandOf(task: string, folder: string, ...flags: string[]): Promise<Deno.Command> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", project)));
  const words = (tasks[task].command as string).split(" ");
  const [deno, run, ...args] = words.slice(words.indexOf("deno"));
  assertEquals([deno, run], ["deno", "run"]);
  assert(words.slice(0, words.indexOf("deno")).includes("DENO_TLS_CA_STORE="));
  const script = args.findIndex((arg) => arg.endsWith(".ts"));
  args[script] = new URL(args[script]!, project).pathname;
  const config = `--config=${new URL("deno.json", project).pathname}`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", config, ...args, ...flags],
    cwd: folder,
    env: { DENO_TLS_CA_STORE: "", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a command on an input to its end. */
async function run(command: Deno.Command, input = "") {
  const child = command.spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await within("the process ends", output, processMs);
  const decoder = new TextDecoder();
  return { code, screen: decoder.decode(stdout), errors: decoder.decode(stderr) };
}

Deno.test("deno task server:tls and client:tls read the files in tls/ and no others", async () => {
  await using folder = await Folder.with({
    "cert.pem": server.cert,
    "key.pem": server.key,
    "ca.pem": server.ca,
  });
  const [port] = freePorts(1);
  const flags = [
    `--ip=127.0.0.1`,
    `--port=${port}`,
    `--leader-ip=127.0.0.1`,
    `--leader-port=${port}`,
    "--cluster-size=1",
    "--quiet",
  ];
  const serving = (await commandOf("server:tls", folder.path, ...flags)).spawn();
  await serving.stdin.close();
  const ended = serving.output();
  try {
    const address = { hostname: "127.0.0.1", port: port! };
    await eventually("the server serves", async () => {
      await using client = new KvClient([address], { tls: { ca } });
      return await client.put("cor", "azul").catch(() => undefined);
    }, processMs);

    const init = `INIT\n${`\n${port}\n`.repeat(3)}`;
    const client = await run(await commandOf("client:tls", folder.path), `${init}GET\ncor\n`);
    assertEquals(client.code, 0, client.errors);
    assertStringIncludes(client.screen, `value: azul obtido do servidor ${formatAddress(address)}`);
    for (const task of ["client:tls", "server:tls"]) {
      const other = await run(await commandOf(task, folder.path, "--tls-ca=tls/other.pem"));
      assertEquals(other.code, 2);
      assertMatch(other.errors, /^--tls-ca=tls\/other\.pem: no permission to read it;.*\n$/);
    }
  } finally {
    serving.kill("SIGTERM");
    await within("the server ends", ended, processMs);
  }
});

Deno.test("files that are missing or something else: one sentence and exit code 2", async () => {
  await using folder = await Folder.with({
    "cert.pem": server.cert,
    "key.pem": "none",
    "ca.pem": "",
  });
  const noPem = await run(await commandOf("server:tls", folder.path));
  assertEquals(noPem, {
    code: 2,
    screen: "",
    errors: "--tls-key=tls/key.pem: no PEM in that file\n",
  });
  await Deno.remove(`${folder.path}/tls/ca.pem`);
  const none = await run(await commandOf("client:tls", folder.path));
  assertEquals(none, {
    code: 2,
    screen: "",
    errors: "--tls-ca=tls/ca.pem: there is no such file\n",
  });
});

Deno.test("OpenSSL: a resumed session does not make a stranger's certificate good", async () => {
  const found = await new Deno.Command("openssl", { args: ["version"] }).output()
    .then(({ success }) => success, () => false);
  if (!found) return;
  await using folder = await Folder.with({
    "cert.pem": selfSigned.cert,
    "key.pem": selfSigned.key,
  });
  const reports: string[] = [];
  await using leader = KvServer.start({
    listen: anyPort,
    prints: new ServerConsole(() => {}),
    report: (line) => reports.push(line),
    tls: new TlsAcceptor(server),
  });
  for (const version of ["-tls1_2", "-tls1_3"]) {
    for (const session of ["-sess_out", "-sess_in"]) {
      const { stdin, stdout, status } = new Deno.Command("openssl", {
        args: ["s_client", "-quiet", "-connect", formatAddress(leader.address), version]
          .concat(["-cert", "tls/cert.pem", "-key", "tls/key.pem", session, `session${version}`]),
        cwd: folder.path,
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = stdin.getWriter();
      await writer.write(new TextEncoder().encode(`${join}\n`));
      const reader = stdout.pipeThrough(new TextDecoderStream()).getReader();
      const { value: answer } = await within("the answer", reader.read(), processMs);
      await writer.close(); // which ends OpenSSL
      while (!(await reader.read()).done);
      await status;
      assertStringIncludes(answer ?? "", "FORBIDDEN");
    }
  }
  const resumed = reports.filter((line) => line.endsWith("its session was resumed"));
  assert(resumed.length === 2, reports.join("\n"));
});
