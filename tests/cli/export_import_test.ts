/** `export` and `import`, over a table in memory. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { CommandOptions } from "../../lib/cli/command_flags.ts";
import { commandTexts } from "../../lib/cli/command_texts.ts";
import { runCommand } from "../../lib/cli/commands.ts";
import { PipelinedWrites } from "../../lib/cli/pipelined_writes.ts";
import { Progress } from "../../lib/cli/progress.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { valueBytesMax } from "../../lib/limits.ts";
import { FakeClient } from "../support/fake_client.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { eventually, within } from "../support/waiting.ts";

/** How a command is run. */
interface Run {
  readonly json?: boolean;
  readonly lang?: "en" | "pt";
  readonly terminal?: FakeTerminal;
}

async function run(
  store: FakeClient,
  command: Parameters<typeof runCommand>[2],
  { json = false, lang = "en", terminal = new FakeTerminal("") }: Run = {},
) {
  terminal.keyboard.language = lang;
  using caught = terminal.catchSignals();
  const context = {
    ...{ screen: terminal, servers: [], access: {}, timeoutMs: 1_000, json },
    ...{ texts: commandTexts[lang], signal: caught.signal },
  };
  const code = await within("the command ends", runCommand(context, store.client, command));
  return { code, out: terminal.screen, err: terminal.errors };
}

function exported(
  store: FakeClient,
  { prefix = "", after, ...how }: Run & { prefix?: string; after?: string } = {},
) {
  return run(store, { name: "export", prefix, after }, how);
}

function imported(
  store: FakeClient,
  input: string,
  { ifAbsent = false, fromLine = 1, ...how }: Partial<CommandOptions> & Run = {},
) {
  const terminal = how.terminal ?? new FakeTerminal(input);
  return run(store, { name: "import", ifAbsent, fromLine }, { ...how, terminal });
}

const awkward = {
  "": "key",
  "\u0000\n\t\u009b": "\u001b[2J\r\n",
  'a "quoted" \\ key': "",
  "ção 🜁": "é".repeat(100),
  "-": "-",
  "=-\ufeff": "\ufeff\u2028",
};
const { "": _, ...texts } = awkward;

Deno.test("what is exported and imported is the same, whatever characters it has", async () => {
  const { out, code, err } = await exported(new FakeClient(texts));
  assertEquals([code, err], [0, "5 entries exported.\n"]);
  // deno-lint-ignore no-control-regex
  assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(out), "no control character");
  const copy = new FakeClient();
  assertEquals(await imported(copy, out), { code: 0, out: "", err: "5 entries imported.\n" });
  const values = Object.fromEntries([...copy.table].map(([key, { value }]) => [key, value]));
  assertEquals(values, texts);
});

Deno.test("a value of 1 MiB of control characters is one line, out and in", async () => {
  const value = "\u0001".repeat(valueBytesMax);
  const { out } = await exported(new FakeClient({ large: value, small: "v" }));
  assertEquals(linesOf(out).length, 2);
  const copy = new FakeClient();
  assertEquals((await imported(copy, out)).code, 0);
  assert(copy.table.get("large")?.value === value);
});

Deno.test("export: a prefix, and the keys after --after or after the last line of the input", async () => {
  const store = new FakeClient({ a: "1", b1: "2", b2: "3", b3: "4", c: "5" });
  const keys = ({ out }: { out: string }) => linesOf(out).map((line) => JSON.parse(line).key);
  assertEquals(keys(await exported(store, { prefix: "b" })), ["b1", "b2", "b3"]);
  assertEquals(keys(await exported(store, { prefix: "b", after: "b1" })), ["b2", "b3"]);
  const first = linesOf((await exported(store)).out).slice(0, 3).join("\n");
  const terminal = new FakeTerminal(`${first}\n`);
  assertEquals(keys(await exported(store, { after: "-", terminal })), ["b3", "c"]);
  for (const [input, complaint] of [["", "has no line"], [first.slice(0, -1), "not a JSON obj"]]) {
    const refused = await exported(store, { after: "-", terminal: new FakeTerminal(input) });
    assertEquals([refused.code, refused.out], [2, ""]);
    assertStringIncludes(refused.err, complaint!);
    assertEquals(linesOf(refused.err).length, 1); // there is nothing to go on with
  }
});

