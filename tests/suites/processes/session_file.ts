/**
 * The file of `--session`, and what else can stand at its paths.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { ExportedSession } from "../../../lib/client/session.ts";
import { UsageError } from "../../../lib/cli/flags.ts";
import { SessionFile } from "../../../lib/cli/session_file.ts";
import { Scratch } from "../../support/scratch.ts";
import { makeLink, makePipe } from "../../support/special_files.ts";
import { runDeno } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { formatAddress } from "../../../lib/wire/address.ts";

const unix = Deno.build.os !== "windows";
const session: ExportedSession = { version: 1, cluster: "c", timestamps: [["k", 7]] };

function testOnUnix(name: string, fn: (scratch: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !unix,
    fn: async () => {
      using scratch = new Scratch();
      await fn(scratch.path);
    },
  });
}

function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

testOnUnix(
  "a session is stored for its owner alone, and leaves no other file but the lock",
  async (scratch) => {
    const path = `${scratch}/deep/session.json`;
    await new SessionFile(path).write(session);
    assertEquals(await new SessionFile(path).read(), session);
    assertEquals(namesIn(`${scratch}/deep`), ["session.json", "session.json.lock"]);
    for (const file of [path, `${path}.lock`]) {
      assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600, file);
    }
  },
);

testOnUnix("a backslash in the name of a session file is no separator", async (scratch) => {
  await new SessionFile(`${scratch}/a\\b.json`).write(session);
  assertEquals(namesIn(scratch), ["a\\b.json", "a\\b.json.lock"]);
});

testOnUnix(
  "a session file is replaced, not written through the links of its folder",
  async (scratch) => {
    const path = `${scratch}/session.json`;
    const outside = `${scratch}/outside`;
    for (const target of ["precious", undefined]) { // a file, and none: a link that dangles
      for (const name of ["session.json.new", "session.json"]) {
        if (target !== undefined) await Deno.writeTextFile(outside, target);
        await makeLink(outside, `${scratch}/${name}`);
        const file = new SessionFile(path);
        if (name === "session.json") {
          const message = "not a regular file; links are not followed";
          await assertRejects(() => file.read(), UsageError, message);
          await assertRejects(() => file.write(session), UsageError, message);
        } else await file.write(session);
        if (target === undefined) assertEquals(namesIn(scratch).includes("outside"), false, name);
        else assertEquals(await Deno.readTextFile(outside), target, name);
        for (const one of namesIn(scratch)) await Deno.remove(`${scratch}/${one}`);
      }
    }
  },
);

testOnUnix(
  "the lock of a session file is no link, and nothing is made where a link leads",
  async (scratch) => {
    const path = `${scratch}/session.json`;
    await makeLink(`${scratch}/outside`, `${path}.lock`);
    await assertRejects(() => new SessionFile(path).write(session), Error, "is not a regular file");
    assertEquals(namesIn(scratch), ["session.json.lock"]);
  },
);

testOnUnix(
  "a directory, a pipe or a device in place of a session file or its lock is refused at once",
  async (scratch) => {
    const path = `${scratch}/session.json`;
    for (const place of [path, `${path}.lock`]) {
      for (
        const make of [
          () => Deno.mkdir(place),
          () => makePipe(place),
          () => makeLink("/dev/zero", place),
        ]
      ) {
        await make();
        const file = new SessionFile(path);
        if (place === path) {
          await assertRejects(() => file.read(), UsageError, "not a regular file");
        }
        await assertRejects(() => file.write(session), Error, "not a regular file");
        for (const one of namesIn(scratch)) await Deno.remove(`${scratch}/${one}`);
      }
    }
  },
);

testOnUnix("a hard link to a session file keeps what it had", async (scratch) => {
  const path = `${scratch}/session.json`;
  await new SessionFile(path).write(session);
  const before = await Deno.readTextFile(path);
  await Deno.link(path, `${scratch}/linked`);
  await new SessionFile(path).write({ ...session, timestamps: [["k", 8]] });
  assertEquals(await Deno.readTextFile(`${scratch}/linked`), before);
});

testOnUnix(
  "what killed commands have left is removed, and other files are not",
  async (scratch) => {
    const path = `${scratch}/session.json`;
    const left = `session.json.${crypto.randomUUID()}.new`;
    const others = [
      "session.json.new",
      `other.json.${crypto.randomUUID()}.new`,
      "session.json.a.new",
    ];
    for (const name of [left, ...others]) await Deno.writeTextFile(`${scratch}/${name}`, "x");
    await new SessionFile(path).write(session);
    assertEquals(namesIn(scratch), [...others, "session.json", "session.json.lock"].sort());
  },
);

testOnUnix("a new session that cannot get its name is removed", async (scratch) => {
  const path = `${scratch}/session.json`;
  const file = new SessionFile(path);
  const read = file.read.bind(file);
  file.read = async () => {
    const present = await read();
    await Deno.mkdir(path); // after the check, before the rename
    return present;
  };
  await assertRejects(() => file.write(session));
  assertEquals(namesIn(scratch), ["session.json", "session.json.lock"]);
});

testOnUnix(
  "a client whose session folder is prepared with links writes nothing elsewhere",
  async (scratch) => {
    await using server = await TestServer.alone();
    const folder = `${scratch}/state`;
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${scratch}/precious`, "precious");
    const path = `${folder}/client.json`;
    for (const suffix of [".new", ".tmp", ".lock"]) {
      await makeLink(`${scratch}/precious`, `${path}${suffix}`);
    }
    const { code, err } = await runDeno([
      ...["run", "--no-prompt", "--allow-net", `--allow-read=${folder}`, `--allow-write=${folder}`],
      ...["client.ts", `--servers=${formatAddress(server.address)}`, `--session=${path}`],
      ...["put", "a", "b"],
    ]);
    assertEquals(code, 6);
    assertStringIncludes(err, `${path}.lock is not a regular file`);
    assertEquals(await Deno.readTextFile(`${scratch}/precious`), "precious");
  },
);
