import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { exitCode, lastWordsMs } from "../../lib/cli/exit_codes.ts";
import { EndOfInput, Interrupted, Keyboard } from "../../lib/cli/keyboard.ts";
import { numberFlag, parseFlags, UsageError } from "../../lib/cli/flags.ts";
import { askHost, askIp, askPort } from "../../lib/cli/prompts.ts";
import type { Terminal } from "../../lib/cli/terminal.ts";
import { inputTexts } from "../../lib/cli/texts.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();

/** A terminal whose input is these chunks. Everything that it shows is kept. */
class Screen implements Terminal, AsyncDisposable {
  readonly keyboard: Keyboard;
  shown = "";
  complaints = "";
  cancelled = false;
  /** Whether what is typed is not shown now. */
  hidden = false;
  signal = (_code: number): void => {};
  readonly flushed = (): Promise<void> => Promise.resolve();

  constructor(chunks: Iterable<Uint8Array<ArrayBuffer> | string>, interactive = false) {
    const iterator = chunks[Symbol.iterator]();
    const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const { value, done } = iterator.next();
        if (done) controller.close();
        else controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
      },
      cancel: () => {
        this.cancelled = true;
      },
    });
    this.keyboard = new Keyboard(bytes, {
      write: this.out,
      complain: this.err,
      interactive,
      flushed: this.flushed,
      hideTyping: (onSignal) => {
        this.hidden = true;
        this.signal = onSignal;
        return () => this.hidden = false;
      },
    });
  }

  readonly out = (text: Frames): void => {
    this.shown += textOf(text);
  };
  readonly err = (text: string): void => {
    this.complaints += text;
  };

  /** All answers until the input ends. */
  async answers(): Promise<string[]> {
    const answers: string[] = [];
    try {
      while (true) answers.push(await this.keyboard.ask(""));
    } catch (error) {
      if (!(error instanceof EndOfInput)) throw error;
      return answers;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keyboard.close();
  }
}

// The keyboard

Deno.test("lines do not depend on how the bytes are cut into chunks", pure, async () => {
  const bytes = encoder.encode("1\ração: é€\n\r\n👩‍👩‍👧 x \r\n\nfim");
  for (let cut = 0; cut <= bytes.length; cut++) {
    await using screen = new Screen([bytes.slice(0, cut), bytes.slice(cut)]);
    assertEquals(await screen.answers(), ["1\ração: é€", "", "👩‍👩‍👧 x ", "", "fim"]);
  }
});

Deno.test("lines may arrive byte by byte", pure, async () => {
  const bytes = [...encoder.encode("é€\r\n😀\nfim\n")].map((byte) => new Uint8Array([byte]));
  await using screen = new Screen(bytes);
  assertEquals(await screen.answers(), ["é€", "😀", "fim"]);
});

const inputs: readonly [what: string, input: string, lines: string[]][] = [
  ["nothing", "", []],
  ["one line end", "\n", [""]],
  ["a last line without its end", "a\nb", ["a", "b"]],
  ["a last line with its end", "a\nb\n", ["a", "b"]],
  ["line ends of Windows", "a\r\nb\r\n", ["a", "b"]],
  ["a CR within a line", "a\rb\r\r\n", ["a\rb\r"]],
  ["a byte order mark at the start, as PowerShell writes it", "\ufeffPUT\n", ["PUT"]],
];

for (const [what, input, lines] of inputs) {
  Deno.test(`input: ${what}`, pure, async () => {
    await using screen = new Screen(input === "" ? [] : [input]);
    assertEquals(await screen.answers(), lines);
  });
}

Deno.test("every question after the end of the input throws EndOfInput", pure, async () => {
  await using screen = new Screen(["a\n"]);
  await screen.answers();
  await assertRejects(() => screen.keyboard.ask("?"), EndOfInput);
});

Deno.test("from a pipe each answer is shown after its question", pure, async () => {
  await using screen = new Screen(["azul\r\nverde"]);
  await screen.keyboard.ask("Key: ");
  await screen.keyboard.ask("Value: ");
  assertStrictEquals(screen.shown, "Key: azul\nValue: verde\n");
});

