import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { addressesOf } from "../../../tools/grade/dialog.ts";
import { watchFirstDialog } from "../../../tools/grade/first_dialog.ts";
import { fillIn, parseProfile, type Profile, type Step } from "../../../tools/grade/profile.ts";
import { type Asker, Questions } from "../../../tools/grade/questions.ts";
import { basicClauses, type Case } from "./fakes/cases.ts";
import { judgedAs } from "./fakes/judged.ts";
import { folder, profileOf } from "./fakes/profiles.ts";
import { works } from "./fakes/table.ts";

const hasPython = works("python3 -c 'import socket'");
const ignored = hasPython ? "" : " (ignored: there is no python3)";
const students = `${folder}/students`;

/** A person who knows the dialogues of a profile, and types what they say. */
function personWith({ serverDialog, leaderMore, init, put, get }: Profile): Asker {
  const servers: { name: string; ip: string; port: number }[] = [];
  let words: Record<string, string> = {};
  let lines: IteratorObject<string> = [].values();
  const begin = (steps: readonly Step[], server = servers[0]!) => {
    const values = { ...addressesOf(servers, server), ...words };
    lines = [...steps.map(([, typed]) => fillIn(typed, values)), "."].values();
  };
  return {
    tell: (text) => {
      const [, name, ip, port] = /^(S\d): (\S+) (\d+)\n$/.exec(text) ?? [];
      if (name !== undefined) servers.push({ name, ip: ip!, port: Number(port) });
      const [, part, key, value = words.value!] =
        /^--- (\w+)(?: of the key (\S+))?(?: with the value (\S+))?/.exec(text) ?? [];
      if (key !== undefined) words = { key, value };
      if (part === "S1") begin([...serverDialog, ...leaderMore]);
      if (part === "S2") begin(serverDialog, servers[1]);
      if (part === "INIT") begin(init);
      if (part === "PUT") begin(put);
      if (part === "GET") begin(get);
    },
    ask: (question) => {
      const { value, done } = lines.next();
      return done ? Promise.reject(new Error(`asked again: ${question}`)) : Promise.resolve(value);
    },
  };
}

const styles = [
  ...["plain", "one-line", "arguments", "no-prompts", "prompt-lines", "leader-asks"],
  ...["first-connections", "integer-keys", "numbered-menu", "slow-put"],
];

for (const style of styles) {
  const name = `a profile is derived from a first dialogue: asked in the way "${style}"`;
  Deno.test({
    name: `${name}${ignored}`,
    ignore: !hasPython,
    fn: () => isDerived({ language: "python", style, trials: ["basics"], met: basicClauses }),
  });
}

async function isDerived(one: Case): Promise<void> {
  const known = profileOf(one, "");
  const person = personWith(known);
  const { server, client, keys } = known;
  const commands = { server, client, keys };
  const blank = { put: [[null, "{key} {value}"]], get: [[null, "{key}"]] };
  const subject = (fields: object) => ({
    profile: parseProfile(JSON.stringify({ ...commands, ...fields }), "derived"),
    ...{ folder, argument: "derived.json" },
  });
  const steps = await watchFirstDialog(subject(blank), person, new Questions(person));
  const derived = subject(steps);
  for (const field of ["serverDialog", "leaderMore", "init", "put", "get"] as const) {
    const [made, wanted] = [derived.profile[field], known[field]].map((all) =>
      all.map(([, typed]) => typed)
    );
    assertEquals(made, wanted, field);
  }
  await judgedAs(one, derived);
}

const answers = `
python3 ${students}/async_menu.py server
python3 ${students}/async_menu.py client

numbers




{ip}
{port}
{leaderIp}
{leaderPort}
.
{ip}
{port}
{leaderIp}
{leaderPort}
.
9
{ip1}
{port1}
{ip2}
{port2}
{ip3}
{port3}
.
2
cor
azul
.
!
2
{key}
{valor}
{value}
.
1
{key}
?
.
`;

Deno.test({
  name: `--new makes a profile that works, from answers through a pipe${ignored}`,
  ignore: !hasPython,
  fn: async () => {
    const place = await Deno.makeTempDir({ prefix: "kv_new_profile_" });
    try {
      await Deno.writeTextFile(`${place}/answers`, answers);
      const file = `${place}/new.json`;
      const { code, out, err } = await runNew(place);
      assertEquals(code, 0, `${out}\n${err}`);
      assertStringIncludes(out, '"keys" must be "words" or "integers", not "numbers"');
      assertStringIncludes(out, "chave1x was not typed yet");
      assertStringIncludes(out, '"put[0]" has {valor}');
      assert(out.endsWith(`${file}: PUT and GET work\n`), out);
      const [made, known] = await Promise.all(
        [file, `${students}/async_menu.json`].map(async (one) =>
          parseProfile(await Deno.readTextFile(one), "name")
        ),
      );
      for (const field of ["serverDialog", "init", "put", "get"] as const) {
        const [one, other] = [made!, known!].map((profile) =>
          profile[field].map(([, typed]) => typed)
        );
        assertEquals(one, other);
      }
      assertEquals(made!.menu, "Digite a opção desejada ->");
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

Deno.test({
  name: `--new tells why a program cannot be run, and leaves no file${ignored}`,
  ignore: !hasPython,
  fn: async () => {
    const place = await Deno.makeTempDir({ prefix: "kv_new_profile_" });
    try {
      const lines = ["", "python3 -c print('bye')", "python3 -c 1", "", "", "", "", "", "."];
      await Deno.writeTextFile(`${place}/answers`, lines.map((line) => `${line}\n`).join(""));
      const { code, out, err } = await runNew(place);
      assertEquals(code, 3, err);
      assertStringIncludes(err, "S1 has ended");
      assertStringIncludes(out, "S1 | bye");
      const files = await Array.fromAsync(Deno.readDir(place));
      assertEquals(files.map(({ name }) => name), ["answers"]);
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

/** Runs --new with the file `answers` of a folder as its input. */
async function runNew(place: string): Promise<{ code: number; out: string; err: string }> {
  const script = 'exec deno task --quiet grade --new="$1/new.json" <"$1/answers"';
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", place],
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, err: err! };
}
