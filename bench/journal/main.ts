/**
 * The cost of the journal, compared with SQLite, and of data directories, compared with memory.
 *
 * @module
 */

import { exitCode } from "../../lib/cli/exit_codes.ts";
import { numberFlag, parseFlags } from "../../lib/cli/flags.ts";
import { processTerminal, type Terminal } from "../../lib/cli/terminal.ts";
import { grouped } from "../drawing.ts";
import { openJournal, openSqlite } from "./disk_stores.ts";
import {
  bytesIn,
  fillKeys,
  keyBytes,
  measureCompaction,
  measureLoading,
  measureMemory,
  measurePuts,
  measureWrites,
  startServers,
  valueBytes,
} from "./measures.ts";

const usage = `The cost of the journal.

deno task bench:journal [FLAGS]

  --writes        the journal beside SQLite: writes per second
  --servers       servers with data directories beside servers without: PUTs per second
  --keys          loading, memory, disk and compaction with many keys
  --count=N       the number of keys (1000000)
  --rounds=N      rounds of measurements in turns; a figure is the median of the rounds (5)
  --seconds=N     seconds of each measurement (1)
  --dir=DIR       the folder of the data, on the disk to measure (the system's temporary folder);
                  the task may use that one alone: see docs/performance.md for another
  --json          JSON instead of tables
  --help          this text

Without any of the first three it measures all of them. The data is removed at the end.
`;

const kinds = ["writes", "servers", "keys"] as const;
const clientCounts = [1, 8, 64] as const;
const MB = 1_000_000;

/** A row of a table: its name and a figure for each column. */
interface Row {
  readonly what: string;
  readonly figures: readonly string[];
}

function tableOf(head: readonly string[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) +
    rows.map(({ what, figures }) => line([what, ...figures])).join("") + "\n";
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Figures by name. */
type Figures = Record<string, number>;

/** Returns the exit code. */
async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(
    args,
    ["count", "rounds", "seconds", "dir"],
    [...kinds, "json", "help"],
  );
  await terminal.keyboard.close();
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const count = numberFlag("count", values.count, 1_000_000, { min: 1, max: 1e7, whole: true });
  const rounds = numberFlag("rounds", values.rounds, 5, { min: 1, max: 1_000, whole: true });
  const ms = 1000 *
    numberFlag("seconds", values.seconds, 1, { min: 0.1, max: 60, whole: false });
  const all = kinds.every((kind) => !switches[kind]);
  const folder = await Deno.makeTempDir(values.dir === undefined ? {} : { dir: values.dir });
  const figures: Figures = {};
  let text =
    `${new Date().toISOString().slice(0, 10)}, ${navigator.hardwareConcurrency} processors; ` +
    `Deno ${Deno.version.deno}; key ${keyBytes} bytes, value ${valueBytes} bytes; medians of ${rounds} rounds ` +
    `of ${ms / 1000} s in turns.\n\n`;
  const say = (line: string) => {
    if (Deno.stderr.isTerminal()) terminal.err(`\r\x1b[K${line}`);
  };
  try {
    if (all || switches.writes) text += await writes(folder, rounds, ms, figures, say);
    if (all || switches.servers) text += await servers(folder, rounds, ms, figures, say);
    if (all || switches.keys) text += await keys(folder, count, figures, say);
  } finally {
    say("");
    await Deno.remove(folder, { recursive: true });
  }
  terminal.out(switches.json ? `${JSON.stringify(figures)}\n` : text);
  return 0;
}

type Say = (line: string) => void;

async function writes(
  folder: string,
  rounds: number,
  ms: number,
  figures: Figures,
  say: Say,
): Promise<string> {
  const stores = { journal: openJournal, SQLite: openSqlite } as const;
  const rows: Row[] = [];
  for (const clients of clientCounts) {
    const rates: Record<string, number[]> = { journal: [], SQLite: [] };
    const pauses: Record<string, number[]> = { journal: [], SQLite: [] };
    for (let round = 1; round <= rounds; round++) {
      for (const [name, open] of Object.entries(stores)) {
        say(`${clients} clients, ${name}, round ${round}`);
        const dir = `${folder}/${name}-${clients}-${round}`;
        const { perSecond, longestPauseMs } = await measureWrites(open, dir, clients, ms);
        rates[name]!.push(perSecond);
        pauses[name]!.push(longestPauseMs);
        await Deno.remove(dir, { recursive: true });
      }
    }
    const [journal, sqlite] = [medianOf(rates.journal!), medianOf(rates.SQLite!)];
    figures[`writes.journal.${clients}`] = journal;
    figures[`writes.sqlite.${clients}`] = sqlite;
    rows.push({
      what: `${clients}`,
      figures: [
        grouped(journal),
        grouped(sqlite),
        (journal / sqlite).toFixed(2),
        medianOf(pauses.journal!).toFixed(1),
        medianOf(pauses.SQLite!).toFixed(1),
      ],
    });
  }
  return `Writes per second on the disk, one process:\n\n` + tableOf(
    ["clients", "journal", "SQLite (WAL, FULL)", "ratio", "pause, ms", "pause with SQLite, ms"],
    rows,
  );
}