Deno.test("an answer from a pipe cannot forge a line", pure, async () => {
  await using screen = new Screen(["a\rb\x1b[2J\u2028c\n"]);
  assertStrictEquals(await screen.keyboard.ask("Key: "), "a\rb\x1b[2J\u2028c");
  assertStrictEquals(screen.shown, "Key: a\\rb\\u001b[2J\\u2028c\n");
});

Deno.test(
  "a terminal itself shows what is typed, so the keyboard does not show it again",
  pure,
  async () => {
    await using screen = new Screen(["azul\n"], true);
    await screen.keyboard.ask("Key: ");
    assertStrictEquals(screen.shown, "Key: ");
  },
);

for (const interactive of [true, false]) {
  Deno.test(
    `the question at the end of the input ends its line, interactive ${interactive}`,
    pure,
    async () => {
      await using screen = new Screen([], interactive);
      await assertRejects(() => screen.keyboard.ask("Key: "), EndOfInput);
      assertStrictEquals(screen.shown, "Key: \n");
    },
  );
}

Deno.test("the question is shown before the answer is waited for", pure, async () => {
  const screen = new Screen([], true);
  const asked = screen.keyboard.ask("Key: ");
  assertStrictEquals(screen.shown, "Key: ");
  await assertRejects(() => asked, EndOfInput);
});

Deno.test("a line without an end is an error after a bounded number of bytes", pure, async () => {
  const chunkBytes = 1024 * 1024;
  let chunks = 0;
  const endless = function* () {
    for (; chunks < 100; chunks++) yield new Uint8Array(chunkBytes).fill(0x78);
  };
  await using screen = new Screen(endless());
  await assertRejects(() => screen.keyboard.ask("Value: "), UsageError);
  assert(chunks < 20, `${chunks} chunks were read`);
});

Deno.test("a keyboard that is closed reads no more", pure, async () => {
  const screen = new Screen(["a\n", "b\n", "c\n", "d\n", "e\n"]);
  await screen.keyboard.ask("");
  await screen.keyboard.close();
  assertStrictEquals(screen.cancelled, true);
});

/** Text, and the bytes that Latin-1 has in place of its UTF-8. */
const latin1 = new Uint8Array([0x70, 0xe1, 10]);
const utf16 = new Uint8Array([0xff, 0xfe, 0x31, 0, 10, 0]);
const utf16BigEndian = new Uint8Array([0xfe, 0xff, 0, 0x31, 0, 10]);
const surrogate = new Uint8Array([0xed, 0xa0, 0x80, 10]);

const refused: readonly [
  what: string,
  chunks: (Uint8Array<ArrayBuffer> | string)[],
  error: string,
][] = [
  [
    "Latin-1",
    ["a\n", "é\n", latin1],
    "A linha 3 da entrada não é UTF-8: grave o arquivo em UTF-8.",
  ],
  [
    "half a character",
    ["a\n", latin1.slice(0, 2)],
    "A linha 2 da entrada não é UTF-8: grave o arquivo em UTF-8.",
  ],
  ["a lone surrogate", [surrogate], "A linha 1 da entrada não é UTF-8: grave o arquivo em UTF-8."],
  ["UTF-16", [utf16], inputTexts.pt.utf16],
  ["UTF-16, big-endian", [utf16BigEndian], inputTexts.pt.utf16],
  [
    "UTF-16 without its mark",
    ["1\0\n\0"],
    "A linha 1 da entrada tem um caractere NUL: se o arquivo é UTF-16, grave-o em UTF-8.",
  ],
];

for (const [what, chunks, error] of refused) {
  Deno.test(`${what} in a pipe is an error with the line's number`, pure, async () => {
    await using screen = new Screen(chunks);
    const thrown = await assertRejects(() => screen.answers(), UsageError);
    assertStrictEquals(thrown.message, error);
  });
}

