/**
 * The files in deploy/: each is checked by a tool of its users where this machine has it, their command
 * lines start servers, and their metrics exist. `deno task test:deploy`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { version } from "../../../lib/version.ts";
import { Process } from "../../../bench/process.ts";
import { freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { eventually } from "../../support/waiting.ts";

const deploy = new URL("../../../deploy/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, deploy));
const secret = "a secret of the servers, for this test";
const password = "a password of clients, for this test";

/** Runs a tool. Returns `undefined` if the machine does not have it. */
async function tool(
  program: string,
  ...args: string[]
): Promise<{ code: number; out: string } | undefined> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: deploy,
      stdin: "null",
      signal: AbortSignal.timeout(120_000),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const hasPromtool = await tool("promtool", "--version") !== undefined;
const hasSystemd = await tool("systemd-analyze", "--version") !== undefined;
const hasNpx = await tool("npx", "--version") !== undefined;

Deno.test({
  name: "promtool: the alert rules are right, and tell what their tests expect",
  ignore: !hasPromtool,
  async fn() {
    for (
      const [command, file] of [["check", "alerts.yaml"], ["test", "alerts_test.yaml"]] as const
    ) {
      const { code, out } = (await tool("promtool", command, "rules", `prometheus/${file}`))!;
      assertEquals(code, 0, out);
      assertMatch(out, /SUCCESS/);
    }
  },
});

Deno.test({
  name: "systemd-analyze: the unit is right, and leaves a server little to attack with",
  ignore: !hasSystemd,
  async fn() {
    using scratch = new Scratch();
    const unit = `${scratch.path}/kv@10097.service`;
    const text = read("systemd/kv@.service");
    await Deno.writeTextFile(
      unit,
      text.replace("/usr/local/bin/deno", Deno.execPath()).replaceAll("/opt/kv", scratch.path),
    );
    const verified = (await tool("systemd-analyze", "verify", "--man=no", unit))!;
    assertEquals(verified.code, 0, verified.out);
    assert(!verified.out.includes("kv@10097"), verified.out);
    const security = ["security", "--offline=yes", "--threshold=20", unit]; // 2.0 of 10
    const { code, out } = (await tool("systemd-analyze", ...security))!;
    assertEquals(code, 0, out.split("\n").slice(-3).join("\n"));
  },
});

Deno.test({
  name: "linters of the compose file and of the Containerfile find no error",
  ignore: !hasNpx,
  async fn() {
    for (
      const [name, ...args] of [
        ["dclint@3.1.0", "compose.yaml", "--quiet"],
        ["dockerfilelint@1.8.0", "Containerfile"],
      ]
    ) {
      const { code, out } = (await tool("npx", "-y", ...[name!, ...args]))!;
      assertEquals(code, 0, `${name}: ${out}`);
    }
  },
});

/** The list in JSON that follows a word at the beginning of a line. */
function listAfter(text: string, word: string): string[] {
  const line = text.split("\n").find((line) => line.trimStart().startsWith(word));
  assert(line !== undefined, word);
  return JSON.parse(line.trimStart().slice(word.length));
}

/** The command lines of the three servers in the container, with the addresses of this test. */
function inContainers(
  folder: string,
  ports: readonly number[],
  metrics: readonly number[],
): string[][] {
  const entry = listAfter(read("Containerfile"), "ENTRYPOINT ");
  const commands = Array.from(
    read("compose.yaml").matchAll(/command: (\[.*--advertise.*\])$/gm),
    ([, list]) => JSON.parse(list!) as string[],
  );
  assertEquals(commands.length, 3);
  const images = new Set(read("compose.yaml").match(/image: \S+/g));
  assertEquals([...images], [`image: kv:${version}`]);
  return commands.map((command, at) =>
    [...entry, ...command].map((word) =>
      word
        .replace(/^--advertise=kv-\d$/, `--advertise=127.0.0.1:${ports[at]}`)
        .replace("kv-0", "127.0.0.1")
        .replace("0.0.0.0", "127.0.0.1")
        .replace("--port=10097", `--port=${at === 0 ? ports[0] : ports[at]}`)
        .replace("--leader-port=10097", `--leader-port=${ports[0]}`)
        .replace("9464", `${metrics[at]}`)
        .replace(/\/data$/, `${folder}/${at}`)
    )
  );
}

/** The command lines of the unit, with the addresses of this test. */
function asUnits(folder: string, ports: readonly number[], metrics: readonly number[]): string[][] {
  const line = read("systemd/kv@.service").match(/^ExecStart=(.*)$/m)![1]!;
  return ports.map((port, at) => {
    const variables: Record<string, string> = {
      KV_IP: "127.0.0.1",
      KV_LEADER_IP: "127.0.0.1",
      KV_LEADER_PORT: `${ports[0]}`,
      KV_METRICS_PORT: `${metrics[at]}`,
    };
    return line.replaceAll("/var/lib/kv-%i", `${folder}/${at}`).replaceAll("%i", `${port}`)
      .replaceAll(/\$\{(\w+)\}/g, (_, name) => variables[name]!).split(" ");
  });
}

for (const [what, commandsOf] of [["containers", inContainers], ["units", asUnits]] as const) {
  Deno.test(`the command lines of the ${what}: three servers in sync, ready, with the metrics that are asked for`, async () => {
    using scratch = new Scratch();
    const ports = freePorts(3);
    const metrics = freePorts(3);
    const servers: Process[] = [];
    await using stack = new AsyncDisposableStack();
    for (const [at, [program, ...args]] of commandsOf(scratch.path, ports, metrics).entries()) {
      assertMatch(program!, /^(?:\/usr\/local\/bin\/)?deno$/);
      await Deno.mkdir(`${scratch.path}/${at}`);
      const env = { KV_SECRET: secret, KV_PASSWORD: password };
      servers.push(stack.use(new Process(Deno.execPath(), args, { env })));
    }
    await using client = new KvClient(ports.map((port) => `127.0.0.1:${port}`), {
      password,
      timeoutMs: 30_000,
    });
    await client.put("cor", "azul");
    await client.get("cor");
    const texts = await Promise.all(metrics.map(async (port) => {
      const base = `http://127.0.0.1:${port}`;
      await eventually("it is ready", async () => {
        const answer = await fetch(`${base}/readyz`).catch(() => undefined);
        await answer?.body?.cancel();
        return answer?.status === 200;
      });
      return await (await fetch(`${base}/metrics`)).text();
    }));
    const known = new Set(texts.join("\n").match(/^\w+/gm));
    const files = ["grafana/kv.json", "prometheus/alerts.yaml"].map(read).join("\n");
    const used = new Set(files.match(/\b(?:kv_[a-z_]+|process_resident_memory_bytes)\b/g));
    assert(used.size > 10);
    assertEquals([...used].filter((name) => !known.has(name)), []);
    for (const server of servers.reverse()) {
      assertEquals(await server.stop(), 0);
    }
  });
}
