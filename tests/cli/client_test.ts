import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { main } from "../../client.ts";
import type { Address } from "../../lib/wire/address.ts";
import { keyBytesMax, requestTimeoutMs } from "../../lib/limits.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { menu as runMenu } from "../../lib/cli/menu.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { Names } from "../support/names.ts";
import { deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { within } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

const menu = "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ";

/** The lines that answer INIT with one server three times, so that the draw does not matter. */
function init({ port }: Address, choice = "INIT"): string {
  return `${choice}\n` + `\n${port}\n`.repeat(3);
}

/** What INIT shows if the input is a pipe. */
function initShown({ port }: Address, choice = "INIT"): string {
  const questions = [10_097, 10_098, 10_099].map((preset, index) =>
    `IP do servidor ${index + 1} [127.0.0.1]: \nPorta do servidor ${
      index + 1
    } [${preset}]: ${port}\n`
  );
  return `${menu}${choice}\n${questions.join("")}`;
}

/** Runs the client on an input that is all there from the start. */
async function run(input: string) {
  const terminal = new FakeTerminal(input);
  const code = await within("the client ends", exitCode(terminal, () => main([], terminal)));
  return { code, screen: terminal.screen, errors: terminal.errors };
}

// The menu

Deno.test("the menu with input from a pipe, character by character", async () => {
  await using server = await TestServer.alone();
  const { code, screen, errors } = await run(
    `${init(server.address)}PUT\ncor\nazul\nGET\ncor\nGET\nnada\nPUT\ncor\nverde\nGET\ncor\n`,
  );
  assertEquals(
    screen,
    `${initShown(server.address)}` +
      `${menu}PUT\nKey: cor\nValue: azul\n` +
      `PUT_OK key: cor value azul timestamp 1 realizada no servidor ${server.name}\n` +
      `${menu}GET\nKey: cor\n` +
      `GET key: cor value: azul obtido do servidor ${server.name}, meu timestamp 1 e do servidor 1\n` +
      `${menu}GET\nKey: nada\n` +
      `GET key: nada value: NULL obtido do servidor ${server.name}, meu timestamp 0 e do servidor 0\n` +
      `${menu}PUT\nKey: cor\nValue: verde\n` +
      `PUT_OK key: cor value verde timestamp 2 realizada no servidor ${server.name}\n` +
      `${menu}GET\nKey: cor\n` +
      `GET key: cor value: verde obtido do servidor ${server.name}, meu timestamp 2 e do servidor 2\n` +
      `${menu}\n`,
  );
  assertEquals([code, errors], [0, ""]);
});

Deno.test("the menu takes the name of a server, and shows it", async () => {
  await using server = await TestServer.alone();
  const { port } = server.address;
  using names = new Names({ "kv-0": "127.0.0.1" });
  const { screen } = await run(`INIT\n${`KV-0\n${port}\n`.repeat(3)}PUT\ncor\nazul\n`);
  assertMatch(screen, new RegExp(`timestamp 1 realizada no servidor kv-0:${port}\n`));
  assertEquals(names.dialled, ["kv-0"]);
});

Deno.test("the menu at a terminal, character by character", async () => {
  await using server = await TestServer.alone();
  const terminal = new FakeTerminal();
  const ended = main([], terminal);
  await terminal.shows(menu);
  for (const line of init(server.address).split("\n").slice(0, -1)) terminal.type(`${line}\n`);
  await terminal.shows(`Porta do servidor 3 [10099]: ${menu}`);
  terminal.type("2\n");
  await terminal.shows("Key: ");
  terminal.type("cor\n");
  await terminal.shows("Value: ");
  terminal.type("azul\n");
  const putOk = `PUT_OK key: cor value azul timestamp 1 realizada no servidor ${server.name}\n`;
  await terminal.shows(putOk + menu);
  terminal.endInput();
  assertEquals(await within("the client ends", ended), 0);
  const questions = [10_097, 10_098, 10_099].map((preset, index) =>
    `IP do servidor ${index + 1} [127.0.0.1]: Porta do servidor ${index + 1} [${preset}]: `
  );
  // The terminal itself shows what is typed.
  assertEquals(
    terminal.screen,
    `${menu}${questions.join("")}${menu}Key: Value: ${putOk}${menu}\n`,
  );
});

Deno.test("another client's write is seen, with both timestamps in the line", async () => {
  await using server = await TestServer.alone();
  using other = await Wire.connect(server.address);
  for (const value of ["azul", "verde"]) {
    await other.ask({ type: "PUT", id: 1, key: "cor", value });
  }
  const { screen } = await run(`${init(server.address)}GET\ncor\nGET\ncor\n`);
  const line = (seen: number) =>
    `GET key: cor value: verde obtido do servidor ${server.name}, meu timestamp ${seen} e do servidor 2`;
  assertEquals(linesOf(screen).filter((text) => text.startsWith("GET key")), [line(0), line(2)]);
});

// Choices and text

for (
  const [name, choices] of Object.entries({
    names: ["INIT", "PUT", "GET"],
    "small letters": ["init", "put", "get"],
    "any case": ["Init", "pUt", "gEt"],
    numbers: ["1", "2", "3"],
    "blanks around": ["  INIT ", "\t2", "get  "],
  })
) {
  Deno.test(`choices: ${name}`, async () => {
    await using server = await TestServer.alone();
    const [initChoice, putChoice, getChoice] = choices as [string, string, string];
    const { screen, errors } = await run(
      `${init(server.address, initChoice)}${putChoice}\nk\nv\n${getChoice}\nk\n`,
    );
    assertEquals(errors, "");
    assertEquals(linesOf(screen).filter((line) => /^(PUT_OK|GET key)/.test(line)), [
      `PUT_OK key: k value v timestamp 1 realizada no servidor ${server.name}`,
      `GET key: k value: v obtido do servidor ${server.name}, meu timestamp 1 e do servidor 1`,
    ]);
  });
}

for (
  const value of [
    "dois  espaços, e nas pontas também  ",
    "ação, coração, às 8h",
    "emoji 🙂👩‍👩‍👧 e letras 日本語",
    `aspas "duplas" e 'simples', \\ e \`crases\``,
    '{"type":"PUT","id":1}',
    "NULL",
    "",
    "PUT",
  ]
) {
  Deno.test(`a value goes there and back: ${JSON.stringify(value)}`, async () => {
    await using server = await TestServer.alone();
    const { screen } = await run(
      `${init(server.address)}PUT\nchave é\n${value}\nGET\nchave é\n`,
    );
    assertEquals(server.holds("chave é"), { value, timestamp: 1 });
    assertEquals(linesOf(screen).filter((line) => /^(PUT_OK|GET key)/.test(line)), [
      `PUT_OK key: chave é value ${value} timestamp 1 realizada no servidor ${server.name}`,
      `GET key: chave é value: ${value} obtido do servidor ${server.name}, meu timestamp 1 e do servidor 1`,
    ]);
  });
}

Deno.test("control characters from other clients are spelled out, so that no value forges a line", async () => {
  await using server = await TestServer.alone();
  using other = await Wire.connect(server.address);
  const value = "a\nGET key: cor value: falso\u001b[2J\u202e";
  await other.ask({ type: "PUT", id: 1, key: "cor", value });
  const { screen } = await run(`${init(server.address)}GET\ncor\n`);
  assertEquals(
    linesOf(screen).at(-2),
    `GET key: cor value: a\\nGET key: cor value: falso\\u001b[2J\\u202e obtido do servidor ` +
      `${server.name}, meu timestamp 0 e do servidor 1`,
  );
});

Deno.test("lines may end with CRLF, and the last one needs no line end", async () => {
  await using server = await TestServer.alone();
  const input = `${init(server.address)}PUT\ncor\nazul\nGET\ncor`.replaceAll("\n", "\r\n");
  const { code, screen } = await run(input);
  assertEquals(server.holds("cor"), { value: "azul", timestamp: 1 });
  assertEquals(
    linesOf(screen).at(-2),
    `GET key: cor value: azul obtido do servidor ${server.name}, meu timestamp 1 e do servidor 1`,
  );
  assertEquals(code, 0);
});

Deno.test("the menu skips blank lines", async () => {
  const { screen, errors } = await run("\n   \n\r\n");
  assertEquals([screen, errors], [`${menu}\n${menu}   \n${menu}\n${menu}\n`, ""]);
});

Deno.test("PUT and GET before INIT ask nothing, and show that INIT comes first", async () => {
  const { code, screen, errors } = await run("PUT\n3\n");
  assertEquals(errors, "Faça o INIT antes do PUT.\nFaça o INIT antes do GET.\n");
  assertEquals([code, screen], [0, `${menu}PUT\n${menu}3\n${menu}\n`]);
});

Deno.test("there are three choices and no other", async () => {
  const { code, screen, errors } = await run("4\nDELETE\nPUT cor azul\n\u001b[2J\n");
  assertEquals(linesOf(errors), [
    "Opção inválida: 4. Escolha INIT, PUT ou GET.",
    "Opção inválida: DELETE. Escolha INIT, PUT ou GET.",
    "Opção inválida: PUT cor azul. Escolha INIT, PUT ou GET.",
    "Opção inválida: \\u001b[2J. Escolha INIT, PUT ou GET.",
  ]);
  assertEquals(code, 0);
  assertEquals(screen.split(menu).length - 1, 5);
});

Deno.test("a second INIT forgets the timestamps, and may name other servers", async () => {
  const seen: Record<string, unknown[]> = { a: [], b: [] };
  const fake = (name: string) =>
    FakeServer.answering(({ type, id, key, timestamp }): Message => {
      if (type === "GET") seen[name]!.push(timestamp);
      return type === "PUT"
        ? { type: "PUT_OK", id, key, timestamp: 7 }
        : { type: "GET_OK", id, key, value: "v", timestamp: 7 };
    });
  await using a = fake("a");
  await using b = fake("b");
  await run(
    `${init(a.address)}PUT\nk\nv\nGET\nk\n${init(a.address)}GET\nk\nGET\nk\n${
      init(b.address)
    }GET\nk\n`,
  );
  assertEquals(seen, { a: [7, 0, 7], b: [0] });
});

Deno.test("the three servers are all used, each under its own address", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = [0, 1, 2].map(() =>
    stack.use(FakeServer.answering(({ id, key }) => ({
      type: "GET_OK",
      id,
      key,
      value: null,
      timestamp: 0,
    })))
  );
  const ports = servers.map(({ address }) => `127.0.0.1\n${address.port}\n`).join("");
  // The probability that 100 draws leave out one of the three servers is below 10^-17.
  const { screen } = await run(`1\n${ports}${"3\nk\n".repeat(100)}`);
  const used = new Set(screen.match(/(?<=obtido do servidor )[^,]+/g));
  assertEquals([...used].sort(), servers.map(({ name }) => name).sort());
});

