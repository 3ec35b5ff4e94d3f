import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { visible } from "../../dashboard/page/dom.js";
import { escapeControls } from "../../lib/cli/escape.ts";
import { ServerConsole } from "../../lib/cli/server_console.ts";
import { addressTexts, clientTexts, serverTexts, startTexts } from "../../lib/cli/texts.ts";
import { seeded } from "../support/random.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { LongValue, longValueChars } from "../../lib/wire/long_value.ts";

const pure = { permissions: "none" } as const;

/** The texts that a console writes, one for each write. */
function writesOf(print: (console: ServerConsole) => void, mark?: string): string[] {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)), mark);
  print(console);
  console.flush();
  return writes;
}

/** The lines of the assignment word for word, and what to put in place of their brackets. */
const serverLines: readonly (readonly [
  when: string,
  enunciado: string,
  information: Record<string, string>,
  print: (console: ServerConsole) => void,
])[] = [
  [
    "PUT at the leader",
    "Cliente [IP]:[porta] PUT key:[key] value:[value].",
    { IP: "10.0.0.7", porta: "50123", key: "cor", value: "azul" },
    (console) => console.put("10.0.0.7:50123", "cor", "azul"),
  ],
  [
    "PUT at a follower",
    "Encaminhando PUT key:[key] value:[value]",
    { key: "cor", value: "azul" },
    (console) => console.forwarding("cor", "azul"),
  ],
  [
    "REPLICATION",
    "REPLICATION key:[key] value:[value] ts:[timestamp].",
    { key: "cor", value: "azul", timestamp: "12" },
    (console) => console.replication("cor", "azul", 12),
  ],
  [
    "REPLICATION_OK of all",
    "Enviando PUT_OK ao Cliente [IP]:[porta] da key:[key] ts:[timestamp_do_servidor].",
    { IP: "10.0.0.7", porta: "50123", key: "cor", timestamp_do_servidor: "12" },
    (console) => console.putOk("10.0.0.7:50123", "cor", 12),
  ],
  ...([
    ["of a key that exists", 12, "azul", "azul"],
    ["of a value that is empty", 12, "", ""],
    ["of a key that does not exist", 0, null, "NULL"],
    ["of a key that the client has seen newer", 3, undefined, "TRY_OTHER_SERVER_OR_LATER"],
  ] as const).map(([what, own, value, shown]) =>
    [
      `GET ${what}`,
      "Cliente [IP]:[porta] GET key:[key] ts:[timestamp]. Meu ts é [timestamp_da_key], portanto devolvendo [valor ou erro]",
      {
        IP: "10.0.0.7",
        porta: "50123",
        key: "cor",
        timestamp: "5",
        timestamp_da_key: `${own}`,
        "valor ou erro": shown,
      },
      (console: ServerConsole) => console.get("10.0.0.7:50123", "cor", 5, own, value),
    ] as const
  ),
];

function fill(enunciado: string, information: Record<string, string>): string {
  const filled = enunciado.replace(/\[([^\]]+)\]/g, (_, name) => information[name]!);
  assertStrictEquals(filled.includes("undefined"), false, filled);
  return filled;
}

for (const [when, enunciado, information, print] of serverLines) {
  Deno.test(`a server's line for ${when} is that of the assignment, to the letter`, pure, () => {
    assertEquals(writesOf(print), [`${fill(enunciado, information)}\n`]);
  });
}

Deno.test("the five lines of a server, written out", pure, () => {
  const [written] = writesOf((console) => {
    console.put("127.0.0.1:50123", "k", "v");
    console.forwarding("k", "v");
    console.replication("k", "v", 1);
    console.putOk("127.0.0.1:50123", "k", 1);
    console.get("127.0.0.1:50123", "k", 0, 1, "v");
  });
  assertStrictEquals(
    written,
    "Cliente 127.0.0.1:50123 PUT key:k value:v.\n" +
      "Encaminhando PUT key:k value:v\n" +
      "REPLICATION key:k value:v ts:1.\n" +
      "Enviando PUT_OK ao Cliente 127.0.0.1:50123 da key:k ts:1.\n" +
      "Cliente 127.0.0.1:50123 GET key:k ts:0. Meu ts é 1, portanto devolvendo v\n",
  );
});

Deno.test("the client's line for PUT_OK is that of the assignment, to the letter", pure, () => {
  const enunciado =
    "PUT_OK key: [key] value [value] timestamp [timestamp] realizada no servidor [IP:porta]";
  const information = { key: "cor", value: "azul", timestamp: "12", "IP:porta": "10.0.0.7:10098" };
  assertStrictEquals(
    clientTexts.putOk("cor", "azul", 12, "10.0.0.7:10098"),
    fill(enunciado, information),
  );
});

