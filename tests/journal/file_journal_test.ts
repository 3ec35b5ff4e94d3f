/** A journal in a directory in memory. A test can make any step fail. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CompactionPause } from "../../lib/journal/compaction_pause.ts";
import { JournalError } from "../../lib/journal/errors.ts";
import { FileJournal, type FileJournalOptions } from "../../lib/journal/file_journal.ts";
import { compactShareOf } from "../../lib/journal/open_journal.ts";
import type { JournalMessage } from "../../lib/replication/journal.ts";
import { headerLine, recordOf } from "../../lib/journal/record.ts";
import type { Store } from "../../lib/replication/store.ts";
import { Get, Heartbeat, Join, JoinOk, Replication, Snapshot, Sync } from "../../lib/mensagem.ts";
import { FakeFolder } from "../support/fake_folder.ts";
import { eventually, within } from "../support/waiting.ts";

const follows = new Join("10.0.0.1:1", "c", 0);
const pure = { permissions: "none" } as const;
const silent = () => {};

/** A server that only appends to its journal and puts into its table. */
class Writer {
  readonly journal: FileJournal;
  durable = 0;
  error: Error | undefined;
  appended = 0;
  #timestamp = 0;
  #changed = Promise.withResolvers<void>();

  constructor(journal: FileJournal) {
    this.journal = journal;
    this.#timestamp = journal.recovered.timestamp;
    journal.begin({
      durable: (count) => {
        this.durable = count;
        this.#tell();
      },
      failed: (error) => {
        this.error = error;
        this.#tell();
      },
    });
  }

  static async open(
    folder: FakeFolder,
    options: FileJournalOptions = {},
    report: (line: string) => void = silent,
  ): Promise<Writer> {
    return new Writer(await FileJournal.open(folder, report, options));
  }

  append(message: JournalMessage): void {
    this.appended++;
    this.journal.append(message);
  }

  /** Appends a write to the journal and puts it into the table. */
  put(key: string, value: string): number {
    const timestamp = ++this.#timestamp;
    this.append(Replication.of(key, value, timestamp));
    this.journal.recovered.store.put(key, value, timestamp);
    return timestamp;
  }

  /** Resolves when everything is on the disk, or the journal has failed. */
  async settled(): Promise<void> {
    while (this.durable < this.appended && this.error === undefined) {
      await within("everything is on the disk", this.#changed.promise);
    }
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** The entries in a directory, as `a=1@7`. */
async function held(folder: FakeFolder): Promise<string[]> {
  const journal = await FileJournal.open(folder, silent);
  await journal.close();
  return [...journal.recovered.store.entries()]
    .map(([key, { value, timestamp }]) => `${key}=${value}@${timestamp}`).sort();
}

/** Opens a directory that must be refused unchanged. Returns the error message. */
async function refused(folder: FakeFolder): Promise<string> {
  const error = await assertRejects(() => FileJournal.open(folder, silent), JournalError);
  assertEquals([folder.steps, folder.closed], [[], true]);
  return error.message;
}

const seal = recordOf(new Heartbeat().encode());
const write = (n: number) => recordOf(Replication.of("k", `${n}`, n).encode());
const whole = headerLine + seal + write(1) + seal + write(2);

Deno.test("a new process finds what was written", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder);
  for (const message of [new JoinOk(), new Sync("c", 0, 0)]) writer.append(message);
  writer.put("a", "1");
  writer.put("é\u{1F642}", "linha\nlinha");
  await writer.settled();
  await writer.journal.close();
  const again = await FileJournal.open(folder, silent);
  const { cluster, timestamp, led } = again.recovered;
  assertEquals([cluster, timestamp, led], ["c", 2, true]);
  await again.close();
  assertEquals(await held(folder), ["a=1@1", "é\u{1F642}=linha\nlinha@2"]);
});

Deno.test(
  "writes during a sync share the next sync",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder);
    folder.steps.length = 0;
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let syncs = 0;
    const began = Promise.withResolvers<void>();
    folder.options = {
      syncing: () => {
        began.resolve();
        return gates[syncs++]?.promise ?? Promise.resolve();
      },
    };
    writer.put("a", "1");
    writer.put("b", "2");
    await began.promise;
    assertEquals([writer.durable, folder.steps], [0, ["write journal-1", "sync journal-1"]]);
    for (let n = 0; n < 100; n++) writer.put("c", `${n}`);
    gates[0]!.resolve();
    gates[1]!.resolve();
    await writer.settled();
    await writer.journal.close();
    assertEquals(folder.steps, [
      "write journal-1",
      "sync journal-1",
      "write journal-1",
      "sync journal-1",
      "write journal-1", // the seal
      "cut journal-1",
    ]);
  },
);