// The end of the input

Deno.test("the input may end anywhere: code 0, and each complete request was sent", async () => {
  await using server = await TestServer.alone();
  const lines = `${init(server.address)}PUT\ncor\nazul\nGET\ncor\n`.split("\n").slice(0, -1);
  for (let count = 0; count <= lines.length; count++) {
    for (const end of ["", "\n"]) {
      const input = lines.slice(0, count).join("\n") + (count === 0 ? "" : end);
      const before = server.holds("cor")?.timestamp ?? 0;
      const { code, screen, errors } = await run(input);
      assertEquals([code, errors], [0, ""], JSON.stringify(input));
      assert(screen.endsWith("\n"));
      const done = lines.slice(0, count).includes("azul") ? 1 : 0;
      assertEquals(server.holds("cor")?.timestamp ?? 0, before + done);
    }
  }
});

for (
  const [input, complaint] of [
    ["INIT\n1.2.3\n", "IP inválido: 1.2.3"],
    ["INIT\n\nmuitas\n", "Porta inválida: muitas"],
    ["INIT\n\n1\n\n1\n::1::\n", "IP inválido: ::1::"],
  ] as const
) {
  Deno.test(`${JSON.stringify(input)} in a pipe is an error, code 2`, async () => {
    const { code, errors } = await run(input);
    assertEquals([code, errors], [2, `${complaint}\n`]);
  });
}

