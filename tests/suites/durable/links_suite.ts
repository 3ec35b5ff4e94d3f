/**
 * Links, named pipes and devices where a data directory has files: nothing elsewhere is written or
 * made, and a server does not wait for them.
 *
 * Not named like a test, because it needs more than the network: `deno task test:durable` runs it.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { alone, ServerProcess } from "../../../bench/server_process.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { openAutoFolder } from "../../../lib/journal/auto_folder.ts";
import { DiskFolder } from "../../../lib/journal/disk.ts";
import { JournalError } from "../../../lib/journal/errors.ts";
import { Scratch } from "../../support/scratch.ts";
import { makeLink, makePipe } from "../../support/special_files.ts";

/** A test with a folder of its own, a data directory in it, and a file beside that. */
function test(
  name: string,
  run: (dir: string, outside: string, scratch: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      using scratch = new Scratch();
      const dir = `${scratch.path}/data`;
      const outside = `${scratch.path}/outside`;
      await Deno.mkdir(dir, { mode: 0o700 });
      await Deno.writeTextFile(outside, "precious");
      await run(dir, outside, scratch.path);
      assertEquals(await Deno.readTextFile(outside), "precious");
    },
  });
}

/** What can stand at a path in place of a file, by its name. */
function inPlaceOf(path: string, outside: string): [what: string, make: () => Promise<void>][] {
  return [
    ["a link to a file", () => makeLink(outside, path)],
    ["a link that dangles", () => makeLink(`${outside}-too`, path)],
    ["a link to a device", () => makeLink("/dev/zero", path)],
    ["a directory", () => Deno.mkdir(path)],
    ["a named pipe", () => makePipe(path)],
  ];
}

function namesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

test(
  "the lock of a data directory is a regular file, or the directory is refused",
  async (dir, outside, scratch) => {
    const before = namesIn(scratch);
    for (const [what, make] of inPlaceOf(`${dir}/lock`, outside)) {
      await make();
      await assertRejects(
        () => DiskFolder.open(dir),
        JournalError,
        `Cannot use ${dir}: ${dir}/lock is not a regular file`,
        what,
      );
      assertEquals([namesIn(scratch), namesIn(dir)], [before, ["lock"]], what);
      await Deno.remove(`${dir}/lock`);
    }
  },
);

test(
  "a server refuses a journal, a table or an unfinished file that is not a regular one",
  async (dir, outside) => {
    for (const name of ["journal-1", "table-2", "journal-1.new"]) {
      for (const [what, make] of inPlaceOf(`${dir}/${name}`, outside)) {
        await make();
        await using server = new ServerProcess({ dataDir: dir, flags: alone });
        assertEquals(await server.end(), 1, what);
        assertStringIncludes(server.errors, `${dir}/${name} is not a regular file`);
        await Deno.remove(`${dir}/${name}`);
      }
    }
  },
);

test(
  "a new file takes the place of a link, and what that leads to stays as it is",
  async (dir, outside) => {
    const folder = await DiskFolder.open(dir);
    try {
      const links = [
        () => makeLink(outside, `${dir}/journal-2.new`),
        () => Deno.link(outside, `${dir}/journal-2.new`),
        () => makePipe(`${dir}/journal-2.new`),
      ];
      for (const make of links) {
        await make();
        const file = await folder.create("journal-2.new");
        file.write(new TextEncoder().encode("written"));
        file.close();
        assertEquals(await Deno.readTextFile(`${dir}/journal-2.new`), "written");
        const { isFile, mode } = await Deno.lstat(`${dir}/journal-2.new`);
        assertEquals([isFile, mode! & 0o777], [true, 0o600]);
        await Deno.remove(`${dir}/journal-2.new`);
      }
    } finally {
      folder.close();
    }
  },
);

test(
  "the record of data/PORT is a regular file, or the directory is refused",
  async (_, outside, scratch) => {
    const before = Deno.cwd();
    Deno.chdir(scratch);
    try {
      const open = () => openAutoFolder({ hostname: "127.0.0.1", port: 1 }, () => {});
      for (const [what, make] of inPlaceOf("data/1.server", outside)) {
        await make();
        const message = "data/1.server is not a regular file";
        await assertRejects(open, JournalError, message, what);
        await Deno.remove("data/1.server");
        assertEquals(namesIn(scratch), ["data", "outside"], what);
      }
      await Deno.writeTextFile("data/1.server", ""); // what a crash may leave
      (await open()).close();
      assertEquals(await Deno.readTextFile("data/1.server"), "127.0.0.1:1\n");
    } finally {
      Deno.chdir(before);
    }
  },
);

test(
  "a data directory may itself be a link: one server at a time uses it, by any of its paths",
  async (dir, _, scratch) => {
    const linked = `${scratch}/linked`;
    await makeLink(dir, linked);
    const first = await DiskFolder.open(linked);
    try {
      await assertRejects(() => DiskFolder.open(dir), JournalError, "another server uses it");
    } finally {
      first.close();
    }
    (await DiskFolder.open(dir)).close();
  },
);

test(
  "a server may use a linked data directory with the permissions for the link alone",
  async (dir, _, scratch) => {
    const linked = `${scratch}/linked`;
    await makeLink(dir, linked);
    for (const attempt of ["new", "loaded"]) {
      await using server = await ServerProcess.start({ dataDir: linked, flags: alone });
      await using client = new KvClient([server.address]);
      await client.put("k", "v");
      assertEquals(namesIn(dir), ["journal-1", "lock"], attempt);
    }
  },
);