Deno.test("the last record is sealed soon, and once", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder);
  writer.append(new JoinOk());
  await writer.settled();
  const written = () => folder.text("journal-1").replace(/\0+$/, "");
  const before = written();
  const sealed = () => written() === before + seal;
  try {
    assert(before.endsWith(recordOf(new JoinOk().encode())), before);
    await eventually("the seal is written", sealed);
  } finally {
    await writer.journal.close();
  }
  assert(sealed(), written());
});

for (
  const [step, message] of [["write", "No space left"], ["sync", "Input/output error"]] as const
) {
  Deno.test(
    `after a failed ${step} nothing more is reported durable`,
    pure,
    async () => {
      const folder = new FakeFolder();
      const writer = await Writer.open(folder);
      writer.put("a", "1");
      await writer.settled();
      let fails = 1;
      folder.options = {
        before: (now) => {
          if (now.startsWith(step) && fails-- > 0) throw new Error(message);
        },
      };
      writer.put("b", "2");
      await writer.settled();
      writer.put("c", "3");
      await writer.journal.close();
      assertEquals(writer.durable, 1);
      assert(writer.error instanceof JournalError);
      assertStringIncludes(writer.error.message, message);
      assertStringIncludes(writer.error.message, "No further write is acknowledged");
    },
  );
}

Deno.test(
  "a torn last write is cut off and reported, wherever it is torn",
  pure,
  async () => {
    const bytes = new TextEncoder().encode(whole);
    const firstAt = new TextEncoder().encode(headerLine).length;
    for (let length = firstAt; length < bytes.length; length++) {
      const folder = new FakeFolder({ "journal-1": bytes.slice(0, length) });
      const reports: string[] = [];
      const journal = await FileJournal.open(folder, (line) => reports.push(line));
      await journal.close();
      const lines = new TextDecoder().decode(bytes.slice(0, length)).lastIndexOf("\n") + 1;
      assertEquals(reports.length, lines === length ? 0 : 1);
      if (lines === length) continue;
      assertStringIncludes(
        reports[0]!,
        `dir/journal-1: the last ${length - lines} bytes, from byte ${lines}`,
      );
      assertEquals(folder.text("journal-1"), whole.slice(0, lines) + seal);
    }
  },
);

Deno.test(
  "allocated zeros at the end are not damage, even after a torn write",
  pure,
  async () => {
    for (const torn of ["", write(3).slice(0, 30)]) {
      const reports: string[] = [];
      const folder = new FakeFolder({ "journal-1": `${whole}${torn}${"\0".repeat(5_000)}` });
      const journal = await FileJournal.open(folder, (line) => reports.push(line));
      await journal.close();
      assertEquals(journal.recovered.timestamp, 2);
      assertEquals(folder.text("journal-1"), whole + seal);
      assertEquals(reports.length, torn === "" ? 0 : 1);
      if (torn !== "") {
        assertStringIncludes(
          reports[0]!,
          `the last ${torn.length} bytes, from byte`,
        );
      }
    }
  },
);

Deno.test("zeros at the end of a segment that is not the last are damage", pure, async () => {
  const message = await refused(
    new FakeFolder({ "journal-1": `${whole}\0\0`, "journal-2": headerLine + seal }),
  );
  assertStringIncludes(message, `dir/journal-1 is damaged at byte ${whole.length}`);
});

Deno.test(
  "if a write reached the disk in parts, nothing after the first hole is loaded",
  pure,
  async () => {
    const hole = write(2).replace("REPLI", "\0\0\0\0\0");
    const folder = new FakeFolder({
      "journal-1": headerLine + seal + write(1) + seal + hole + write(3),
    });
    const reports: string[] = [];
    const journal = await FileJournal.open(folder, (line) => reports.push(line));
    await journal.close();
    assertEquals(journal.recovered.timestamp, 1);
    assertStringIncludes(reports[0]!, "(valid records among them: 1)");
  },
);

Deno.test(
  "damage before a seal is an error that names file and byte",
  pure,
  async () => {
    const bytes = new TextEncoder().encode(whole + seal);
    const first = headerLine.length;
    const sealed = whole.length;
    for (let at = first; at < sealed; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 4;
      const message = await refused(new FakeFolder({ "journal-1": damaged }));
      assertStringIncludes(message, "dir/journal-1 is damaged at byte ");
      const told = Number(/byte (\d+)/.exec(message)![1]);
      // The start of the damaged line, or of the line before if its LF is damaged.
      assert(told <= at && at - told <= write(1).length, `${at}: ${message}`);
    }
  },
);