Deno.test("what is typed and not UTF-8 is asked for again", pure, async () => {
  await using screen = new Screen([latin1, "a\0b\n", "pá\n"], true);
  assertStrictEquals(await screen.keyboard.ask("Key: "), "pá");
  assertStrictEquals(screen.shown, "Key: Key: Key: ");
  assertStrictEquals(
    screen.complaints,
    `${inputTexts.pt.notUtf8(undefined)}\n${inputTexts.pt.nul(undefined)}\n`,
  );
});

Deno.test("U+FFFD itself, and a byte order mark later in the input, are text", pure, async () => {
  await using screen = new Screen(["\ufeff\ufeffa\n\ufeffb\n\ufffd\n"]);
  assertEquals(await screen.answers(), ["\ufeffa", "\ufeffb", "\ufffd"]);
});

/** Where the terminal of this system cuts a typed line, in bytes; 0 if it does not. */
const cutBytes = { linux: 4_095, darwin: 1_023 }[Deno.build.os as string] ?? 0;

Deno.test({
  name: "a typed line of the length at which terminals cut is asked for again",
  ignore: cutBytes === 0,
  ...pure,
  fn: async () => {
    const fits = "é".repeat((cutBytes - 1) / 2);
    await using screen = new Screen([`${fits}a\n${fits}\n`], true);
    assertStrictEquals(await screen.keyboard.ask("Value: "), fits);
    assertStrictEquals(screen.complaints, `${inputTexts.pt.cut(cutBytes)}\n`);
    assert(screen.complaints.includes("put KEY -"));
    await using pipe = new Screen([`${fits}a\n`]);
    assertStrictEquals(await pipe.keyboard.ask("Value: "), `${fits}a`);
    await using whole = new Screen([`a\n${fits}a`, "\nb"], true);
    await assertRejects(() => whole.keyboard.all(1e6), UsageError, "put KEY -");
  },
});

Deno.test("the whole input is taken as it is, or is an error", pure, async () => {
  const text = "\ufeffa\0\r\n\n";
  await using screen = new Screen([text]);
  assertStrictEquals(await screen.keyboard.all(100), text);
  for (
    const [bytes, error] of [[latin1, "not UTF-8"], [
      utf16,
      "UTF-16, with a byte order mark",
    ]] as const
  ) {
    await using bad = new Screen([bytes]);
    await assertRejects(() => bad.keyboard.all(100), UsageError, `the input is ${error}`);
  }
});

// Secrets

const secret = (screen: Screen) => screen.keyboard.ask("Senha: ", { hidden: true });

const typedSecrets: readonly [keys: string, secret: string][] = [
  ["s3nha\r", "s3nha"],
  ["s3nha\n", "s3nha"],
  ["ção\x7f\x7fã😀\x7fz\r", "çãz"],
  ["\x7f\x7fa\r", "a"],
  ["errada\x15certa\r", "certa"],
  ["a\x04b\r", "ab"],
  ["\r", ""],
];

for (const [keys, expected] of typedSecrets) {
  Deno.test(`a secret typed as ${JSON.stringify(keys)} is not shown`, pure, async () => {
    for (const chunks of [[keys], [...keys]]) {
      await using screen = new Screen([...chunks, "cor\n"], true);
      const answer = secret(screen);
      assert(screen.hidden);
      assertStrictEquals(await answer, expected);
      assert(!screen.hidden);
      assertStrictEquals(screen.shown, "Senha: \n");
      assertStrictEquals(await screen.keyboard.ask("Key: "), "cor");
    }
  });
}

Deno.test("a pasted secret leaves the lines after it to the next questions", pure, async () => {
  await using screen = new Screen(["um\r\ndois\rcor\n"], true);
  assertEquals([await secret(screen), await secret(screen)], ["um", "dois"]);
  assertStrictEquals(await screen.keyboard.ask("Key: "), "cor");
});

Deno.test("a secret with an arrow key, or not in UTF-8, is asked for again", pure, async () => {
  await using screen = new Screen(["a\x1b[Db\r", latin1, "certa\r"], true);
  assertStrictEquals(await secret(screen), "certa");
  assertStrictEquals(
    screen.complaints,
    `${inputTexts.pt.controls}\n${inputTexts.pt.notUtf8(undefined)}\n`,
  );
});

