import { assert, assertEquals } from "@std/assert";
import { eventually, freePorts, Wire, within } from "../../support/helpers.ts";

/** A server process, and all that it says. */
function start(...flags: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", "server.ts", ...flags],
    cwd: new URL("../../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const out = { text: "" };
  const reading = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) out.text += text;
  }));
  return { child, out, reading };
}

Deno.test("SIGINT twice, as Ctrl-C in a terminal sends it through deno task: graceful, code 0", async () => {
  const [port] = freePorts(1) as [number];
  const { child, out, reading } = start(
    "--ip=127.0.0.1",
    `--port=${port}`,
    "--leader-ip=127.0.0.1",
    `--leader-port=${port}`,
    "--cluster-size=1",
  );
  await eventually("open", () => out.text.includes("serving on"));
  using wire = await Wire.connect({ hostname: "127.0.0.1", port }); // a client that stays: stopping takes 1 s
  await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  child.kill("SIGINT");
  await eventually("stopping", () => out.text.includes("stopping"));
  child.kill("SIGINT"); // the terminal sends it to the whole group, and deno task passes its own on
  const { code } = await child.status;
  await reading;
  await child.stdin.close().catch(() => {});
  assertEquals(code, 0);
});

Deno.test("SIGTERM while the questions are asked ends the server", async () => {
  const { child, out, reading } = start();
  await eventually("the question", () => out.text.includes("IP ["));
  child.kill("SIGTERM");
  try {
    const { code } = await within("it ends", child.status, 3_000);
    assert(code === 0 || code === 143, `${code}`);
  } finally {
    try {
      child.kill("SIGKILL");
    } catch { /* it has ended */ }
    await child.status;
    await reading;
    await child.stdin.close().catch(() => {});
  }
});
