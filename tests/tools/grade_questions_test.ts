import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../lib/cli/flags.ts";
import { type Asker, Questions } from "../../tools/grade/questions.ts";

const pure = { permissions: "none" } as const;

/** Answers questions from a list, and keeps what it is told. */
function scripted(answers: readonly string[]): Asker & { told: string[] } {
  const left = answers.values();
  const told: string[] = [];
  return {
    told,
    tell: (text) => told.push(text),
    ask: () => {
      const { value, done } = left.next();
      return done ? Promise.reject(new Error("no more answers")) : Promise.resolve(value);
    },
  };
}

const commands = { server: ["run", "server"], client: ["run", "client"] };

Deno.test("a new profile has the answers, and no field that keeps its preset", pure, async () => {
  const few = scripted(["", "run server", " run  client ", "", "", "", "", ""]);
  assertEquals(await new Questions(few).commands(), commands);
  const all = scripted([
    ...["make all", "run server", "run client", "fixed", "integers", "no-spaces", "iso-8859-1"],
    "NAO",
  ]);
  assertEquals(await new Questions(all).commands(), {
    ...commands,
    build: ["make", "all"],
    ports: "fixed",
    keys: "integers",
    values: "no-spaces",
    encoding: "iso-8859-1",
    refusalWord: "NAO",
  });
});

Deno.test("a bad answer is told and asked for again", pure, async () => {
  const asker = scripted([
    ...["", "", "run {prot}", "run server", "run {key}", "run client", "any", ""],
    ...["numbers", "", "", "latin1", "", ""],
  ]);
  assertEquals(await new Questions(asker).commands(), commands);
  const complaints = asker.told.filter((text) => text.startsWith('"'));
  assertEquals(
    complaints.map((text) => text.split(" ")[0]),
    ['"server"', '"server"', '"client"', '"ports"', '"keys"', '"encoding"'],
  );
});

Deno.test("bad answers without an end are a wrong usage", pure, async () => {
  const questions = new Questions(scripted(Array(100).fill("")));
  await assertRejects(() => questions.commands(), UsageError, '"server" must be a list of words');
});
