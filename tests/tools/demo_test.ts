import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { stories, storyOf } from "../../dashboard/stories/stories.js";
import type { Story } from "../../dashboard/stories/story.ts";
import { main } from "../../tools/demo.ts";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { within } from "../support/waiting.ts";

async function run(args: string[], terminal = new FakeTerminal("")) {
  const code = await within("it ends", exitCode(terminal, () => main(args, terminal)));
  return { code, screen: terminal.screen, errors: terminal.errors };
}

/** The lines of servers and clients, with letters for the servers' ports and X for a client's address. */
function said(screen: string): string[] {
  const ports = /(\d+)\D+(\d+)\D+(\d+)/.exec(screen)!.slice(1);
  return linesOf(screen).filter((line) => line.startsWith("[")).map((line) => {
    for (const [n, port] of ports.entries()) line = line.replaceAll(port, ["P", "Q", "R"][n]!);
    return line.replace(/Cliente 127\.0\.0\.1:\d+/, "Cliente X").replaceAll("127.0.0.1:", "");
  });
}

const lines = [
  "[P] Cliente X PUT key:cor value:azul.",
  "[Q] REPLICATION key:cor value:azul ts:1.",
  "[R] REPLICATION key:cor value:azul ts:1.",
  "[P] Enviando PUT_OK ao Cliente X da key:cor ts:1.",
  "[A] PUT_OK key: cor value azul timestamp 1 realizada no servidor P",
  "[P] Cliente X PUT key:cor value:verde.",
  "[Q] REPLICATION key:cor value:verde ts:2.",
  "[Q] Cliente X GET key:cor ts:0. Meu ts é 2, portanto devolvendo verde",
  "[B] GET key: cor value: verde obtido do servidor Q, meu timestamp 0 e do servidor 2",
  "[R] Cliente X GET key:cor ts:2. Meu ts é 1, portanto devolvendo TRY_OTHER_SERVER_OR_LATER",
  "[B] GET key: cor value: TRY_OTHER_SERVER_OR_LATER obtido do servidor R, meu timestamp 2 e do servidor 1",
  "[R] Cliente X GET key:cor ts:0. Meu ts é 1, portanto devolvendo azul",
  "[C] GET key: cor value: azul obtido do servidor R, meu timestamp 0 e do servidor 1",
  "[R] REPLICATION key:cor value:verde ts:2.",
  "[P] Enviando PUT_OK ao Cliente X da key:cor ts:2.",
  "[A] PUT_OK key: cor value verde timestamp 2 realizada no servidor P",
  "[R] Cliente X GET key:cor ts:2. Meu ts é 2, portanto devolvendo verde",
  "[B] GET key: cor value: verde obtido do servidor R, meu timestamp 2 e do servidor 2",
];

/** The two followers get a write at the same moment, so either may be the first to print it. */
function assertSaid(screen: string): void {
  const all = said(screen);
  const sorted = [...all.slice(0, 1), ...all.slice(1, 3).sort(), ...all.slice(3)];
  assertEquals(sorted, lines);
}

Deno.test("with input from a pipe no step waits; servers and clients print these exact lines", async () => {
  const { code, screen, errors } = await run([]);
  assertEquals([code, errors], [0, ""]);
  assertSaid(screen);
  const steps = linesOf(screen).filter((line) => /^\d\. /.test(line));
  assertEquals(steps.map((line) => line[0]), [..."12345678"]);
  assertStringIncludes(steps[0]!, "O cliente A escreve azul.");
  assert(screen.endsWith("\nCada passo deu o que foi dito.\n"));
});

Deno.test("--lang=en narrates in English; the lines of the assignment stay as they are", async () => {
  const { code, screen } = await run(["--lang=en"]);
  assertEquals(code, 0);
  assertSaid(screen);
  assertStringIncludes(screen, "\n1. Client A writes azul.");
  assert(screen.endsWith("\nEvery step gave what the narration says.\n"));
});

Deno.test("on a terminal each step waits for Enter", async () => {
  const terminal = new FakeTerminal();
  const ended = run(["--lang=en"], terminal);
  for (let step = 1; step <= 8; step++) {
    await terminal.shows("Press Enter ");
    assert(!terminal.screen.includes(`\n${step}. `), `step ${step} did not wait`);
    terminal.type("\n");
  }
  assertEquals((await ended).code, 0);
});

