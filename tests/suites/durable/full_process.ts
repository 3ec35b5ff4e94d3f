/**
 * A process that compacts while it has no file descriptor left. `suite.ts` runs it under `ulimit`.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- what it prints is the result

import { DiskFolder } from "../../../lib/journal/disk.ts";
import { FileJournal } from "../../../lib/journal/file_journal.ts";
import { Replication } from "../../../lib/mensagem.ts";

// As a server does. A Deno without descriptors that meets its first signal handler late panics.
Deno.addSignalListener("SIGTERM", () => {});
const [dir] = Deno.args as [string];
const compactBytesMin = 10_000;
const folder = await DiskFolder.open(dir);
const journal = await FileJournal.open(folder, (line) => console.log(line), { compactBytesMin });
let timestamp = 0;
let ended = "";
let durable = () => {};
journal.begin({
  durable: () => durable(),
  failed: (error) => {
    ended = error.message;
    durable();
  },
});

async function put(): Promise<void> {
  const written = new Promise<void>((resolve) => durable = resolve);
  journal.append(Replication.of("k", "x".repeat(1_000), ++timestamp));
  journal.recovered.store.put("k", "x".repeat(1_000), timestamp);
  await written;
}

await put();
const taken: Deno.FsFile[] = [];
try {
  while (true) taken.push(Deno.openSync(`${dir}/journal-1`));
} catch (error) {
  console.log(`full: ${(error as { code?: string }).code}`);
}

/** Whether a table is there. To look it up takes no descriptor, to list the directory takes one. */
function hasTable(): boolean {
  return Array.from({ length: 100 }, (_, n) => `${dir}/table-${n}`).some((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

for (let n = 0; n < 5_000 && ended === "" && (n < 200 || !hasTable()); n++) await put();
for (const file of taken) file.close();
await journal.close();
console.log(`ended "${ended}"`);
for (const { name } of Deno.readDirSync(dir)) console.log(name);
Deno.exit(0);