Deno.test("export: a failure, a signal or a closed output ends it after a whole line", async () => {
  const store = new FakeClient({ a: "1", b: "2", c: "3" });
  const hint = "Ended early, 2 entries exported. To go on with FILE: tail -n 1 FILE | …";
  store.before = (key) => {
    if (key === "c") throw new UnavailableError("fake:1", "gone");
  };
  for (const json of [false, true]) {
    const failed = await exported(store, { json });
    assertEquals([failed.code, linesOf(failed.out).length], [4, 2]);
    assertStringIncludes(failed.err, "EXPORT failed: not done: gone\n");
    assertStringIncludes(failed.err, hint);
  }
  const terminal = new FakeTerminal("");
  store.before = (key) => {
    if (key === "c") terminal.interrupt(143);
  };
  const stopped = await exported(store, { terminal });
  assertEquals([stopped.code, linesOf(stopped.out).length], [143, 2]);
  assertStringIncludes(stopped.err, hint);
  const closed = new FakeTerminal("");
  store.before = (key) => {
    closed.outClosed = key === "b";
  };
  const { code, out, err } = await exported(store, { terminal: closed });
  assertEquals([code, linesOf(out).length, err], [0, 1, ""]);
});

Deno.test("export waits for the reader of its output once 1 Mi characters are not read", async () => {
  const entries = Array.from({ length: 20 }, (_, n) => [`k${n}`, "v".repeat(100_000)]);
  const store = new FakeClient(Object.fromEntries(entries));
  const terminal = new FakeTerminal("");
  let read = Promise.withResolvers<void>();
  let waits = 0;
  const waiting = Promise.withResolvers<void>();
  Object.assign(terminal, {
    flushed: () => {
      if (++waits === 1) waiting.resolve();
      return read.promise;
    },
  });
  const done = exported(store, { terminal });
  await within("it waits", waiting.promise);
  assertEquals(linesOf(terminal.screen).length, 11);
  const first = read;
  read = Promise.withResolvers();
  read.resolve();
  first.resolve();
  assertEquals((await done).code, 0);
  assertEquals(linesOf(terminal.screen).length, 20);
});

Deno.test("export: a signal ends it also while its output is not read", async () => {
  const store = new FakeClient({ a: "v".repeat(1_048_576), b: "v" });
  const terminal = new FakeTerminal("");
  Object.assign(terminal, {
    flushed: () => {
      terminal.interrupt(130);
      return new Promise(() => {});
    },
  });
  assertEquals((await exported(store, { terminal })).code, 130);
});

Deno.test("import: --if-absent leaves existing keys, without it they are overwritten", async () => {
  const input = '{"key":"a","value":"new"}\n\n{"key":"b","value":"new","more":1}\n';
  const kept = new FakeClient({ a: "old" });
  const result = await imported(kept, input, { ifAbsent: true, json: true });
  assertEquals(JSON.parse(result.out), { imported: 1, existed: 1 });
  assertEquals([kept.table.get("a")?.value, kept.table.get("b")?.value], ["old", "new"]);
  const written = new FakeClient({ a: "old" });
  assertEquals((await imported(written, input)).err, "2 entries imported.\n");
  assertEquals(written.table.get("a")?.value, "new");
});