for (const [what, input] of [["Ctrl-D", "\x04"], ["the end of the input", "abc"]] as const) {
  Deno.test(
    `${what} in place of a secret ends the input, and typing is shown again`,
    pure,
    async () => {
      await using screen = new Screen([input], true);
      await assertRejects(() => secret(screen), EndOfInput);
      assert(!screen.hidden);
    },
  );
}

Deno.test(
  "a signal while a secret is typed is its exit code, and typing is shown again",
  pure,
  async () => {
    const screen = new FakeTerminal(undefined, true, (onSignal) => {
      signal = onSignal;
      return () => shown = true;
    });
    let signal = (_code: number): void => {};
    let shown = false;
    const code = exitCode(screen, async () => {
      await screen.keyboard.ask("Senha: ", { hidden: true });
      return 0;
    });
    screen.type("meta");
    signal(143);
    assertEquals([await code, shown, screen.screen], [143, true, "Senha: \n"]);
    await screen.keyboard.close();
  },
);

Deno.test("Ctrl-C that is a key, as on Windows, is exit code 130", pure, async () => {
  await using screen = new Screen(["abc\x03\r"], true);
  const thrown = await assertRejects(() => secret(screen), Interrupted);
  assertStrictEquals(thrown.code, 130);
  assert(!screen.hidden);
});

Deno.test("a keyboard that is closed during a secret shows again what is typed", pure, async () => {
  let shown = false;
  const screen = new FakeTerminal(undefined, true, () => () => shown = true);
  const asked = screen.keyboard.ask("Senha: ", { hidden: true }).catch((error) => error);
  await Promise.resolve(); // the question is written
  await screen.keyboard.close();
  assert(shown);
  assert(await asked instanceof EndOfInput);
});

Deno.test("from a pipe a secret is read without a word", pure, async () => {
  await using screen = new Screen(["s3nha\ncor\n"]);
  assertStrictEquals(await secret(screen), "s3nha");
  assertStrictEquals(await screen.keyboard.ask("Key: "), "cor");
  await assertRejects(() => secret(screen), EndOfInput);
  assertStrictEquals(screen.shown, "Key: cor\n");
});

// Addresses

Deno.test("an empty line means the preset", pure, async () => {
  await using screen = new Screen(["\n \n"]);
  assertStrictEquals(await askIp(screen, "IP: ", "10.0.0.7"), "10.0.0.7");
  assertStrictEquals(await askPort(screen, "Porta: ", 10_099), 10_099);
  assertStrictEquals(screen.shown, "IP: \nPorta:  \n");
});

Deno.test(
  "an answer is read without the blanks around it, in its usual spelling",
  pure,
  async () => {
    await using screen = new Screen([" localhost \n\t10098 \n[::1]\n"]);
    assertStrictEquals(await askIp(screen, "IP: ", "10.0.0.7"), "127.0.0.1");
    assertStrictEquals(await askPort(screen, "Porta: ", 10_099), 10_098);
    assertStrictEquals(await askIp(screen, "IP: ", "10.0.0.7"), "::1");
  },
);

const nameHint =
  " Aqui só vale um IP desta máquina; nomes valem em --leader-ip, --advertise e --servers";

Deno.test("a server that is dialled may be a name, in its usual spelling", pure, async () => {
  await using screen = new Screen([" KV-0.Kv. \n1.2.3\n"]);
  assertStrictEquals(await askHost(screen, "IP: ", "10.0.0.7"), "kv-0.kv");
  const wrong = await assertRejects(() => askHost(screen, "IP: ", "10.0.0.7"), UsageError);
  assertStrictEquals(wrong.message, "IP inválido: 1.2.3");
});