Deno.test(
  "damage in a table, or in a segment that is not the last, is never cut off",
  pure,
  async () => {
    const torn = headerLine + seal + write(1).slice(0, 20);
    const message = await refused(
      new FakeFolder({ "journal-1": torn, "journal-2": headerLine + seal }),
    );
    assertStringIncludes(message, `dir/journal-1 is damaged at byte ${(headerLine + seal).length}`);

    const hole = {
      "journal-1": headerLine + write(1).replace("k", "j") + write(2),
      "journal-2": headerLine,
    };
    const other = await refused(new FakeFolder(hole));
    assertStringIncludes(other, `dir/journal-1 is damaged at byte ${headerLine.length}`);

    const table = headerLine + recordOf(new Sync("c", 2, 2).encode()) +
      recordOf(new Snapshot([["k", "2", 2]], true).encode());
    const journal = { "journal-3": headerLine + seal + write(3) };
    assertEquals(await held(new FakeFolder({ "table-3": table, ...journal })), ["k=3@3"]);
    for (let length = 0; length < table.length; length++) {
      await refused(new FakeFolder({ "table-3": table.slice(0, length), ...journal }));
    }
    await refused(new FakeFolder({ "table-3": table + seal, ...journal }));
  },
);

Deno.test(
  "what is no file of a journal is left alone, and reported in one line",
  pure,
  async () => {
    const names = [".DS_Store", "Thumbs.db", "desktop.ini", "lost+found/", "old/", ".nfs0000001"];
    names.push("journal.txt", "tables", "my journal-1");
    const others = Object.fromEntries(names.map((name) => [name, "precious"]));
    const folder = new FakeFolder({ "journal-1": whole, ...others });
    const reports: string[] = [];
    const journal = await FileJournal.open(folder, (line) => reports.push(line), small);
    const writer = new Writer(journal);
    await overwrite(writer, 120); // compactions
    await journal.close();
    assertEquals(journal.recovered.store.get("k")?.value, "2");
    for (const name of names) assertEquals(folder.text(name), "precious");
    const first = names.toSorted().slice(0, 3).join(", ");
    assertEquals(reports, [
      `dir also holds ${first} and 6 more, which the journal neither reads nor changes`,
    ]);
  },
);

Deno.test(
  "a file that could be taken for one of a journal is refused, and named",
  pure,
  async () => {
    const names = ["journal-1~", "journal-1.bak", "journal-01", "JOURNAL-1", "Journal-2.NEW"];
    names.push("table-1 (copy)", "table-0", "journal-old/", "journal-");
    for (const name of names) {
      for (const files of [{}, { "journal-1": whole }]) {
        assertEquals(
          await refused(new FakeFolder({ ...files, [name]: whole })),
          `dir/${name} can be mistaken for a file of the journal, which are named like journal-1 and ` +
            "table-1. Move that file away, and leave the directory where it is",
        );
      }
    }
  },
);

Deno.test("an unfinished file is removed only if it is the journal's", pure, async () => {
  for (const name of ["journal-1.new", "journal-7.new", "table-2.new"]) {
    const zeros = "\0".repeat(5_000);
    for (
      const text of ["", zeros, headerLine, headerLine + zeros, headerLine.slice(0, 9) + zeros]
    ) {
      const folder = new FakeFolder({ [name]: text });
      await held(folder);
      assertEquals(folder.names, ["journal-1"]);
      assertEquals(folder.steps[0], `remove ${name}`);
    }
    for (const text of ["precious", "p", `${zeros}p`, headerLine.replace("2", "x")]) {
      assertStringIncludes(
        await refused(new FakeFolder({ "journal-1": whole, [name]: text })),
        `dir/${name} has the name of an unfinished file of the journal, but its first line is not`,
      );
    }
  }
});

for (const name of ["journal-2", "journal-2.new", "JOURNAL-2", "table-2", "table-2.new"]) {
  Deno.test(`a foreign ${name} is not replaced: the compaction is put off`, pure, async () => {
    const folder = new FakeFolder();
    const reports: string[] = [];
    const report = (line: string) => reports.push(line);
    const writer = await Writer.open(folder, { ...small, compactPauseMs: 0 }, report);
    const foreign = await folder.create(name);
    foreign.write(new TextEncoder().encode("precious"));
    await overwrite(writer, 100);
    assertEquals([writer.error, folder.text(name)], [undefined, "precious"]);
    assertEquals(reports.length, 1);
    assertStringIncludes(
      reports[0]!,
      `cannot compact dir: ${name} is in the way, and is not of this journal: move that file away`,
    );
    await folder.rename(name, "elsewhere");
    await overwrite(writer, 100);
    await eventually("a compaction", () => reports.at(-1) === "compacted dir at last");
    await writer.journal.close();
    assertEquals([writer.error, folder.text("elsewhere")], [undefined, "precious"]);
  });
}

Deno.test("a name that is taken while its table is written is not replaced", pure, async () => {
  const folder = new FakeFolder();
  const reports: string[] = [];
  const writer = await Writer.open(folder, small, (line) => reports.push(line));
  let created: Promise<unknown> | undefined;
  folder.options = {
    before: (step) => {
      if (step === "write table-2.new") created ??= folder.create("table-2");
    },
  };
  await overwrite(writer, 100);
  await writer.journal.close();
  assertEquals([writer.error, folder.text("table-2")], [undefined, ""]);
  assertStringIncludes(reports[0]!, "table-2 is in the way");
  assert(!folder.names.includes("table-2.new"));
});