for (
  const [what, value, shown] of [
    ["a value", "azul", "azul"],
    ["an absent key", null, "NULL"],
    ["a refusal", undefined, "TRY_OTHER_SERVER_OR_LATER"],
  ] as const
) {
  Deno.test(`the client's line for a GET with ${what} is that of the assignment`, pure, () => {
    const enunciado =
      "GET key: [key] value: [valor devolvido pelo servidor] obtido do servidor [IP:porta], " +
      "meu timestamp [timestamp_do_cliente] e do servidor [timestamp_do_servidor]";
    const information = {
      key: "cor",
      "valor devolvido pelo servidor": shown,
      "IP:porta": "10.0.0.7:10098",
      timestamp_do_cliente: "5",
      timestamp_do_servidor: "12",
    };
    assertStrictEquals(
      clientTexts.get("cor", value, "10.0.0.7:10098", 5, 12),
      fill(enunciado, information),
    );
  });
}

Deno.test("the menu offers INIT, PUT and GET, and nothing else", pure, () => {
  assertEquals(clientTexts.menu.match(/[A-Z]{2,}/g), ["INIT", "PUT", "GET"]);
  assertMatch(clientTexts.menu, /1 - INIT, 2 - PUT, 3 - GET/);
});

// Characters that could forge a line or hide a part of it

const named = new Map([["\t", "\\t"], ["\n", "\\n"], ["\r", "\\r"]]);

for (const [where, escape] of [["console", escapeControls], ["page", visible]] as const) {
  const all = "Cc, Cf, Zl, Zp, surrogates and noncharacters";
  Deno.test(`${where}: all of ${all} are spelled out, and nothing else`, pure, () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      const spelled =
        /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]$/u.test(character)
          ? named.get(character) ?? JSON.parse(`"${character.split("").map(unitOf).join("")}"`)
          : character;
      assertStrictEquals(escape(`a${character}b`), `a${spelled}b`);
    }
  });

  Deno.test(`${where}: combining marks beyond 30 on one character are spelled out`, pure, () => {
    const marks = "\u0301\u20dd\u0336".repeat(10);
    assertStrictEquals(escape(`a${marks}b${marks}`), `a${marks}b${marks}`);
    assertStrictEquals(escape(`a${marks}\u0301\u0302b`), `a${marks}\\u0301\\u0302b`);
  });

  Deno.test(`${where}: the joiner stays only within an emoji`, pure, () => {
    for (const emoji of ["👩‍👩‍👧", "👩🏽‍🚀", "❤️‍🔥"]) assertStrictEquals(escape(emoji), emoji);
    for (
      const [text, shown] of [["a\u200db", "a\\u200db"], ["👩\u200d", "👩\\u200d"], [
        "\u200d👩",
        "\\u200d👩",
      ]]
    ) {
      assertStrictEquals(escape(text!), shown!);
    }
  });
}

/** The escape of a UTF-16 unit, its backslash doubled. */
function unitOf(unit: string): string {
  return `\\\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

Deno.test("accents, emoji of many parts, quotes and backslashes stay as they are", pure, () => {
  for (
    const text of ["ação", "e\u0301", "👩‍👩‍👧", "🇧🇷", `"'\`“”`, "\\n", "C:\\temp", "$& $1", "שלום"]
  ) {
    assertStrictEquals(escapeControls(text), text);
  }
});

Deno.test(
  "each print is one line, with any key and any value",
  pure,
  seeded((random) => {
    for (let n = 0; n < 2_000; n++) {
      const key = random.text(4);
      const value = random.text(4);
      const lines = [
        writesOf((console) => console.put("1.2.3.4:5", key, value)),
        writesOf((console) => console.forwarding(key, value)),
        writesOf((console) => console.replication(key, value, 1)),
        writesOf((console) => console.putOk("1.2.3.4:5", key, 1)),
        writesOf((console) => console.get("1.2.3.4:5", key, 0, 1, value)),
        clientTexts.putOk(key, value, 1, "1.2.3.4:5") + "\n",
        clientTexts.get(key, value, "1.2.3.4:5", 0, 1) + "\n",
        clientTexts.badChoice(value) + "\n",
        clientTexts.invalid("PUT", value) + "\n",
        clientTexts.unavailable("PUT", "1.2.3.4:5", value) + "\n",
        clientTexts.unknownOutcome("PUT", "1.2.3.4:5", value) + "\n",
        addressTexts.badIp(value) + "\n",
        addressTexts.badPort(value) + "\n",
      ].flat();
      for (const line of lines) {
        assertMatch(line, /^[^\p{Cc}\p{Zl}\p{Zp}\u200b\u200e\u200f\u202a-\u202e\ufeff]+\n$/u);
      }
    }
  }),
);

Deno.test("questions and reports are one line each, with what they are about", pure, () => {
  assertStrictEquals(serverTexts.ip("127.0.0.1"), "IP [127.0.0.1]: ");
  assertStrictEquals(serverTexts.port(10_097), "Porta [10097]: ");
  assertStrictEquals(serverTexts.leaderIp("127.0.0.1"), "IP do líder [127.0.0.1]: ");
  assertStrictEquals(serverTexts.leaderPort(10_097), "Porta do líder [10097]: ");
  assertStrictEquals(clientTexts.serverIp(2, "127.0.0.1"), "IP do servidor 2 [127.0.0.1]: ");
  assertStrictEquals(clientTexts.serverPort(2, 10_098), "Porta do servidor 2 [10098]: ");
  assertMatch(clientTexts.initFirst("PUT"), /INIT.*PUT/);
  assertMatch(startTexts.ready([1, 2, 3]), /^[^\n]*1, 2, 3 \(líder: 1\)[^\n]*$/);
});