for (
  const [line, reason] of [
    ["{", "not a JSON object"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ['{"key":"k"}', "not a JSON object"],
    ['{"key":"k","value":1}', "not a JSON object"],
    ['{"key":"","value":"v"}', '"key" is empty'],
    [`{"key":"${"k".repeat(1_025)}","value":"v"}`, '"key" is longer than 1024 bytes'],
    ['{"key":"k","value":"\\ud800"}', '"value" is not Unicode text'],
    ['{"key":"k","value":"\u0000"}', "Line 3 of the input has a NUL"],
  ] as const
) {
  Deno.test(`import ends at a broken line and names it: ${line.slice(0, 40)}`, async () => {
    const store = new FakeClient();
    const good = (n: number) => `{"key":"k${n}","value":"v"}\n`;
    const input = good(1) + good(2) + `${line}\n` + good(4);
    const { code, err } = await imported(store, input);
    assertEquals([code, store.table.size], [2, 2]);
    assertStringIncludes(err, reason);
    if (!reason.startsWith("Line")) assertStringIncludes(err, "invalid request: line 3: ");
    assertStringIncludes(err, "2 entries imported. To go on with the same input: --from-line=3\n");
    const json = await imported(new FakeClient(), input, { json: true });
    const { error, line: named, imported: count } = JSON.parse(json.out);
    assertEquals([named, count], [3, 2]);
    assert(["USAGE", "INVALID_ARGUMENT", "TOO_LARGE"].includes(error), error);
    assertEquals((await imported(new FakeClient(), input, { fromLine: 4 })).code, 0);
  });
}

Deno.test("import: a broken line is named in Portuguese too", async () => {
  const { err } = await imported(new FakeClient(), '{"key":"","value":""}\n', { lang: "pt" });
  assertStringIncludes(err, "linha 1: a key está vazia [INVALID_ARGUMENT]\n");
  assertStringIncludes(err, "Para continuar com a mesma entrada: --from-line=1\n");
});

Deno.test("import: after a failure the lowest line that may be missing is named, and all before it are there", async () => {
  const lines = Array.from({ length: 600 }, (_, n) => `{"key":"k${n + 1}","value":"v"}`);
  for (const [error, code] of [[UnavailableError, 4], [UnknownOutcomeError, 5]] as const) {
    const store = new FakeClient();
    const [begun, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.before = async (key) => {
      if (key === "k150") begun.resolve();
      if (key === "k100") await failed.promise; // fails later, and has the lower line
      if (key === "k120") await begun.promise.then(() => failed.resolve());
      if (key === "k100" || key === "k120") throw new error("fake:1", "gone");
    };
    const result = await imported(store, lines.join("\n"), { json: true });
    assertEquals([result.code, JSON.parse(result.out).line], [code, 100]);
    assertStringIncludes(result.err, "--from-line=100\n");
    assert(store.table.size < 600, "after a failure no write begins");
    for (let n = 1; n < 100; n++) assert(store.table.has(`k${n}`));
    store.before = () => {};
    assertEquals((await imported(store, lines.join("\n"), { fromLine: 100 })).code, 0);
    assertEquals(store.table.size, 600);
  }
});

Deno.test("import: a signal ends it between two lines, and says where to go on", async () => {
  const store = new FakeClient();
  const terminal = new FakeTerminal(undefined, false); // an input that does not end
  terminal.type('{"key":"a","value":"v"}\n{"key":"b","value":"v"}\n');
  store.before = (key) => {
    if (key === "b") terminal.interrupt(130);
  };
  const { code, out, err } = await imported(store, "", { terminal, json: true });
  assertEquals([code, [...store.table.keys()]], [130, ["a", "b"]]);
  assertEquals(JSON.parse(out), { imported: 2, existed: 0, line: 3 });
  assertStringIncludes(err, "--from-line=3\n");
  terminal.endInput();
  const idle = new FakeTerminal(undefined, false);
  const waiting = imported(new FakeClient(), "", { terminal: idle });
  setTimeout(() => idle.interrupt(143)); // while it waits for the first line
  assertEquals((await waiting).code, 143);
  idle.endInput();
});

Deno.test("import: of two lines with the same key the later one wins, however long the first takes", async () => {
  const values: string[] = [];
  const slow = Promise.withResolvers<void>();
  const writes = new PipelinedWrites(async (_, value) => {
    if (value === "first") await slow.promise;
    values.push(value);
  });
  await writes.start(1, "same", "first");
  await writes.start(2, "other", "other");
  const third = writes.start(3, "same", "second");
  setTimeout(() => slow.resolve());
  await third;
  assertEquals(await writes.finish(), undefined);
  assertEquals(values, ["other", "first", "second"]);
});

Deno.test("import: a line that waited for one that failed is not written", async () => {
  const begun: string[] = [];
  const writes = new PipelinedWrites(async (_, value) => {
    begun.push(value);
    await Promise.reject(new Error("gone"));
  });
  await writes.start(1, "same", "first");
  await writes.start(2, "same", "second");
  assertEquals([(await writes.finish())?.line, begun], [1, ["first"]]);
});

Deno.test("import: a failed write counts more than a broken line behind it", async () => {
  const store = new FakeClient();
  store.before = () => new Promise((_, reject) => setTimeout(() => reject(gone)));
  const gone = new UnavailableError("fake:1", "gone");
  const { code, err } = await imported(store, '{"key":"k","value":"v"}\nbroken\n');
  assertEquals(code, 4);
  assertStringIncludes(err, "--from-line=1\n");
});

Deno.test("import: at most 256 writes and 8 Mi characters at the same time", async () => {
  const store = new FakeClient();
  const lines = Array.from({ length: 1_000 }, (_, n) => `{"key":"k${n}","value":"v"}\n`).join("");
  const gate = Promise.withResolvers<void>();
  store.before = () => gate.promise;
  const done = imported(store, lines);
  await eventually("256 writes begin", () => store.writesMax >= 256 || undefined);
  gate.resolve();
  await done;
  assertEquals([store.writesMax, store.table.size], [256, 1_000]);
  const large = new FakeClient();
  large.before = () => new Promise((resolve) => setTimeout(resolve));
  const value = "v".repeat(1_000_000);
  const writes = new PipelinedWrites(async (key, value) => void await large.put(key, value));
  for (let n = 0; n < 30; n++) await writes.start(n, `k${n}`, value);
  await writes.finish();
  assertEquals([large.table.size, large.writesMax], [30, 8]);
});

Deno.test("progress is told at most once in a while", () => {
  const told: string[] = [];
  const never = new Progress((text) => told.push(text), 1e9);
  const always = new Progress((text) => told.push(text), 0);
  for (let n = 0; n < 3; n++) {
    never.report(() => "never");
    always.report(() => `${n}`);
  }
  assertEquals(told, ["0\n", "1\n", "2\n"]);
});