Deno.test(
  "a foreign format or message, or no regular file, with a name of the journal is refused",
  pure,
  async () => {
    for (const text of ["hello\n", "hello", ""]) {
      assertStringIncludes(
        await refused(new FakeFolder({ "journal-1": text })),
        "it is damaged or not of this program",
      );
    }
    // A directory, or a symbolic link: ignoring it would hide the writes behind it.
    for (const name of ["journal-1/", "table-2/", "journal-3.new/"]) {
      assertStringIncludes(await refused(new FakeFolder({ [name]: "" })), "is not a regular file");
    }
    assertStringIncludes(
      await refused(new FakeFolder({ "journal-1": headerLine.replace("2", "3") + seal })),
      "has format 3, and this program reads the formats 1 to 2",
    );
    const foreign = headerLine + seal + recordOf(new Get(1, "a", 0).encode());
    assertStringIncludes(
      await refused(new FakeFolder({ "journal-1": foreign })),
      "is damaged at byte",
    );
  },
);

Deno.test("another format is named, not called damage, in every file", pure, async () => {
  const other = "replicated-kv journal 3\na record of format 3\n";
  const inTable = await refused(new FakeFolder({ "table-1": other, "journal-1": headerLine }));
  assertStringIncludes(
    inTable,
    "dir/table-1 has format 3, and this program reads the formats 1 to 2",
  );
  const inSegment = await refused(
    new FakeFolder({ "journal-1": other, "journal-2": headerLine + seal }),
  );
  assertStringIncludes(
    inSegment,
    "dir/journal-1 has format 3, and this program reads the formats 1 to 2",
  );
});

Deno.test("if a directory cannot be opened, the error names it and the reason", pure, async () => {
  const folder = new FakeFolder();
  folder.options = {
    before: () => {
      throw new Error("Input/output error");
    },
  };
  const error = await assertRejects(() => FileJournal.open(folder, silent), JournalError);
  assertEquals([error.message, folder.closed], ["Cannot use dir: Input/output error", true]);
});

Deno.test("a missing segment is an error", pure, async () => {
  const file = headerLine + seal;
  for (
    const names of [["journal-2"], ["journal-1", "journal-3"], ["table-2"], [
      "table-2",
      "journal-3",
    ]]
  ) {
    const message = await refused(
      new FakeFolder(Object.fromEntries(names.map((name) => [name, file]))),
    );
    assertStringIncludes(message, "is missing");
  }
});

const small = { compactBytesMin: 2_000, tableChunkKeysMax: 3 };

/** Overwrites ten keys, which causes compactions. Returns the durable timestamp of each key. */
async function overwrite(
  writer: Writer,
  rounds: number,
  durable = new Map<string, number>(),
): Promise<Map<string, number>> {
  writer.append(new JoinOk());
  writer.append(new Sync("c", 0, 0));
  for (let n = 0; n < rounds && writer.error === undefined; n++) {
    const key = `k${n % 10}`;
    const timestamp = writer.put(key, `${n}`);
    await writer.settled();
    if (writer.error === undefined) durable.set(key, timestamp);
  }
  return durable;
}

Deno.test("overwriting the same keys does not make the directory grow", pure, async () => {
  const folder = new FakeFolder();
  let bytesMax = 0;
  let tables = 0;
  folder.options = {
    before: (step) => {
      bytesMax = Math.max(bytesMax, folder.bytes);
      if (step.startsWith("rename table")) tables++;
    },
  };
  const writer = await Writer.open(folder, small);
  const durable = await overwrite(writer, 500);
  await writer.journal.close();
  assert(tables >= 5, `${tables} tables`);
  assert(bytesMax < 4 * 2_000, `${bytesMax} bytes`);
  const values = [...durable].map(([key, timestamp]) => `${key}=${timestamp - 1}@${timestamp}`);
  assertEquals(await held(folder), values.sort());
});

Deno.test(
  "a growing table is compacted only when the segments outgrow it",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, small);
    for (let n = 0; n < 2_000; n++) {
      writer.put(`key ${n}`, "x".repeat(50));
      await writer.settled();
    }
    await writer.journal.close();
    const tables = folder.steps.filter((step) => step.startsWith("rename table")).length;
    assert(tables >= 3 && tables <= 12, `${tables} tables`);
  },
);

