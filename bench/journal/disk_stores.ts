/**
 * Two stores on a disk with one interface: the journal of the servers, and SQLite.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a part of the runtime
import { DatabaseSync } from "node:sqlite";
import { FileJournal } from "../../lib/journal/file_journal.ts";
import { DiskFolder } from "../../lib/journal/disk.ts";
import { JoinOk, Replication, Sync } from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";

/** A store on a disk. */
export interface DiskStore extends AsyncDisposable {
  /** The table in memory, filled from the disk. */
  readonly store: Store;
  /** Writes an entry together with the others of this turn. Resolves when it is on the disk. */
  put(key: string, value: string, timestamp: number): Promise<void>;
}

/** The journal of the servers. */
export async function openJournal(
  dir: string,
): Promise<DiskStore & { readonly journal: FileJournal }> {
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
 * SQLite with a write-ahead log and a sync for each transaction. The writes of one turn of the event
 * loop are one transaction.
 */
export function openSqlite(dir: string): DiskStore {
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
