import { assertEquals } from "@std/assert";
import type { Case } from "./cases.ts";
import { judged, nameOf } from "./judged.ts";
import { folder } from "./profiles.ts";

/** Registers one test for each case. A case whose language is not installed is ignored. */
export function registerCases(cases: readonly Case[]): void {
  const needsJava = cases.some(({ language }) => language === "java");
  const hasPython = works("python3 -c 'import socket'");
  const hasJava = needsJava && works("java -version && javac -version");
  const classes = hasJava ? Deno.makeTempDirSync({ prefix: "kv_fakes_" }) : "";
  Deno.test.beforeAll(() => {
    if (!hasJava) return;
    assertEquals(works(`javac -d '${classes}' '${folder}/Kv.java'`), true, "Kv.java has errors");
  });
  Deno.test.afterAll(() => {
    if (hasJava) Deno.removeSync(classes, { recursive: true });
  });
  for (const one of cases) {
    const isMissing = one.language === "python" ? !hasPython : !hasJava;
    const program = one.language === "python" ? "python3" : "javac";
    const name = one.found === undefined
      ? `the grader finds no fault: ${nameOf(one)}`
      : `the grader finds the fault and no other: ${nameOf(one)}`;
    Deno.test({
      name: isMissing ? `${name} (ignored: there is no ${program})` : name,
      ignore: isMissing,
      fn: () => judgedWell(one, classes),
    });
  }
}

async function judgedWell(one: Case, classes: string): Promise<void> {
  const report = await judged(one, classes);
  if (one.outside === undefined) return;
  const concurrent = report.outside.find(({ clause }) => clause === "concurrent-puts");
  assertEquals(concurrent?.why?.reason, one.outside);
}

/** Whether a script of `sh` ends with success. */
export function works(script: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", script],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}