Deno.test(
  "a crash at any step of a write or a compaction loses no durable write",
  pure,
  async () => {
    const count = new FakeFolder();
    const counted = await Writer.open(count, small);
    await overwrite(counted, 75);
    await counted.journal.close();
    assert(count.steps.filter((step) => step.startsWith("rename table")).length >= 1);
    assert(count.steps.filter((step) => step.startsWith("remove journal")).length >= 1);
    const kinds = new Set<string>();
    const survived = new Set<string>();
    for (let at = 0; at < count.steps.length; at++) {
      const folder = new FakeFolder();
      let steps = 0;
      let failed = true;
      let kind = "";
      const now = new Map<string, number>();
      let durable = now;
      const after: FakeFolder[] = [];
      folder.options = {
        before: (step) => {
          if (steps++ !== at) return;
          kind = step.replace(/\d+/g, "N");
          kinds.add(kind);
          durable = new Map(now);
          after.push(
            folder.afterCrash("process"),
            folder.afterCrash("machine"),
            folder.afterCrash("machine", 0.5),
            folder.afterCrash("machine", 1),
          );
          throw new Error("the machine fails");
        },
      };
      try {
        const writer = await Writer.open(folder, small);
        await overwrite(writer, 75, now);
        await writer.journal.close();
        failed = writer.error !== undefined;
      } catch (error) {
        assert(error instanceof JournalError, `${error}`);
      }
      if (!failed) survived.add(kind);
      assertEquals(after.length, 4, `step ${at}`);
      for (const crashed of after) {
        const journal = await FileJournal.open(crashed, silent);
        await journal.close();
        const { timestamp, highest } = journal.recovered;
        assertEquals(highest, timestamp, `step ${at}: the table is ahead of its segments`);
        for (const [key, timestamp] of durable) {
          const entry = journal.recovered.store.get(key);
          assert(
            (entry?.timestamp ?? 0) >= timestamp,
            `step ${at}: ${key} at ${timestamp} is lost`,
          );
          assertEquals(entry!.value, `${entry!.timestamp - 1}`);
        }
        const unfinished = crashed.names.filter((name) => name.endsWith(".new"));
        assertEquals(unfinished, [], "unfinished files are removed");
      }
      // What the journal acknowledged after a step that it survived is there too.
      const later = await FileJournal.open(folder.afterCrash("machine"), silent);
      await later.close();
      for (const [key, timestamp] of now) {
        const kept = later.recovered.store.get(key)?.timestamp ?? 0;
        assert(kept >= timestamp, `step ${at}: ${key} is lost later`);
      }
    }
    assertEquals([...kinds].sort(), [
      "create journal-N.new",
      "create table-N.new",
      "cut journal-N",
      "remove journal-N",
      "remove table-N",
      "rename journal-N.new journal-N",
      "rename table-N.new table-N",
      "sync journal-N",
      "sync journal-N.new",
      "sync table-N.new",
      "write journal-N",
      "write journal-N.new",
      "write table-N.new",
    ]);
    const ofNewFiles = [...kinds].filter((kind) => /^remove|\.new/.test(kind));
    assertEquals([...survived].sort(), ofNewFiles.sort(), "a failure of a new file is survived");
  },
);

Deno.test(
  "a snapshot that replaces the table during a compaction is loaded correctly",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, small);
    await overwrite(writer, 40);
    let done = false;
    folder.options = {
      before: (step) => {
        if (done || !step.startsWith("write table")) return;
        done = true;
        // The leader sends a snapshot that replaces everything.
        writer.append(new Snapshot([["new", "1", 900]], false, true));
        writer.journal.recovered.store.clear();
        writer.journal.recovered.store.put("new", "1", 900);
        writer.append(new Sync("other", 900, 900));
      },
    };
    while (!done) {
      writer.put("k0", "x".repeat(100));
      await writer.settled();
    }
    await writer.settled();
    await writer.journal.close();
    const journal = await FileJournal.open(folder, silent);
    await journal.close();
    assertEquals([journal.recovered.cluster, journal.recovered.timestamp], ["other", 900]);
    assertEquals([...journal.recovered.store.entries()].map(([key]) => key), ["new"]);
  },
);

Deno.test("the gaps and the role of a server survive a compaction", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder, small);
  writer.append(new JoinOk());
  writer.append(new Sync("c", 5, 1_000));
  for (let n = 0; n < 100; n++) {
    writer.append(Replication.of("k", `${n}`, 1_001 + n));
    writer.journal.recovered.store.put("k", `${n}`, 1_001 + n);
    await writer.settled();
  }
  await writer.journal.close();
  assert(!folder.names.includes("journal-1"), `${folder.names}`);
  const journal = await FileJournal.open(folder, silent);
  await journal.close();
  const { recovered } = journal;
  assertEquals([recovered.led, recovered.gaps, recovered.timestamp], [true, [[6, 999]], 1_100]);
});

Deno.test(
  "a load that is stopped ends after the next part, and changes nothing",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder);
    writer.put("a", "1");
    await writer.settled();
    await writer.journal.close();
    const torn = folder.afterCrash("process");
    const before = [torn.names, torn.bytes];
    const stopping = new AbortController();
    const read = torn.read.bind(torn);
    torn.read = async function* (name) {
      for await (const part of read(name)) {
        stopping.abort();
        yield part;
      }
    };
    await assertRejects(() => FileJournal.open(torn, silent, { stopping: stopping.signal }));
    assertEquals([torn.names, torn.bytes, torn.closed, torn.steps], [...before, true, []]);
  },
);