async function servers(
  folder: string,
  rounds: number,
  ms: number,
  figures: Figures,
  say: Say,
): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const memory = await startServers(stack);
  const durable = await startServers(stack, `${folder}/servers`);
  const rows: Row[] = [];
  for (const clients of clientCounts) {
    const [inMemory, onDisk]: [number[], number[]] = [[], []];
    for (let round = 1; round <= rounds; round++) {
      say(`three servers, ${clients} clients, round ${round}`);
      inMemory.push(await measurePuts(memory, clients, ms));
      onDisk.push(await measurePuts(durable, clients, ms));
    }
    const [memoryRate, diskRate] = [medianOf(inMemory), medianOf(onDisk)];
    figures[`servers.memory.${clients}`] = memoryRate;
    figures[`servers.durable.${clients}`] = diskRate;
    const ratio = `${Math.round(diskRate / memoryRate * 100)} %`;
    rows.push({ what: `${clients}`, figures: [grouped(memoryRate), grouped(diskRate), ratio] });
  }
  return "PUTs per second to three servers (target at 64 clients: 60 %):\n\n" +
    tableOf(["clients", "in memory", "with data directories", "share"], rows);
}

async function keys(folder: string, count: number, figures: Figures, say: Say): Promise<string> {
  const [journal, sqlite, empty] = [`${folder}/journal`, `${folder}/sqlite`, `${folder}/empty`];
  say(`writing ${grouped(count)} keys`);
  await fillKeys(openJournal, journal, count);
  await fillKeys(openSqlite, sqlite, count);
  await fillKeys(openJournal, empty, 0);
  figures["keys.journal.bytes"] = bytesIn(journal) / count;
  figures["keys.sqlite.bytes"] = bytesIn(sqlite) / count;
  say("loading");
  figures["keys.journal.loadMs"] = await measureLoading(openJournal, journal, count);
  figures["keys.sqlite.loadMs"] = await measureLoading(openSqlite, sqlite, count);
  figures["keys.memoryBytes"] = await measureMemory(journal, empty, count);
  say("compacting");
  const compaction = await measureCompaction(journal);
  figures["compaction.ms"] = compaction.ms;
  figures["compaction.pauseMs"] = compaction.longestPauseMs;
  figures["compaction.writeMs"] = compaction.slowestWriteMs;
  figures["compaction.bytesMax"] = compaction.bytesMax / count;
  figures["keys.table.bytes"] = bytesIn(journal) / count;
  figures["keys.table.loadMs"] = await measureLoading(openJournal, journal, count);
  const whole = (name: string) => grouped(figures[name]!);
  return `${grouped(count)} keys:\n\n` + tableOf(["", "journal", "compacted", "SQLite"], [
    {
      what: "loading, ms",
      figures: [
        whole("keys.journal.loadMs"),
        whole("keys.table.loadMs"),
        whole("keys.sqlite.loadMs"),
      ],
    },
    {
      what: "disk for each key, bytes",
      figures: [whole("keys.journal.bytes"), whole("keys.table.bytes"), whole("keys.sqlite.bytes")],
    },
  ]) +
    `Memory of a server for each key: ${whole("keys.memoryBytes")} bytes. Compaction took ` +
    `${
      whole("compaction.ms")
    } ms beside a client that writes. The longest pause of the event loop was ` +
    `${compaction.longestPauseMs.toFixed(1)} ms, the slowest write took ` +
    `${compaction.slowestWriteMs.toFixed(1)} ms, and the directory had at most ` +
    `${grouped(compaction.bytesMax / MB)} MB, ${
      whole("compaction.bytesMax")
    } bytes for each key.\n`;
}

const terminal = processTerminal();
Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
