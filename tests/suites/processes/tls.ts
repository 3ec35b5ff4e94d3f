/**
 * The tasks that speak TLS as real processes, and a client that is not Deno: OpenSSL.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../../lib/wire/address.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { KvServer } from "../../../lib/server/kv_server.ts";
import { Process } from "../../../bench/process.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, finish } from "../../support/tasks.ts";
import { ca, selfSigned, server } from "../../support/tls_fixture.ts";
import { eventually, within } from "../../support/waiting.ts";

const project = new URL("../../../", import.meta.url);
/** How long a process may take to answer. */
const processMsMax = 20_000;
const join = JSON.stringify({ type: "JOIN", server: "127.0.0.1:9", cluster: "", timestamp: 0 });

/** A folder with these files in its folder `tls`. */
function folderWith(files: Record<string, string>): Scratch {
  const scratch = new Scratch();
  Deno.mkdirSync(`${scratch.path}/tls`);
  for (const [name, text] of Object.entries(files)) {
    Deno.writeTextFileSync(`${scratch.path}/tls/${name}`, text);
  }
  return scratch;
}

/** Starts what a task runs, with the files of another folder than the project's. */
async function start(task: string, folder: string, ...flags: string[]): Promise<Process> {
  const { env, args } = await commandOf(task);
  assertEquals(env.DENO_TLS_CA_STORE, "");
  const [run, ...rest] = args.map((arg) =>
    arg.endsWith(".ts") ? new URL(arg, project).pathname : arg
  );
  assertEquals(run, "run");
  const config = `--config=${new URL("deno.json", project).pathname}`;
  return Process.deno(["run", config, ...rest, ...flags], {
    cwd: folder,
    env,
    keyboard: true,
    out: "keep",
  });
}

Deno.test("deno task server:tls and client:tls read the files in tls/ and no other files", async () => {
  using folder = folderWith({
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
  await using serving = await start("server:tls", folder.path, ...flags);
  const address = { hostname: "127.0.0.1", port: port! };
  await serving.listensOn(port!);
  await eventually("the server serves", async () => {
    await using client = new KvClient([address], { tls: { ca } });
    return await client.put("cor", "azul").catch(() => undefined);
  });

  const init = `INIT\n${`\n${port}\n`.repeat(3)}`;
  const client = await finish(await start("client:tls", folder.path), `${init}GET\ncor\n`);
  assertEquals(client.code, 0, client.err);
  assertStringIncludes(client.out, `value: azul obtido do servidor ${formatAddress(address)}`);
  for (const task of ["client:tls", "server:tls"]) {
    const other = await finish(await start(task, folder.path, "--tls-ca=tls/other.pem"));
    assertEquals(other.code, 2);
    assertMatch(other.err, /^--tls-ca=tls\/other\.pem: no permission to read it;.*\n$/);
  }
});

Deno.test("files that are missing or no PEM: one sentence and exit code 2", async () => {
  using folder = folderWith({
    "cert.pem": server.cert,
    "key.pem": "none",
    "ca.pem": "",
  });
  const noPem = await finish(await start("server:tls", folder.path));
  assertEquals(noPem, {
    code: 2,
    out: "",
    err: "--tls-key=tls/key.pem: no PEM in that file\n",
  });
  await Deno.remove(`${folder.path}/tls/ca.pem`);
  const none = await finish(await start("client:tls", folder.path));
  assertEquals(none, {
    code: 2,
    out: "",
    err: "--tls-ca=tls/ca.pem: there is no such file\n",
  });
});

Deno.test("OpenSSL: with a resumed session a certificate of another CA still does not count", async () => {
  const found = await new Deno.Command("openssl", { args: ["version"] }).output()
    .then(({ success }) => success, () => false);
  if (!found) return;
  using folder = folderWith({
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
      const { value: answer } = await within("the answer", reader.read(), processMsMax);
      await writer.close(); // which ends OpenSSL
      while (!(await reader.read()).done);
      await status;
      assertStringIncludes(answer ?? "", "FORBIDDEN");
    }
  }
  const resumed = reports.filter((line) => line.endsWith("its session was resumed"));
  assert(resumed.length === 2, reports.join("\n"));
});