Deno.test("a new process syncs what it has loaded before it goes on", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder);
  folder.options = { syncing: () => Promise.reject(new Error("the process dies")) };
  writer.put("a", "1");
  await writer.settled();
  const written = folder.afterCrash("machine").text("journal-1").includes("REPLICATION");
  assertEquals(written, false);
  folder.options = {};
  const again = await FileJournal.open(folder, silent);
  assertEquals(again.recovered.timestamp, 1);
  assertEquals(await held(folder.afterCrash("machine")), ["a=1@1"]);
  await again.close();
});

Deno.test("a table gets its name only when the segments hold everything in it", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder, small);
  await overwrite(writer, 40);
  const gate = Promise.withResolvers<void>();
  const done = Promise.resolve();
  let put = false;
  let renamed = false;
  folder.options = {
    before: (step) => {
      if (step.startsWith("rename table")) renamed = true;
      if (put || !step.startsWith("write table")) return;
      put = true;
      writer.put("k0", "late"); // the table will hold it
    },
    // From then on syncs of segments wait; syncs of the table do not.
    syncing: () => put && folder.steps.at(-1)!.startsWith("sync journal") ? gate.promise : done,
  };
  while (!put) {
    writer.put("k0", "x".repeat(100));
    // Does not wait for the late write.
    while (!put && writer.durable < writer.appended) await done;
  }
  for (let turn = 0; turn < 1_000; turn++) await done;
  assertEquals(renamed, false);
  gate.resolve();
  await writer.settled();
  await writer.journal.close();
  assertEquals(renamed, true);
});

