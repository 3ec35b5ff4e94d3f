/** The permissions of the tasks in deno.json. `docs/command-line.md` says what each one may do. */

import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import grading from "../../docs/grading.md" with { type: "text" };
import testing from "../../docs/testing.md" with { type: "text" };

const pure = { permissions: "none" } as const;
const commands = Object.entries(config.tasks).map(([name, { command }]) => ({ name, command }));

/** Permissions without a list, and why no list is possible. */
const unlimited: Readonly<Record<string, string>> = {
  "client:lock --allow-run": "the program that runs while the lock is held is the user's own",
  "test:dashboard --allow-all": "Playwright reads below /proc, for which Deno wants all of them",
  "grade --allow-read": "a profile and its programs are in a folder of the user's",
  "grade --allow-write": "the user names the file of a report",
  "bench:peers --allow-ffi": "the dynamic linker finds libc.so.6, so there is no path to allow",
};

/** The programs that a command may start, besides Deno. */
function programsOf(command: string): string[] {
  const list = permissionsOf(command).find(([flag]) => flag === "--allow-run")?.[1] ?? [];
  return list.filter((program) => program !== "<computed>");
}

/** The flags of a command that give a permission: by name, with their list, if they have one. */
function permissionsOf(command: string): [flag: string, list: string[] | undefined][] {
  const flags = command.replaceAll(/"\$\(.*?'\)"/g, "<computed>").split(/\s+/)
    .filter((word) => /^(?:--allow-|-[A-Z]|--permission|-P)/.test(word));
  return flags.map((word) => {
    const [flag = "", list] = word.split("=");
    return [flag, list?.split(",")];
  });
}

Deno.test(
  "no task has a permission without a list, but for named reasons; the network alone is for all",
  pure,
  () => {
    const found = commands.flatMap(({ name, command }) =>
      permissionsOf(command).filter(([flag, list]) => list === undefined && flag !== "--allow-net")
        .map(([flag]) => `${name} ${flag}`)
    );
    assertEquals(found.sort(), Object.keys(unlimited).sort());
  },
);

Deno.test("a permission without a list is found in every spelling", pure, () => {
  for (const flag of ["-A", "-R", "-W", "-E", "-S", "--allow-all", "--allow-run", "--allow-read"]) {
    assertEquals(
      permissionsOf(`X= deno run --no-prompt ${flag} x.ts -v`),
      [[flag, undefined]],
      flag,
    );
  }
  const command = `deno test --allow-run="$(deno eval 'console.log(f())')",ps --allow-read=. x.ts`;
  assertEquals(permissionsOf(command), [
    ["--allow-run", ["<computed>", "ps"]],
    ["--allow-read", ["."]],
  ]);
});

Deno.test("only tests, benchmarks and the grader start programs, by their names", pure, () => {
  for (const { name, command } of commands) {
    const programs = programsOf(command);
    if (name === "grade") {
      assertEquals(programs, ["sh"]); // and sh starts what a profile names: docs/grading.md
      assert(grading.includes("`sh`"));
      continue;
    }
    if (programs.length > 0) assert(/^(?:test|bench)\b/.test(name), name);
    assert(programs.every((one) => /^[a-z][a-z-]+$/.test(one)), name);
    const row = testing.split("\n").find((line) =>
      line.startsWith("| `") && line.split("|")[1]!.includes(`\`${name}\``) &&
      programs.every((one) => line.includes(`\`${one}\``))
    );
    assert(programs.length === 0 || row !== undefined, `docs/testing.md, Permissions: ${name}`);
  }
});

Deno.test("no task prompts, and only a server's task may read a private key", pure, () => {
  for (const { name, command } of commands) {
    for (const [program] of command.matchAll(/\bdeno (?:run|test|bench)\b[^&|]*/g)) {
      assert(program.includes(" --no-prompt "), name);
    }
    if (name !== "server:tls") assertEquals(/key\.pem|cert\.pem/.test(command), false, name);
  }
});

Deno.test(
  "the set-up may touch no file but its own, and has no network, program or variable",
  pure,
  () => {
    const permissions = permissionsOf(config.tasks.setup.command);
    assertEquals(permissions.map(([flag]) => flag), ["--allow-read", "--allow-write"]);
    const [[, read = []], [, written = []]] = permissions as [
      [string, string[]],
      [string, string[]],
    ];
    assertEquals(written, ["tools/vendor", "vendor", ".setup"]);
    assertEquals(
      read.filter((path) => !written.includes(path)),
      [
        "deno.json",
        "lib/cli/escape.ts",
        "lib/journal/lock_file.ts",
        "tools/setup.ts",
        "tools/checksums.txt",
        "tools/types",
      ],
    );
  },
);

Deno.test("each task that loads the packages of the tests compares their checksums", pure, () => {
  for (const name of ["check", "test", "test:dashboard", "test:fuzz", "test:long"] as const) {
    const { command, dependencies } = config.tasks[name];
    assert(command.includes(" --lock=.setup/npm.lock "), name);
    assertEquals(dependencies, ["setup", "lock"], name);
  }
});