Deno.test("on a terminal a wrong answer is asked for again, until it is right", pure, async () => {
  await using screen = new Screen(["999.1.1.1\nx\n10.0.0.8\n0\n65536\n10098\n"], true);
  assertStrictEquals(await askIp(screen, "IP: ", "10.0.0.7"), "10.0.0.8");
  assertStrictEquals(screen.complaints, `IP inválido: 999.1.1.1\nIP inválido: x.${nameHint}\n`);
  screen.complaints = "";
  assertStrictEquals(await askPort(screen, "Porta: ", 10_099), 10_098);
  assertStrictEquals(screen.complaints, "Porta inválida: 0\nPorta inválida: 65536\n");
  assertStrictEquals(screen.shown, "IP: IP: IP: Porta: Porta: Porta: ");
});

Deno.test("in a pipe a wrong answer is an error", pure, async () => {
  await using screen = new Screen(["x\n70000\n10098\n"]);
  const ip = await assertRejects(() => askIp(screen, "IP: ", "10.0.0.7"), UsageError);
  assertStrictEquals(ip.message, `IP inválido: x.${nameHint}`);
  const port = await assertRejects(() => askPort(screen, "Porta: ", 10_099), UsageError);
  assertStrictEquals(port.message, "Porta inválida: 70000");
  assertStrictEquals(screen.complaints, "");
});

Deno.test("the end of the input is not the preset", pure, async () => {
  await using screen = new Screen([]);
  await assertRejects(() => askIp(screen, "IP: ", "10.0.0.7"), EndOfInput);
});

Deno.test("a flag replaces the question", pure, async () => {
  await using screen = new Screen(["1.1.1.1\n"], true);
  assertStrictEquals(await askIp(screen, "IP: ", "10.0.0.7", "10.0.0.8"), "10.0.0.8");
  assertStrictEquals(await askPort(screen, "Porta: ", 10_099, "10098"), 10_098);
  assertStrictEquals(screen.shown, "");
});

Deno.test("a wrong or empty flag is an error, also on a terminal", pure, async () => {
  await using screen = new Screen(["1.1.1.1\n"], true);
  for (const flag of ["x", "", "1.2.3.4:5"]) {
    await assertRejects(() => askIp(screen, "IP: ", "10.0.0.7", flag), UsageError, "IP inválido");
    await assertRejects(() => askPort(screen, "P: ", 10_099, flag), UsageError, "Porta inválida");
  }
  assertStrictEquals(screen.shown, "");
});

// Flags

const flags = (...args: string[]) => parseFlags(args, ["ip", "leader-ip"], ["quiet", "help"]);

Deno.test("flags that are not given are undefined, switches false", pure, () => {
  assertEquals(flags(), {
    values: { ip: undefined, "leader-ip": undefined },
    switches: { quiet: false, help: false },
  });
});

Deno.test("flags are text, after an equals sign or a blank; switches are true", pure, () => {
  assertEquals(flags("--ip=010", "--quiet", "--leader-ip", "a=b"), {
    values: { ip: "010", "leader-ip": "a=b" },
    switches: { quiet: true, help: false },
  });
});

for (const args of [["--ip="], ["--ip"], ["--ip", "--quiet"], ["--quiet", "--leader-ip"]]) {
  Deno.test(`${args.join(" ")} lacks a value`, pure, () => {
    assertThrows(() => flags(...args), UsageError, "needs a value");
  });
}

// deno-fmt-ignore
const unknownArguments: string[][] = [
  ["x"], [""], ["-"], ["-q"], ["-1"], ["--port=1"], ["--Ip=1"], ["--ip.x=1"], ["--i=1"], ["---ip=1"], ["--no-quiet"], ["--no-ip"],
  ["--__proto__=1"], ["--constructor"], ["--_=1"], ["--ip=1", "2"], ["--quiet", "x"], ["--ip", "-1"], ["--", "x"], ["--", "--ip=1"],
];

for (const args of unknownArguments) {
  Deno.test(`arguments ${JSON.stringify(args)} are refused`, pure, () => {
    assertThrows(() => flags(...args), UsageError);
  });
}

for (
  const args of [["--ip=p\ufffd"], ["--ip", "\ufffd"], ["--\ufffd=1"], ["p\ufffd"], [
    "--",
    "\ufffd",
  ]]
) {
  Deno.test(`arguments ${JSON.stringify(args)}, not UTF-8, are refused as such`, pure, () => {
    const number = args.findIndex((arg) => arg.includes("\ufffd")) + 1;
    const message = `argument ${number} is not UTF-8, or has the character U+FFFD`;
    assertThrows(() => flags(...args), UsageError, message);
  });
}