/** An error of the system, as Deno throws it. */
function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: the reason`), { code });
}

/** The entries that were acknowledged, as `held` shows them. */
function acknowledged(durable: ReadonlyMap<string, number>): string[] {
  return [...durable].map(([key, timestamp]) => `${key}=${timestamp - 1}@${timestamp}`).sort();
}

for (const step of ["create journal-", "create table-", "write table-", "rename journal-"]) {
  Deno.test(
    `a compaction that fails at "${step}" is put off, reported once, and made later`,
    pure,
    async () => {
      for (const code of ["EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO"]) {
        const folder = new FakeFolder();
        const reports: string[] = [];
        const durable = new Map<string, number>();
        const writer = await Writer.open(
          folder,
          { ...small, compactPauseMs: 0.01 },
          (line) => reports.push(line),
        );
        folder.options = {
          before: (now) => {
            if (now.startsWith(step)) throw systemError(code);
          },
        };
        await overwrite(writer, 200, durable);
        assertEquals([writer.error, durable.size], [undefined, 10], code);
        assertEquals(reports.length, 1, reports.join("\n"));
        assertStringIncludes(
          reports[0]!,
          `cannot compact dir: ${code}: the reason. No write is lost`,
        );
        assertEquals(folder.names.filter((name) => name.startsWith("table")), []);
        assert(folder.names.length <= 2, `one further segment at most: ${folder.names}`);
        assertEquals(await held(folder.afterCrash("machine")), acknowledged(durable));
        folder.options = {};
        // Each failure has doubled the pause before the next attempt.
        for (let round = 0; round < 100 && reports.length < 2; round++) {
          await overwrite(writer, 200, durable);
        }
        await writer.journal.close();
        assertEquals(reports.slice(1), ["compacted dir at last"]);
        assertEquals(folder.names.filter((name) => name.startsWith("table")).length, 1);
        assert(folder.bytes < 4 * 2_000, `${folder.bytes} bytes`);
        const values = [...(await FileJournal.open(folder, silent)).recovered.store.entries()];
        assertEquals(values.length, 10);
      }
    },
  );
}

Deno.test("a compaction is tried again only after a pause, which doubles", pure, () => {
  const reports: string[] = [];
  const pause = new CompactionPause("dir", (line) => reports.push(line));
  const pauses: number[] = [];
  let now = 5_000;
  for (let n = 0; n < 9; n++) {
    assert(pause.over(now));
    pause.begin(systemError(n < 8 ? "EMFILE" : "ENOSPC"), now);
    const from = now;
    while (!pause.over(now)) now += 500;
    pauses.push((now - from) / 1_000);
  }
  assertEquals(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  assertEquals(reports.length, 2, "each reason once");
  pause.end();
  pause.end();
  assertEquals([reports.length, pause.over(now)], [3, true]);
});

Deno.test(
  "a table that failed is tried again soon, not only when the next segment is full",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, { ...small, compactPauseMs: 0 });
    let fails = 1;
    folder.options = {
      before: (step) => {
        if (step.startsWith("write table") && fails-- > 0) throw systemError("ENOSPC");
      },
    };
    while (fails > 0) await overwrite(writer, 1);
    await overwrite(writer, 3);
    await eventually("the table is published", () => folder.names.includes("table-2"));
    await writer.journal.close();
  },
);

Deno.test("a table that waits for records makes room for them too", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder, small);
  const gate = Promise.withResolvers<void>();
  const done = Promise.resolve();
  const table = () => folder.names.includes("table-2.new");
  let full = false;
  let refused = 0;
  folder.options = {
    before: (step) => {
      if (!full || !table() || !step.startsWith("write journal")) return;
      refused++;
      throw systemError("ENOSPC");
    },
    syncing: () => table() && folder.steps.at(-1) === "sync journal-2" ? gate.promise : done,
  };
  while (!table()) {
    writer.put("k0", "x".repeat(100));
    while (!table() && writer.durable < writer.appended) await done;
  }
  writer.put("k1", "in the group that is synced");
  for (let turn = 0; turn < 1_000; turn++) await done;
  writer.put("k2", "in the next group");
  for (let turn = 0; turn < 1_000; turn++) await done; // the table waits for both
  full = true;
  gate.resolve();
  await writer.settled();
  await writer.journal.close();
  assertEquals([writer.error, writer.durable], [undefined, writer.appended]);
  assertEquals(refused, 1);
});

Deno.test(
  "a table that was written again holds only what the segments add up to",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, { ...small, compactPauseMs: 0 });
    const published = () => folder.names.some((name) => /^table-\d+$/.test(name));
    let fails = true;
    folder.options = {
      before: (step) => {
        if (step.startsWith("write table") && fails) throw systemError("ENOSPC");
      },
    };
    const tell = (...messages: JournalMessage[]) => messages.forEach((one) => writer.append(one));
    tell(follows, new Sync("c", 0, 0));
    let n = 0;
    while (!published() && n < 100) {
      n = writer.put("k", "x".repeat(100));
      await writer.settled();
      for (let turn = 0; turn < 100; turn++) await undefined; // the table is tried
      // It follows, and is told a timestamp that other servers have. Later it leads.
      if (n === 30) tell(new Sync("c", 30, 500));
      if (n === 60) tell(new JoinOk(), new Sync("c", 60, 60));
      fails = n < 90;
    }
    await writer.journal.close();
    const again = await FileJournal.open(folder, silent);
    await again.close();
    const { led, gaps, timestamp, cluster } = again.recovered;
    assertEquals([led, gaps, timestamp, cluster], [true, [], n, "c"]);
    assert(published() && n < 100, `${n}`);
  },
);

Deno.test(
  "on a full disk a table makes room for the records, and nothing is lost",
  pure,
  async () => {
    const folder = new FakeFolder();
    const reports: string[] = [];
    const durable = new Map<string, number>();
    const writer = await Writer.open(folder, small, (line) => reports.push(line));
    let refused = 0;
    folder.options = {
      before: (step) => {
        const tables = folder.names.some((name) => name.startsWith("table"));
        if (!step.startsWith("write journal-") || step.endsWith(".new") || !tables) return;
        refused++;
        throw systemError("ENOSPC");
      },
      syncing: () => new Promise((resolve) => setTimeout(resolve)), // a table takes several turns
    };
    await overwrite(writer, 60, durable);
    await writer.journal.close();
    assertEquals(writer.error, undefined);
    assert(refused > 0, "a record found no room beside the table");
    assertStringIncludes(reports[0]!, "no room for the table beside the segments");
    folder.options = {};
    assertEquals(await held(folder), acknowledged(durable));
  },
);

Deno.test("a directory that went away ends the journal, with the truth", pure, async () => {
  const folder = new FakeFolder();
  const reports: string[] = [];
  const writer = await Writer.open(folder, small, (line) => reports.push(line));
  await overwrite(writer, 10);
  await folder.remove("journal-1"); // its open file can still be written
  folder.options = {
    before: (step) => {
      if (step.startsWith("create")) throw systemError("ENOENT");
    },
  };
  await overwrite(writer, 200);
  await writer.journal.close();
  assertEquals(
    writer.error?.message,
    "Cannot write to dir: journal-1 is no longer in it: the directory was removed, moved or " +
      "replaced. No further write is acknowledged",
  );
  assertEquals(reports, [], "it does not say that no write is lost");
});

Deno.test(
  "a lock that was removed or replaced ends the journal, with the truth",
  pure,
  async () => {
    const folder = new FakeFolder();
    const locked = Object.assign(folder, { isLocked: () => Promise.resolve(false) });
    const reports: string[] = [];
    const writer = await Writer.open(locked, small, (line) => reports.push(line));
    folder.options = {
      before: (step) => {
        if (step.startsWith("create")) throw systemError("ENOENT"); // so that it looks at once
      },
    };
    await overwrite(writer, 200);
    await writer.journal.close();
    assertEquals(
      writer.error?.message,
      "Cannot write to dir: its file lock was removed or replaced, so that another server may have " +
        "written there. No further write is acknowledged",
    );
    assertEquals(reports, [], "it does not say that no write is lost");
  },
);

Deno.test(
  "a name that may not survive ends the journal: the segment before may not go on",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, small);
    folder.options = {
      before: (step) => {
        if (step.startsWith("rename")) throw new JournalError("Cannot sync the names in dir: EIO");
      },
    };
    await overwrite(writer, 200);
    await writer.journal.close();
    assertStringIncludes(writer.error!.message, "Cannot sync the names in dir: EIO");
  },
);

Deno.test("servers of one cluster compact at different sizes", pure, () => {
  const ip = "10.0.0.9";
  const clusters = [
    [0, 1, 2].map((n) => ({ hostname: "127.0.0.1", port: 10_097 + n })),
    [0, 1, 2].map((n) => ({ hostname: "127.0.0.1", port: 10_099 + n })),
    [ip, "10.0.0.10", "10.0.0.11"].map((hostname) => ({ hostname, port: 10_097 })),
    ["fd00::9", "fd00::a", "fd00::b"].map((hostname) => ({ hostname, port: 10_097 })),
  ];
  for (const cluster of clusters) {
    const shares = cluster.map(compactShareOf);
    assertEquals(new Set(shares).size, 3, JSON.stringify(cluster));
    assert(shares.every((share) => share > 0.75 && share <= 1), `${shares}`);
    assertEquals(shares, cluster.map(compactShareOf), "always the same");
  }
});

Deno.test("deletions, times to live, floor and gaps survive a restart", pure, async () => {
  const folder = new FakeFolder();
  const writer = await Writer.open(folder);
  const { store } = writer.journal.recovered;
  const append = (message: JournalMessage) => {
    writer.append(message);
    if (message.type === "REPLICATION") store.apply(message.key, message.write);
  };
  writer.append(new Join("10.0.0.2:2", "", 0));
  writer.append(new Sync("c", 20, 20, 4, [[6, 9]]));
  append(Replication.of("a", "1", 21, 5_000));
  append(Replication.of("b", "2", 22));
  append(Replication.of("b", null, 23));
  await writer.settled();
  await writer.journal.close();
  const { recovered } = await FileJournal.open(folder.afterCrash("machine"), silent);
  assertEquals(recovered.store.get("a")?.ttlMs, 5_000);
  assertEquals([recovered.store.get("b"), recovered.store.absentSince("b")], [undefined, 23]);
  assertEquals([recovered.store.floor, recovered.gaps, recovered.led], [4, [[6, 9]], false]);
  assertEquals(recovered.store.gaps, [[6, 9]]);
});

Deno.test(
  "a compaction keeps tombstones and times to live, and a floor above all it left out",
  pure,
  async () => {
    const folder = new FakeFolder();
    const writer = await Writer.open(folder, { ...small, tableChunkKeysMax: 1 });
    const { store } = writer.journal.recovered;
    store.tombstonesMax = 3;
    let timestamp = 0;
    const append = (key: string, value: string | null, ttlMs?: number) => {
      const message = Replication.of(key, value, ++timestamp, ttlMs);
      writer.append(message);
      store.apply(key, message.write);
      if (value === null) deletedAt.set(key, timestamp);
    };
    const deletedAt = new Map<string, number>();
    writer.append(new JoinOk());
    writer.append(new Sync("c", 0, 0));
    append("lasting", "v", 9_000);
    append("forgotten", "v");
    append("forgotten", null);
    for (let n = 0; n < 100; n++) {
      append(`k${n % 7}`, `${n}`, n % 2 === 0 ? 5_000 : undefined);
      append(`k${(n + 3) % 7}`, null);
      await writer.settled();
    }
    await writer.journal.close();
    assert(!folder.names.includes("journal-1"), `${folder.names}`);
    const { recovered } = await FileJournal.open(folder, silent);
    const table = recovered.store; // it may remember more than the one before
    table.synchronise({ latest: table.timestamp });
    table.checkInvariants();
    const live = (one: Store) =>
      Array.from(one.entries(), ([key, entry]) => [key, entry.timestamp, entry.ttlMs]).sort();
    assertEquals(live(table), live(store));
    for (const [key, at] of deletedAt) {
      if (store.get(key) === undefined) assert(table.absentSince(key) >= at, `${key} @${at}`);
    }
  },
);

Deno.test(
  "a journal of the format before is loaded, and goes on in a new segment",
  pure,
  async () => {
    const older = headerLine.replace("2", "1");
    const folder = new FakeFolder({ "journal-1": older + seal + write(1) });
    const writer = await Writer.open(folder);
    assertEquals(writer.journal.recovered.store.get("k")?.timestamp, 1);
    writer.append(Replication.of("k", null, 2));
    await writer.settled();
    await writer.journal.close();
    assertEquals(folder.names, ["journal-1", "journal-2"]);
    const { recovered } = await FileJournal.open(folder, silent);
    assertEquals([recovered.store.get("k"), recovered.store.absentSince("k")], [undefined, 2]);
  },
);
