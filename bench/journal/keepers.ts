/**
 * Two ways to keep writes on a disk behind one interface: the journal that the servers use, and SQLite.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- it is of the runtime itself
import { DatabaseSync } from "node:sqlite";
import { FileJournal } from "../../lib/journal/file_journal.ts";
import { DiskFolder } from "../../lib/journal/disk.ts";
import { JoinOk, Replication, Sync } from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";

/** Keeps writes. */
export interface Keeper extends AsyncDisposable {
  /** Where what was kept is read into. */
  readonly store: Store;
  /** Keeps a write, as one of those that go together. Resolves when it is on the disk. */
  put(key: string, value: string, timestamp: number): Promise<void>;
}

/** The journal of the servers. */
export async function openJournal(
  dir: string,
): Promise<Keeper & { readonly journal: FileJournal }> {
  const journal = await FileJournal.open(await DiskFolder.open(dir), () => {});
  const { store, cluster } = journal.recovered;
  const waiting: { count: number; resolve: () => void }[] = [];
  let appended = 0;
  let first = 0;
  journal.begin({
    durable: (count) => {
      while (first < waiting.length && waiting[first]!.count <= count) waiting[first++]!.resolve();
      if (first < waiting.length) return;
      waiting.length = first = 0;
    },
    failed: (error) => {
      throw error;
    },
  });
  if (cluster === "") {
    journal.append(new JoinOk());
    journal.append(new Sync("c", 0, 0));
    appended += 2;
  }
  return {
    journal,
    store,
    put(key, value, timestamp) {
      journal.append(Replication.of(key, value, timestamp));
      store.put(key, value, timestamp);
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ count: ++appended, resolve });
      return promise;
    },
    [Symbol.asyncDispose]: () => journal.close(),
  };
}

/**
 * SQLite with a write-ahead log and a sync for each transaction, and one transaction for everything
 * that is put in one turn of the event loop.
 */
export function openSqlite(dir: string): Keeper {
  Deno.mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(`${dir}/table.db`);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(
    "CREATE TABLE IF NOT EXISTS t (key TEXT PRIMARY KEY, value TEXT, at INTEGER) WITHOUT ROWID",
  );
  const insert = db.prepare(
    "INSERT INTO t VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, at = excluded.at",
  );
  const store = new Store();
  for (const row of db.prepare("SELECT key, value, at FROM t").iterate()) {
    const { key, value, at } = row as { key: string; value: string; at: number };
    store.put(key, value, at);
  }
  let group: { key: string; value: string; timestamp: number; resolve: () => void }[] = [];
  const commit = () => {
    const now = group;
    group = [];
    db.exec("BEGIN");
    for (const { key, value, timestamp } of now) insert.run(key, value, timestamp);
    db.exec("COMMIT");
    for (const { resolve } of now) resolve();
  };
  return {
    store,
    put(key, value, timestamp) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (group.push({ key, value, timestamp, resolve }) === 1) setTimeout(commit, 0);
      return promise;
    },
    [Symbol.asyncDispose]: () => {
      db.close();
      return Promise.resolve();
    },
  };
}
