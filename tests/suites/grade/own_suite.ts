import { assert, assertEquals } from "@std/assert";
import { grade } from "../../../tools/grade/grade.ts";
import { parseProfile } from "../../../tools/grade/profile.ts";
import { terminalReport } from "../../../tools/grade/report/terminal.ts";

/** What a cut between two servers needs of the system. */
const cut =
  "ip link add kv0 type veth peer name kv1 && ip rule add pref 10 lookup local && ip rule del pref 0";

const isLinux = Deno.build.os === "linux";
const folder = `${import.meta.dirname!}/../../../tools/grade/profiles`;
const file = `${folder}/this_project.json`;

Deno.test({
  name: isLinux
    ? "this project meets every clause, judged by its consoles"
    : "this project meets every clause (skipped: the grader can show all of them only on Linux)",
  ignore: !isLinux,
  fn: async () => {
    const profile = parseProfile(await Deno.readTextFile(file), "this project");
    const report = await grade({ profile, folder, argument: file }, undefined, () => {});
    const text = terminalReport(report, "en");
    const others = report.clauses.filter(({ verdict }) => verdict !== "met");
    // Without a cut these cannot be shown, and not every root may cut.
    const needCut = ["try-other", "get-never-older"];
    const mayCut = await outputOf(`unshare --net sh -c '${cut}' >/dev/null 2>&1 && echo yes`);
    for (const { clause, verdict } of others) {
      assert(verdict === "inconclusive" && needCut.includes(clause) && mayCut === "", text);
    }
    const [concurrent] = report.outside;
    assertEquals([concurrent?.clause, concurrent?.verdict], ["concurrent-puts", "met"], text);
  },
});

Deno.test({
  name: isLinux
    ? "programs of a trial have ended after it"
    : "programs of a trial have ended after it (skipped: needs /proc)",
  ignore: !isLinux,
  fn: async () => {
    const mark = `KV_GRADE_MARK_${crypto.randomUUID()}`;
    const text = await Deno.readTextFile(file);
    const profile = { ...parseProfile(text, "this project"), env: { [mark]: "1" } };
    assertEquals(await processesWith(mark), 0);
    const report = await grade({ profile, folder, argument: file }, ["choice"], () => {});
    assertEquals(report.trials.map(({ id }) => id), ["choice"]);
    assertEquals(await processesWith(mark), 0);
  },
});

/** How many processes have a variable in their environment. */
async function processesWith(name: string): Promise<number> {
  const script = 'grep -alF -- "$1" /proc/[0-9]*/environ 2>/dev/null | wc -l';
  return Number(await outputOf(script, name));
}

async function outputOf(script: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command("sh", { args: ["-c", script, "sh", ...args] }).output();
  return new TextDecoder().decode(output.stdout);
}