Deno.test("--help explains, another argument is an error", async () => {
  const terminal = new FakeTerminal("");
  assertEquals(await main(["--help"], terminal), 0);
  assertMatch(terminal.screen, /deno task client/);
  assertEquals(await exitCode(terminal, () => main(["--servidor=1"], terminal)), 2);
  assertMatch(terminal.errors, /^unknown argument "--servidor": see --help\n$/);
});

// Servers with wrong answers, or none

/** The errors of a PUT and a GET at a bad server. Then the same client works at a good one. */
async function complaints(bad: Address): Promise<string[]> {
  await using good = await TestServer.alone();
  const from = performance.now();
  const { code, screen, errors } = await run(
    `${init(bad)}PUT\nk\nv\nGET\nk\n${init(good.address)}PUT\nk\nv\n`,
  );
  assertLess(performance.now() - from, 2 * 5_000);
  assertEquals(code, 0);
  const putOk = `PUT_OK key: k value v timestamp 1 realizada no servidor ${good.name}`;
  assertEquals(linesOf(screen).filter((line) => /^(PUT_OK|GET key)/.test(line)), [putOk]);
  return linesOf(errors);
}

Deno.test("no server listens: one line for each request, and the menu goes on", async () => {
  const dead = deadAddress();
  const lines = await complaints(dead);
  assertEquals(lines.length, 2);
  const failed = (choice: string) =>
    `ERRO no ${choice}: não realizado pelo servidor 127.0.0.1:${dead.port}: ` +
    `conexão recusada: não há servidor nesse endereço [UNAVAILABLE]`;
  assertEquals(lines, [failed("PUT"), failed("GET")]);
});

