import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { main } from "../../tools/start.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { anyPort, freePorts } from "../support/ports.ts";
import { within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

const menu = "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ";

/** Runs the whole system on an input that is all there from the start. */
async function run(args: string[], input = "") {
  const terminal = new FakeTerminal(input);
  const code = await within("it ends", exitCode(terminal, () => main(args, terminal)));
  return { code, screen: terminal.screen, errors: terminal.errors };
}

/** The lines of one server on the screen, without its mark. */
function linesAt(port: number | undefined, screen: string): string[] {
  const mark = `[${port}] `;
  return linesOf(screen).filter((line) => line.startsWith(mark)).map((line) =>
    line.slice(mark.length)
  );
}

/** The lines with PORTA in place of each client's port, which differs from run to run. */
function masked(lines: string[]): string[] {
  return lines.map((line) => line.replace(/Cliente 127\.0\.0\.1:\d+/, "Cliente 127.0.0.1:PORTA"));
}

Deno.test("a script uses three servers; each server's lines begin with its port", async () => {
  const ports = freePorts(3);
  const [a, b, c] = ports;
  const { code, screen, errors } = await run(
    [`--ports=${ports.join(",")}`],
    `INIT${"\n".repeat(7)}PUT\ncor\nazul é 🙂\nGET\ncor\n`,
  );
  assertEquals(code, 0);
  const answers = linesOf(screen).filter((line) => /^(PUT_OK|GET key)/.test(line));
  const asked = answers.map((line) => Number(/no servidor 127\.0\.0\.1:(\d+)/.exec(line)?.[1]));
  const read = answers.map((line) => Number(/do servidor 127\.0\.0\.1:(\d+)/.exec(line)?.[1]));
  assertEquals(answers, [
    `PUT_OK key: cor value azul é 🙂 timestamp 1 realizada no servidor 127.0.0.1:${asked[0]}`,
    `GET key: cor value: azul é 🙂 obtido do servidor 127.0.0.1:${
      read[1]
    }, meu timestamp 1 e do servidor 1`,
  ]);
  for (const port of ports) {
    const expected = [];
    if (port === asked[0] && port !== a) expected.push("Encaminhando PUT key:cor value:azul é 🙂");
    if (port === a) {
      expected.push(
        "Cliente 127.0.0.1:PORTA PUT key:cor value:azul é 🙂.",
        "Enviando PUT_OK ao Cliente 127.0.0.1:PORTA da key:cor ts:1.",
      );
    } else expected.push("REPLICATION key:cor value:azul é 🙂 ts:1.");
    if (port === read[1]) {
      expected.push(
        "Cliente 127.0.0.1:PORTA GET key:cor ts:1. Meu ts é 1, portanto devolvendo azul é 🙂",
      );
    }
    assertEquals(masked(linesAt(port, screen)), expected);
  }
  const presets = ports.map((port, index) =>
    `IP do servidor ${index + 1} [127.0.0.1]: \nPorta do servidor ${index + 1} [${port}]: \n`
  );
  assert(
    screen.startsWith(`${menu}INIT\n${presets.join("")}${menu}PUT\nKey: cor\nValue: azul é 🙂\n`),
  );
  assert(screen.endsWith(`${menu}\n`));
  const ready = `Servidores no ar nas portas ${a}, ${b}, ${c} (líder: ${a}).`;
  assert(linesOf(errors).some((line) => line.startsWith(ready)), errors);
});

Deno.test("every line on standard error begins with a server's port, except the one when all are up", async () => {
  const ports = freePorts(3);
  const { errors } = await run([`--ports=${ports.join(", ")}`], "INIT\n");
  const others = linesOf(errors).filter((line) =>
    !ports.some((port) => line.startsWith(`[${port}] `))
  );
  assertEquals(others.length, 1);
  assertStringIncludes(errors, `[${ports[0]}] open, cluster`);
});

Deno.test("--quiet: nothing on standard error", async () => {
  const ports = freePorts(3);
  const { code, screen, errors } = await run([`--ports=${ports}`, "--quiet"], "");
  assertEquals([code, screen, errors], [0, `${menu}\n`, ""]);
});

Deno.test("the servers take other clients, and are gone after the end of the input", async () => {
  const ports = freePorts(3);
  const terminal = new FakeTerminal();
  const ended = main([`--ports=${ports}`], terminal);
  await terminal.shows(menu);
  for (const [n, port] of ports.entries()) {
    using wire = await Wire.connect({ hostname: "127.0.0.1", port });
    const answer = await wire.ask({ type: "PUT", id: n, key: "cor", value: `v${n}` });
    assertEquals(answer, { type: "PUT_OK", id: n, key: "cor", timestamp: n + 1 });
  }
  terminal.endInput();
  assertEquals(await within("it ends", ended), 0);
  for (const port of ports) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("a port in use: one sentence, code 1, and nothing is left running", async () => {
  const ports = freePorts(2);
  using taken = Deno.listen({ ...anyPort });
  const { port } = taken.addr;
  const { code, screen, errors } = await run([`--ports=${ports},${port}`, "--quiet"]);
  assertEquals([code, screen], [1, ""]);
  assertEquals(
    errors,
    `Cannot listen on 127.0.0.1:${port}: the port is in use by another program. ` +
      "Stop that program, or use another port (--ports).\n",
  );
  for (const free of ports) Deno.listen({ hostname: "127.0.0.1", port: free }).close();
});

for (const ports of ["1,2", "1,2,3,4", "1,2,x", "0,1,2", "1,2,65536"]) {
  Deno.test(`--ports=${ports} is an error, code 2`, async () => {
    const { code, screen, errors } = await run([`--ports=${ports}`]);
    assertEquals([code, screen], [2, ""]);
    assertStringIncludes(errors, "--ports must be three ports");
  });
}

Deno.test("a wrong answer in the script is an error, code 2, and the servers stop", async () => {
  const ports = freePorts(3);
  const { code, errors } = await run([`--ports=${ports}`], "INIT\n1.2.3\n");
  assertEquals([code, linesOf(errors).at(-1)], [2, "IP inválido: 1.2.3"]);
  for (const port of ports) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("--help explains every flag and starts nothing", async () => {
  const { code, screen, errors } = await run(["--help"]);
  assertEquals([code, errors], [0, ""]);
  for (const flag of ["ports", "quiet", "help"]) assertStringIncludes(screen, `--${flag}`);
});