Deno.test("--quiet=false and the like never switch quiet on", pure, () => {
  for (const given of ["--quiet=false", "--quiet=0", "--quiet=no", "--quiet=x"]) {
    try {
      assertStrictEquals(flags(given).switches.quiet, false, given);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
    }
  }
});

const limits = { min: 1, max: 9, whole: true };

Deno.test("a number that is not given is the preset", pure, () => {
  assertStrictEquals(numberFlag("n", undefined, 3, limits), 3);
});

Deno.test("a number within its limits is accepted, the limits included", pure, () => {
  for (const text of ["1", "5", "9"]) {
    assertStrictEquals(numberFlag("n", text, 3, limits), Number(text));
  }
  assertStrictEquals(numberFlag("s", "0.5", 3, { min: 0.1, max: 1, whole: false }), 0.5);
});

Deno.test(
  "a text that is no number, or a number out of its limits, is an error with the flag's name",
  pure,
  () => {
    for (const text of ["0", "10", "-1", "1.5", "", " ", "x", "1x", "NaN", "Infinity", "1e400"]) {
      const message = `--size must be a whole number from 1 to 9, not ${JSON.stringify(text)}`;
      assertThrows(() => numberFlag("size", text, 3, limits), UsageError, message);
    }
    const seconds = { min: 0, max: 60, whole: false };
    for (const text of ["-0.1", "60.1", "", " ", "x", "NaN"]) {
      assertThrows(() => numberFlag("s", text, 3, seconds), UsageError, "a number from 0 to 60");
    }
  },
);

// Exit codes

Deno.test("a role ends with its own exit code", pure, async () => {
  await using screen = new Screen([]);
  assertStrictEquals(await exitCode(screen, () => Promise.resolve(1)), 1);
  assertStrictEquals(screen.complaints, "");
});

for (const error of [new UsageError("why"), new EndOfInput("why")]) {
  Deno.test(`${error.name} gives one line on standard error, and exit code 2`, pure, async () => {
    await using screen = new Screen([]);
    assertStrictEquals(await exitCode(screen, () => Promise.reject(error)), 2);
    assertStrictEquals(screen.complaints, "why\n");
  });
}

Deno.test("an unexpected error of a role is thrown", pure, async () => {
  await using screen = new Screen([]);
  const error = new TypeError("a bug");
  const thrown = await assertRejects(() => exitCode(screen, () => Promise.reject(error)));
  assertStrictEquals(thrown, error);
});

Deno.test(
  "an output that cannot be written turns exit code 0 into 6, and no other code",
  pure,
  async () => {
    await using screen = new Screen([]);
    const { keyboard, out, err, flushed } = screen;
    const full = { keyboard, out, err, flushed, outFailure: new Error("No space left on device") };
    assertStrictEquals(await exitCode(full, () => Promise.resolve(0)), 6);
    assertStrictEquals(await exitCode(full, () => Promise.resolve(5)), 5);
  },
);

Deno.test("a program that a signal has ended does not wait for the reader of its output", async () => {
  const waits: (number | undefined)[] = [];
  const { keyboard, out, err } = new FakeTerminal("");
  const flushed = (msMax?: number) => Promise.resolve(void waits.push(msMax));
  for (const code of [0, 9, 130]) {
    await exitCode({ keyboard, out, err, flushed }, () => Promise.resolve(code));
  }
  assertEquals(waits, [Infinity, Infinity, lastWordsMs]);
});

Deno.test("a message for the terminal has no control or format characters", async () => {
  const terminal = new FakeTerminal("");
  const hostile = "a session file with \x1b[2J, \u202e and \u200b";
  await exitCode(terminal, () => Promise.reject(new UsageError(hostile)));
  assertEquals(terminal.errors, "a session file with \\u001b[2J, \\u202e and \\u200b\n");
});