Deno.test("a server that hangs up: a PUT may or may not be applied, a GET is not done", async () => {
  await using server = FakeServer.answering(() => undefined);
  assertEquals(await complaints(server.address), [
    `ERRO no PUT: não se sabe se foi realizado pelo servidor ${server.name}: a conexão caiu [UNKNOWN_OUTCOME]`,
    `ERRO no GET: não realizado pelo servidor ${server.name}: a conexão caiu [UNAVAILABLE]`,
  ]);
});

Deno.test("a server that answers ERROR: its reason is in the line", async () => {
  await using server = FakeServer.answering(({ type, id }) => ({
    type: "ERROR",
    id,
    code: type === "PUT" ? "UNKNOWN_OUTCOME" : "UNAVAILABLE",
    message: "uma\nrazão",
  }));
  assertEquals(await complaints(server.address), [
    `ERRO no PUT: não se sabe se foi realizado pelo servidor ${server.name}: ` +
    "a confirmação não chegou («uma\\nrazão») [UNKNOWN_OUTCOME]",
    `ERRO no GET: não realizado pelo servidor ${server.name}: ` +
    "o servidor não atende agora («uma\\nrazão») [UNAVAILABLE]",
  ]);
});

Deno.test("a server that answers garbage: one line for each request", async () => {
  await using server = FakeServer.answering(() => "<html>\n");
  const reason = 'o servidor violou o protocolo («the line is not JSON: "<html>"»)';
  assertEquals(await complaints(server.address), [
    `ERRO no PUT: não se sabe se foi realizado pelo servidor ${server.name}: ${reason} [UNKNOWN_OUTCOME]`,
    `ERRO no GET: não realizado pelo servidor ${server.name}: ${reason} [UNAVAILABLE]`,
  ]);
});

Deno.test("a server that this client cannot use: one line that says why, and the menu goes on", async () => {
  await using server = new FakeServer(
    (wire) => wire.write('{"type":"ERROR","code":"FORBIDDEN","message":"não"}\n'),
    { answersStatus: false },
  );
  const { code, errors } = await run(`${init(server.address)}PUT\nk\nv\nGET\nk\n`);
  assertEquals(code, 0);
  const line = (choice: string) =>
    `ERRO no ${choice}: não realizado pelo servidor ${server.name}: ` +
    "o servidor encerrou a conexão: «não» [FORBIDDEN]";
  assertEquals(linesOf(errors), [line("PUT"), line("GET")]);
});

Deno.test("a server that hangs: one line within the time limit, and the menu goes on", async () => {
  await using server = new FakeServer(() => {});
  const terminal = new FakeTerminal(`${init(server.address)}PUT\nk\nv\nGET\n`);
  await within(
    "the client ends",
    runMenu(terminal, Array(3).fill(server.address), { timeoutMs: 300 }),
  );
  assertEquals(
    terminal.errors,
    `ERRO no PUT: não realizado pelo servidor ${server.name}: sem resposta em 300 ms [UNAVAILABLE]\n`,
  );
  assert(terminal.screen.endsWith("Key: \n"), terminal.screen);
  assertLess(requestTimeoutMs, 5_000, "a user waits less than 5 s");
});

Deno.test("TRY_OTHER_SERVER_OR_LATER is shown in place of the value", async () => {
  await using server = FakeServer.answering(({ type, id, key }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key, timestamp: 9 }
      : { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp: 4 }
  );
  const { screen, errors } = await run(`${init(server.address)}PUT\ncor\nazul\nGET\ncor\n`);
  assertEquals(
    linesOf(screen).at(-2),
    `GET key: cor value: TRY_OTHER_SERVER_OR_LATER obtido do servidor ${server.name}, ` +
      `meu timestamp 9 e do servidor 4`,
  );
  assertEquals(errors, "");
});

Deno.test("an invalid key or value is one line, and no server is asked", async () => {
  await using server = new FakeServer(() => {});
  const long = "k".repeat(keyBytesMax + 1);
  const { screen, errors } = await run(
    `${init(server.address)}GET\n\nPUT\n\nPUT\nPUT\n${long}\nINIT\n`,
  );
  assertEquals(linesOf(errors), [
    "ERRO no GET: pedido inválido: a key está vazia [INVALID_ARGUMENT]",
    "ERRO no PUT: pedido inválido: a key está vazia [INVALID_ARGUMENT]",
    `ERRO no PUT: pedido inválido: a key tem mais de ${keyBytesMax} bytes [TOO_LARGE]`,
  ]);
  assert(!screen.includes("Value:"), "a key is checked before the value is asked for");
  assertEquals(server.accepted, 0);
});