Deno.test("after the end of the input on a terminal the remaining steps do not wait", async () => {
  const terminal = new FakeTerminal("\n", true);
  const { code, screen } = await run([], terminal);
  assertEquals(code, 0);
  assertStringIncludes(screen, "\n8. ");
});

for (const { id, steps } of stories) {
  Deno.test(`--story=${id} is told to its end, and every text has its names and timestamps`, async () => {
    await Promise.all(["pt", "en"].map(async (lang) => {
      const { code, screen, errors } = await run([`--story=${id}`, `--lang=${lang}`]);
      assertEquals([code, errors], [0, ""]);
      const numbers = linesOf(screen).map((line) => /^(\d+)\. /.exec(line)?.[1]);
      assertEquals(numbers.filter(Boolean).map(Number), steps.map((_, index) => index + 1));
      assert(!/[{}]|undefined|NaN/.test(screen), screen);
    }));
  });
}

Deno.test("a step that gives something else ends the story with exit code 1", async () => {
  const step = storyOf("try-other")!.steps[0]!;
  const commands = [...step.commands, { do: "refused", by: "B", at: "far", standsAt: "old" }];
  const wrong = { ...storyOf("try-other")!, steps: [{ ...step, commands }] } as Story;
  const ends = {
    pt: "Este passo devia dar TRY_OTHER_SERVER_OR_LATER 1, mas deu azul 1.\n",
    en: "This step should give TRY_OTHER_SERVER_OR_LATER 1, but gave azul 1.\n",
  };
  for (const [lang, text] of Object.entries(ends)) {
    const terminal = new FakeTerminal("");
    const code = await within("it ends", main([`--lang=${lang}`], terminal, () => wrong));
    assertEquals([code, terminal.errors], [1, text]);
  }
});

Deno.test("a restarted follower prints what it has missed, and a restarted leader goes on", async () => {
  const follower = said((await run(["--story=follower-returns"])).screen);
  assertEquals(follower.filter((line) => line.startsWith("[R] REPLICATION")), [
    "[R] REPLICATION key:cor value:azul ts:1.",
    "[R] REPLICATION key:cor value:azul ts:1.",
    "[R] REPLICATION key:cor value:verde ts:2.",
  ]);
  const leader = said((await run(["--story=leader-returns"])).screen);
  for (
    const line of [
      "[A] ERRO no PUT: não realizado pelo servidor Q: sem conexão com o líder P [UNAVAILABLE]",
      "[P] Cliente X GET key:cor ts:1. Meu ts é 0, portanto devolvendo TRY_OTHER_SERVER_OR_LATER",
      "[P] Cliente X GET key:cor ts:1. Meu ts é 1, portanto devolvendo azul",
    ]
  ) assert(leader.includes(line), `${line} is missing:\n${leader.join("\n")}`);
});

Deno.test("clients print what a condition gave", async () => {
  const lines = said((await run(["--story=compare-and-set"])).screen);
  assertEquals(lines.filter((line) => /WRITE_OK|CONFLICT/.test(line)), [
    "[A] WRITE_OK key: vagas value 9 timestamp 2 realizada no servidor Q, timestamp esperado 1",
    "[B] CONFLICT key: vagas value: 9 obtido do servidor R, timestamp esperado 1 e do servidor 2",
    "[B] WRITE_OK key: vagas value 8 timestamp 3 realizada no servidor R, timestamp esperado 2",
  ]);
});

Deno.test("--list names every story, and an unknown one is wrong usage", async () => {
  const { code, screen } = await run(["--list", "--lang=en"]);
  assertEquals(code, 0);
  assertEquals(
    linesOf(screen).map((line) => line.split(/ {2,}/)),
    stories.map(({ id, about }) => [id, about.en]),
  );
  const wrong = await run(["--story=toString"]);
  assertEquals([wrong.code, wrong.screen], [2, ""]);
  assertStringIncludes(wrong.errors, "--story must be one of try-other, ");
});

Deno.test("an unknown language is wrong usage, --help explains every flag", async () => {
  const wrong = await run(["--lang=fr"]);
  assertEquals([wrong.code, wrong.screen], [2, ""]);
  assertStringIncludes(wrong.errors, `--lang must be pt or en, not "fr"`);
  const { code, screen } = await run(["--help"]);
  assertEquals(code, 0);
  for (const flag of ["story", "lang", "list", "help"]) assertStringIncludes(screen, `--${flag}`);
});