// When lines are written

Deno.test("the lines of one turn are one write, in the order of the events", pure, async () => {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)));
  for (let n = 1; n <= 3; n++) console.forwarding(`k${n}`, "v");
  assertEquals(writes, []);
  await Promise.resolve();
  assertEquals(writes, [
    "Encaminhando PUT key:k1 value:v\nEncaminhando PUT key:k2 value:v\nEncaminhando PUT key:k3 value:v\n",
  ]);
});

Deno.test("the next turn is another write", pure, async () => {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)));
  for (const key of ["a", "b"]) {
    console.forwarding(key, "v");
    await Promise.resolve();
  }
  assertEquals(writes, ["Encaminhando PUT key:a value:v\n", "Encaminhando PUT key:b value:v\n"]);
});

Deno.test("flush writes at once, and nothing is written twice or lost", pure, async () => {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)));
  console.flush();
  assertEquals(writes, []);
  console.forwarding("a", "v");
  console.flush();
  console.forwarding("b", "v");
  assertEquals(writes, ["Encaminhando PUT key:a value:v\n"]);
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(writes, ["Encaminhando PUT key:a value:v\n", "Encaminhando PUT key:b value:v\n"]);
});

Deno.test("every line begins with the mark", pure, () => {
  const print = (console: ServerConsole) => {
    console.forwarding("a", "v");
    console.replication("b", "v", 2);
  };
  assertEquals(writesOf(print, "[10098] "), [
    "[10098] Encaminhando PUT key:a value:v\n[10098] REPLICATION key:b value:v ts:2.\n",
  ]);
});

Deno.test(
  "a single line is written at once, and the lines that follow together",
  pure,
  async () => {
    const writes: string[] = [];
    const paused = Promise.withResolvers<void>();
    const console = new ServerConsole(
      (text) => {
        writes.push(textOf(text));
        if (writes.length === 2) paused.resolve();
      },
      "",
      1,
    );
    console.forwarding("a", "1");
    await Promise.resolve();
    const [alone] = writes;
    for (const key of ["b", "c", "d"]) {
      console.forwarding(key, "2");
      await Promise.resolve();
    }
    assertEquals(writes, [alone], "one write for all of them, later");
    await paused.promise;
    assertEquals(writes, [
      "Encaminhando PUT key:a value:1\n",
      ["b", "c", "d"].map((key) => `Encaminhando PUT key:${key} value:2\n`).join(""),
    ]);
    console.close();
  },
);

Deno.test("much text is written without a pause, in order", pure, async () => {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)), "", 60_000);
  let expected = "";
  for (let n = 0; n < 40; n++) {
    console.forwarding(`${n}`, "x".repeat(4_000));
    expected += `Encaminhando PUT key:${n} value:${"x".repeat(4_000)}\n`;
    await Promise.resolve();
  }
  assert(writes.length >= 3, "the buffer grew beyond its limit");
  console.close();
  assertEquals(writes.join(""), expected);
});

Deno.test("a long value is shown as the same text, whatever characters it has", pure, () => {
  const characters = [
    "x",
    "é",
    "😀",
    "👩‍👩‍👧",
    '"',
    "\\",
    "\n",
    "\b",
    "\0",
    "\x7f",
    "\x9b",
    "\u2028",
    "\u202e",
    '"\n',
    "é\\",
    "\x7fé",
  ];
  for (const character of characters) {
    const text = "x".repeat(longValueChars) + character;
    const long = LongValue.of(text);
    const print = (console: ServerConsole, value: string | LongValue) => {
      for (let times = 2; times > 0; times--) { // what is found out the first time is kept
        console.put("10.0.0.7:50123", "cor", value);
        console.forwarding("cor", value);
        console.replication("cor", value, 7);
        console.get("10.0.0.7:50123", "cor", 5, 7, value);
        console.putOk("10.0.0.7:50123", "cor", 7);
      }
    };
    const shown = writesOf((console) => print(console, long), "[1] ").join("");
    assertStrictEquals(shown, writesOf((console) => print(console, text), "[1] ").join(""));
    assertStrictEquals(shown.split(escapeControls(text)).length, 9);
  }
});

Deno.test("lines with long values are written before the pause if there are many", pure, () => {
  const writes: string[] = [];
  const console = new ServerConsole((text) => writes.push(textOf(text)), "", 60_000);
  const long = LongValue.of("x".repeat(20_000));
  for (let n = 1; n <= 4; n++) console.forwarding("cor", long);
  console.close();
  assertEquals(writes, [`Encaminhando PUT key:cor value:${long.text}\n`.repeat(4)]);
});
