import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../lib/cli/flags.ts";
import { type Asker, askForProfile } from "../../tools/grade/questions.ts";

const pure = { permissions: "none" } as const;

const server = ["{port}", "Port?", ""];
const init = ["1", "", "{ip1}:{port1} {ip2}:{port2} {ip3}:{port3}", "three", ""];
const put = ["2", "", "{key}", "Key", "{value}", "Value", ""];
const get = ["3", "", "{key}", "Key", ""];
const good = ["", "run server", "run client", ...server, "", "Menu?", ...init, ...put, ...get];

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

const expected = {
  server: ["run", "server"],
  client: ["run", "client"],
  serverDialog: [["Port\\?", "{port}"]],
  menu: "Menu\\?",
  init: [[null, "1"], ["three", "{ip1}:{port1} {ip2}:{port2} {ip3}:{port3}"]],
  put: [[null, "2"], ["Key", "{key}"], ["Value", "{value}"]],
  get: [[null, "3"], ["Key", "{key}"]],
};

Deno.test("a new profile has the answers, and no field that keeps its preset", pure, async () => {
  assertEquals(await askForProfile(scripted([...good, "", "", "", ""])), expected);
  const chosen = await askForProfile(
    scripted([...good, "integers", "no-spaces", "iso-8859-1", "NAO"]),
  );
  const choices = { keys: "integers", values: "no-spaces", encoding: "iso-8859-1" };
  assertEquals(chosen, { ...expected, ...choices, refusalWord: "NAO" });
});

Deno.test("a bad answer is told and asked for again", pure, async () => {
  const asker = scripted([
    ...["", "", "run server", "run client"],
    ...["{prot}", "Port?", ...server, "", "Menu?", ...init],
    ...["2", "", "{key}", "Key", "", ...put], // a whole PUT without its value
    ...[...get, "numbers", "", "", "", ""],
  ]);
  assertEquals(await askForProfile(asker), expected);
  const complaints = asker.told.filter((text) => text.startsWith('"'));
  assertEquals(complaints.map((text) => text.split(" ")[0]), [
    ...['"server"', '"serverDialog[0]"', '"put"', '"keys"'],
  ]);
});

Deno.test("bad answers without an end are a wrong usage", pure, async () => {
  const asker = scripted(Array(100).fill(""));
  await assertRejects(() => askForProfile(asker), UsageError, '"server" must be a list of words');
});
