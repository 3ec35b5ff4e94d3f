/**
 * Copies of the data directory of a server under load, by `cp -r` and by a slow program: what a server that
 * is started on such a copy has, and what it refuses. docs/operations.md says what follows.
 *
 * Not named like a test, because it needs more than the network: `deno task test:durable` runs it.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assert, assertMatch } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { alone, ServerProcess } from "../../../bench/server_process.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { Scratch } from "../../support/scratch.ts";

const copies = 12;
/** PUTs in flight. */
const writers = 8;
/** Keys and length of values: a table of 12 MiB, so that a compaction comes after each 16 MiB. */
const keys = 400;
const valueChars = 32 * 1024;
/** What the slow program reads at a time. */
const partBytes = 256 * 1024;
/** PUTs between two copies. */
const putsBetween = 300;

/** A load of PUTs whose values only rise, key by key. */
class Load {
  /** The highest number of each key that was acknowledged. */
  readonly acknowledged = new Map<string, number>();
  readonly #client: KvClient;
  readonly #running: Promise<void>[];
  #stopped = false;
  #count = 0;
  #enough: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor(client: KvClient) {
    this.#client = client;
    // Each writer has keys of its own: two PUTs of one key are never under way at once.
    this.#running = Array.from({ length: writers }, (_, writer) => this.#write(writer));
  }

  /** Resolves after this many further acknowledgements. */
  async puts(count: number): Promise<void> {
    const failed = Promise.all(this.#running).then(() => {});
    const enough = new Promise<void>((resolve) =>
      this.#enough = { count: this.#count + count, resolve }
    );
    await Promise.race([enough, failed]);
  }

  /** Ends the load. Rejects if a PUT has failed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #write(writer: number): Promise<void> {
    for (let n = writer; !this.#stopped; n += writers) {
      const key = `k${n % keys}`;
      await this.#client.put(key, `${n}:${"x".repeat(valueChars)}`, { timeoutMs: 60_000 });
      this.acknowledged.set(key, n);
      if (++this.#count >= (this.#enough?.count ?? Infinity)) this.#enough!.resolve();
    }
  }
}

/** The number that each key has at a server. */
async function numbersAt(server: ServerProcess): Promise<Map<string, number>> {
  await using client = new KvClient([server.address]);
  const found = new Map<string, number>();
  for await (const { key, value } of client.list("", { pageSize: 50 })) {
    found.set(key, parseInt(value));
  }
  return found;
}

/** Copies a directory. Returns whether all files were there. */
type Copier = (dir: string, copy: string, load: Load) => Promise<boolean>;

const copyByCp: Copier = async (dir, copy) => {
  const cp = new Process("sh", ["-c", 'exec cp -r "$0" "$1"', dir, copy]);
  if (await cp.end() === 0) return true;
  assertMatch(cp.errors, /No such file/); // a compaction has removed it
  return false;
};

/** The names first, then file by file, as slowly as over a network: PUTs go on between the parts. */
const copySlowly: Copier = async (dir, copy, load) => {
  await Deno.mkdir(copy, { mode: 0o700 });
  const names = Array.from(Deno.readDirSync(dir), ({ name }) => name);
  const part = new Uint8Array(partBytes);
  let complete = true;
  for (const name of names) {
    try {
      using from = await Deno.open(`${dir}/${name}`);
      using to = await Deno.open(`${copy}/${name}`, { createNew: true, write: true, mode: 0o600 });
      for (let n = await from.read(part); n !== null; n = await from.read(part)) {
        for (let done = 0; done < n;) done += await to.write(part.subarray(done, n));
        await load.puts(1);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      complete = false; // and it goes on, as cp does
    }
  }
  return complete;
};

/** What became of one copy. */
type Outcome = "loaded" | "cut and loaded" | "refused" | "empty";

/** Starts a server on a copy. If it starts, it has every write of `before`, or nothing at all. */
async function startedOn(copy: string, before: ReadonlyMap<string, number>): Promise<Outcome> {
  await using server = new ServerProcess({ dataDir: copy, flags: alone });
  const serves = await server.serving().then(() => true, () => false);
  if (!serves) {
    assertMatch(server.errors, /is damaged at byte|is missing, and its writes with it/);
    return "refused";
  }
  if (server.errors.includes(`${copy} holds nothing yet`)) return "empty";
  const found = await numbersAt(server);
  for (const [key, number] of before) {
    const kept = found.get(key) ?? -1;
    assert(kept >= number, `${key} was acknowledged at ${number}, and the copy has ${kept}`);
  }
  return server.errors.includes("are cut off") ? "cut and loaded" : "loaded";
}

for (const [how, copier] of [["cp -r", copyByCp], ["a slow program", copySlowly]] as const) {
  Deno.test({
    name:
      `${copies} copies under load by ${how}: each has all that was acknowledged before it, or is ` +
      "refused; one that missed files may be empty",
    ignore: Deno.build.os === "windows",
    async fn() {
      using scratch = new Scratch();
      const dir = `${scratch.path}/data`;
      await using server = await ServerProcess.start({ dataDir: dir, flags: alone });
      await using client = new KvClient([server.address]);
      const load = new Load(client);
      const outcomes: string[] = [];
      for (let n = 0; n < copies; n++) {
        await load.puts(putsBetween);
        const before = new Map(load.acknowledged);
        const copy = `${scratch.path}/copy-${n}`;
        const complete = await copier(dir, copy, load);
        const outcome = await startedOn(copy, before);
        assert(!complete || outcome !== "empty");
        outcomes.push(complete ? outcome : `files missed: ${outcome}`);
        await Deno.remove(copy, { recursive: true });
      }
      await load.stop();
      console.log(outcomes.join(", "));
      if (copier === copyByCp) assert(outcomes.includes("loaded"));
    },
  });
}
