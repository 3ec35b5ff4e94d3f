import { assert, assertEquals } from "@std/assert";
import { parseProfile } from "../../../tools/grade/profile.ts";
import { Site } from "../../../tools/grade/site.ts";
import type { Subject } from "../../../tools/grade/trial.ts";
import { type Report, type TrialId, trialIds } from "../../../tools/grade/types.ts";
import { basicClauses } from "./fakes/cases.ts";
import { type Expected, judgedAs } from "./fakes/judged.ts";
import { folder } from "./fakes/profiles.ts";
import { works } from "./fakes/table.ts";

const hasPython = works("python3 -c 'import socket'");
const hasJava = works("java -version && javac -version");
const students = `${folder}/students`;
const profiles = `${folder}/../../../../tools/grade/profiles`;

/** Registers a test, which is ignored if its language is not installed. */
function test(name: string, language: "python3" | "javac", fn: () => Promise<void>): void {
  const ignore = language === "python3" ? !hasPython : !hasJava;
  Deno.test({ name: ignore ? `${name} (ignored: there is no ${language})` : name, ignore, fn });
}

/** A program of the folder `students`, with other fields than its profile has. */
async function student(name: string, fields: object = {}): Promise<Subject> {
  const text = await Deno.readTextFile(`${students}/${name}.json`);
  const profile = parseProfile(JSON.stringify({ ...JSON.parse(text), ...fields }), name);
  return { profile, folder: students, argument: `${name}.json` };
}

/** A ready profile with the folder of a program as its `cwd`. */
async function ready(name: string, cwd: string): Promise<Subject> {
  const text = await Deno.readTextFile(`${profiles}/${name}.json`);
  const profile = parseProfile(JSON.stringify({ ...JSON.parse(text), cwd }), name);
  return { profile, folder: profiles, argument: `${name}.json` };
}

const basics: Expected = { trials: ["basics"], met: basicClauses };
const basicsAndValues: Expected = {
  trials: ["basics", "values"],
  met: [...basicClauses, "value-accents", "value-long"],
};

test("the ready profile for Python fits a plain program", "python3", async () => {
  await judgedAs(basicsAndValues, await ready("plain_python", `${folder}/plain_python`));
});

test("the ready profile for Java fits a plain program", "javac", async () => {
  const copy = await Deno.makeTempDir({ prefix: "kv_plain_java_" });
  try {
    for await (const { name } of Deno.readDir(`${folder}/plain_java`)) {
      await Deno.copyFile(`${folder}/plain_java/${name}`, `${copy}/${name}`);
    }
    await judgedAs(basicsAndValues, await ready("plain_java", copy));
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

for (const name of ["latin1", "windows_lines"]) {
  test(`accents and line ends are judged right: ${name}`, "python3", async () => {
    await judgedAs(basicsAndValues, await student(name));
  });
}

for (const name of ["async_menu", "one_connection", "word_reader"]) {
  test(`the grader finds no fault in a program of another layout: ${name}`, "python3", async () => {
    await judgedAs(basics, await student(name));
  });
}

test(
  "a request may have steps after its answer, and a menu Portuguese words",
  "python3",
  async () => {
    const met = basicClauses.filter((clause) => clause !== "client-menu");
    const report = await judgedAs({ trials: ["basics"], met }, await student("go_on"));
    // the colour of its lines is no part of them
    const forward = report.clauses.find(({ clause }) => clause === "server-forward-line");
    assertEquals(forward?.verdict, "met");
  },
);

test("a server starts again while the system would keep its connections", "python3", async () => {
  const expected: Expected = {
    trials: ["basics", "restart"],
    // without a network of its own, a trial cannot make the system forget connections
    met: await hasOwnNetwork() ? [...basicClauses, "try-other", "get-never-older"] : basicClauses,
  };
  const report = await judgedAs(expected, await student("log_lines"));
  // the time before its lines is no part of them
  const put = report.clauses.find(({ clause }) => clause === "server-put-line");
  assertEquals(put?.verdict, "met-in-other-words");
});

test("a refusal is forced by the profile's hook if nothing else does it", "python3", async () => {
  const expected: Expected = {
    trials: ["late-follower", "hook"],
    met: ["try-other", "get-never-older"],
  };
  const report = await judgedAs(expected, await student("own_hook"));
  assertEquals(trialsOf(report, "try-other"), ["hook"]);
});

test("a value that the hook should have made refused is not met", "python3", async () => {
  const expected: Expected = {
    trials: ["hook"],
    found: ["try-other"],
    follows: ["get-never-older"],
  };
  const command = (role: string) => ["python3", "own_hook.py", role, "--fault=no-refusal"];
  const fields = { server: command("server"), client: command("client") };
  const report = await judgedAs(expected, await student("own_hook", fields));
  assertEquals(trialsOf(report, "try-other"), ["hook"]);
});

async function hasOwnNetwork(): Promise<boolean> {
  await using site = await Site.open(true);
  return site.isolated;
}

/** The trials whose lines are a clause's evidence. */
function trialsOf(report: Report, clause: string): TrialId[] {
  const evidence = report.clauses.find((one) => one.clause === clause)?.evidence;
  assert(evidence !== undefined);
  const found = evidence.map(({ trial }) => trial);
  return trialIds.filter((id) => found.includes(id));
}
