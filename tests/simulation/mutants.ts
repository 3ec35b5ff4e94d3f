/**
 * Breaks the code on purpose, in one of the listed ways at a time, and checks that the simulation
 * notices.
 *
 * @module
 */

import { processTerminal } from "../../lib/cli/terminal.ts";
import type { simulate } from "./world.ts";
import type { makeDurablePlan, makePlan } from "./plan.ts";

/** One way to break the code. `file` is a path in `lib`, and has the text `find` exactly once. */
interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Whether it shows only if servers have disks. */
  readonly durable?: true;
  /** The number of seeds, if it is not {@linkcode seedsMax}. */
  readonly seeds?: number;
  /** A second change, if one alone makes no difference. */
  readonly also?: { readonly find: string; readonly replace: string };
}

const seedsMax = 2_000;

const mutants: readonly Mutant[] = [
  {
    name: "NULL for a key that the client has seen",
    file: "replication/store.ts",
    find: "return seen > 0 ? { fresh: false",
    replace: "return seen < 0 ? { fresh: false",
  },
  {
    name: "PUT_OK after the first acknowledgement instead of all",
    file: "replication/members.ts",
    find: "if (member.waitedFor && member.acked < lowest) lowest = member.acked;",
    replace:
      "if (member.waitedFor && (lowest === timestamp || member.acked > lowest)) lowest = member.acked;",
  },
  {
    name: "timestamps in seconds",
    file: "replication/leader.ts",
    find: "put.stamped(++this.#stamped)",
    replace: "put.stamped(this.#stamped = Math.floor(this.#clock.now / 1000))",
  },
  {
    name: "the client does not note the timestamp of a GET",
    file: "client/session.ts",
    find: `case "GET_OK":`,
    replace: "",
  },
  {
    name: "an older write replaces a newer one",
    file: "replication/store.ts",
    find: "if (write.timestamp < newest.timestamp) return false;",
    replace: "",
  },
  {
    name: "a paced snapshot stops after its first tick",
    file: "replication/member.ts",
    find: "this.#snapshot?.sender.tick(busy);",
    replace: "void busy;",
  },
  {
    name: "recovery from the first follower instead of the furthest",
    file: "replication/recovery.ts",
    find: "member.joined.timestamp > furthest.joined.timestamp",
    replace: "false",
  },
  {
    name: "no skip ahead after recovery",
    file: "replication/timestamps.ts",
    find: "timestamp + Math.floor(recoverySkip * (0.5 + random))",
    replace: "timestamp",
  },
  {
    name: "a recovered leader keeps what an unfinished catch-up left at a follower",
    file: "replication/catch_up.ts",
    find: "forked ? undefined : joined.timestamp",
    replace: "joined.timestamp",
  },
  {
    name: "a follower answers GETs before its first synchronisation",
    file: "replication/sync_state.ts",
    find: "return this.#timestamp >= this.#readableFrom && !this.#excluded;",
    replace: "return true;",
  },
  {
    name: "a follower answers GETs while the log is still under way",
    file: "replication/sync_state.ts",
    seeds: 8_000,
    find: "this.#readableFrom = latest;",
    replace: "this.#readableFrom = 0;",
  },
  {
    name: "the leader opens without waiting for all followers",
    file: "replication/recovery.ts",
    find: "if (members.size < tuning.clusterSize - 1) return undefined;",
    replace: "if (members.size < 1) return undefined;",
  },
  {
    name: "a follower counts as in sync without every committed write",
    file: "replication/probation.ts",
    find: "member.acked < committed",
    replace: "false",
  },
  {
    name: "PUTs go on with fewer servers in sync than min-in-sync",
    file: "replication/leader.ts",
    find: "this.#members.serversInSync >= this.#tuning.minInSync",
    replace: "true",
  },
  {
    name: "a silent follower is never dropped",
    file: "replication/leader.ts",
    find: "else if (member.silentMs(now) > silenceMs) {",
    replace: "else if (member.silentMs(now) > silenceMs * 1e9) {",
  },
  {
    name: "a silent leader is never given up",
    file: "replication/leader_connection.ts",
    find: "this.#clock.now - this.#heardAt > silenceMs;",
    replace: "this.#clock.now - this.#heardAt > silenceMs * 1e9;",
  },
  {
    name: "forwarded PUTs are forgotten when the leader is lost",
    file: "replication/forwarded_puts.ts",
    find: "for (const leaderId of this.#forwarded.keys()) {",
    replace: "for (const leaderId of []) {",
    also: { find: "if (deadline > now) break;", replace: "break;" },
  },
  {
    name: "PUTs that have to wait are dropped",
    file: "replication/pending_puts.ts",
    find: "this.#waiting.push(pending);",
    replace: "",
  },
  {
    name: "a PUT that was answered at its deadline is answered again",
    file: "replication/pending_puts.ts",
    find: "if (this.#expired > 0) {",
    replace: "if (this.#expired > 1e9) {",
  },
  {
    name: "a PUT that was answered as not applied at its deadline is applied later",
    file: "replication/pending_puts.ts",
    find: "this.nextWaiting();\n      late.link",
    replace: "this.wait({ ...this.nextWaiting()!, deadline: Infinity });\n      late.link",
  },
  {
    name: "the log claims to have writes that it has dropped",
    file: "replication/write_log.ts",
    find: "this.#start = last;",
    replace: "",
  },
  {
    name: "writes during a snapshot are not sent after it",
    file: "replication/catch_up.ts",
    find: "this.goOn(member, startedAt, timestamp)",
    replace: "this.goOn(member, timestamp, timestamp)",
  },
  {
    name: "a follower acknowledges the timestamp that it joined with, not the one of SYNC",
    file: "replication/sync_state.ts",
    find: "if (timestamp > this.#timestamp) this.#timestamp = timestamp;",
    replace: "",
  },
  {
    name: "a follower acknowledges a write before it comes",
    file: "replication/follower.ts",
    find: "new ReplicationOk(timestamp)",
    replace: "new ReplicationOk(timestamp + 1)",
  },
  {
    name: "a follower takes every refusal for an exclusion",
    file: "replication/follower.ts",
    find: "this.#connection.joinedLink === undefined && refusesData(error)",
    replace: "true",
  },
  {
    name: "a process that dials again is excluded while its old connection lives",
    file: "replication/join_policy.ts",
    find: "instance === earlier.instance",
    replace: "false",
    also: {
      find:
        "return server === undefined ? undefined : new ErrorReply(serverRefusalCode(join), server);",
      replace:
        `return server === undefined ? undefined : new ErrorReply("FORBIDDEN", " holds data of ");`,
    },
  },
  {
    name: "a process that dials again is a second member",
    file: "replication/entrance.ts",
    find: "const leaving = earlier === undefined",
    replace: "const leaving = true",
  },
  {
    name: "commits wait for a follower on probation",
    file: "replication/members.ts",
    find: "member.waitedFor && member.acked",
    replace: "member.ready && member.acked",
  },
  {
    name: "a follower on probation is in sync",
    file: "replication/probation.ts",
    find: "if (member.waitedFor) yield member;",
    replace: "if (true) yield member;",
  },
  {
    name: "probation ends at the first acknowledgement",
    file: "replication/probation.ts",
    find: "progress.steadyMs >= standing.probationMs",
    replace: "true",
  },
  {
    name: "a follower on probation does not count although min-in-sync needs it",
    file: "replication/probation.ts",
    find: "this.#members.serversInSync < this.#tuning.minInSync",
    replace: "false",
  },
  {
    name: "a heartbeat ends a stall",
    file: "replication/progress.ts",
    find: "acked > this.#acked || !this.#behind",
    replace: "acked > this.#acked || !this.#behind || heardAt > this.#heardAt",
  },
  {
    name: "half a multi-byte character is decoded by itself",
    file: "wire/line_reader.ts",
    find: "this.#start = lastLf + 1;",
    replace: "this.#start = end;",
  },
  {
    name: "a follower acknowledges what its disk does not have yet",
    file: "replication/follower.ts",
    durable: true,
    find: "this.#ledger.whenDurable(() => link?.send(new ReplicationOk(timestamp).encode()));",
    replace: "link?.send(new ReplicationOk(timestamp).encode());",
  },
  {
    name: "a leader shows and replicates what its disk does not have yet",
    file: "replication/leader.ts",
    durable: true,
    find: "this.#ledger.whenDurable(() => this.#apply(pending, written));",
    replace: "this.#apply(pending, written);",
  },
  {
    name: "a follower does not write SYNC to the journal",
    file: "replication/follower.ts",
    durable: true,
    find: "this.#ledger.append(message);\n    this.#sync.synchronise(message);",
    replace: "this.#sync.synchronise(message);",
  },
  {
    name: "a follower does not write a snapshot to the journal",
    file: "replication/follower.ts",
    durable: true,
    find: `case "SNAPSHOT":\n        this.#ledger.append(message);`,
    replace: `case "SNAPSHOT":`,
  },
  {
    name: "a leader does not write the table that it copies to the journal",
    file: "replication/recovery.ts",
    durable: true,
    find: "ledger.append(chunk);",
    replace: "",
  },
  {
    name: "a leader does not write its first timestamp to the journal",
    file: "replication/leader.ts",
    durable: true,
    find: "this.#ledger.append(new Sync(cluster, table, timestamp));",
    replace: "",
  },
  {
    name: "a leader with data on its disk begins as if it had none",
    file: "replication/recovery.ts",
    durable: true,
    find: `if (recovered !== undefined && recovered.cluster !== "") this.#own = recovered;`,
    replace: "if (recovered !== undefined) options.store.clear();",
  },
  {
    name: "a follower says that it is complete up to the newest write of an unfinished catch-up",
    file: "replication/recovered_state.ts",
    durable: true,
    find: "return this.summary.timestamp;",
    replace: "return this.highest;",
  },
  {
    name: "entries that a snapshot replaced are back after a restart",
    file: "replication/recovered_state.ts",
    durable: true,
    seeds: 12_000,
    find: "this.store.clear();",
    replace: "",
  },
];

/** Each mutant is a copy of the code in a folder of its own. */
const root = new URL("../../", import.meta.url);
const scratch = await Deno.makeTempDir();
const { out, flushed } = processTerminal();
let survivors = 0;
try {
  const unchanged = {
    name: "",
    file: "replication/store.ts",
    find: "class Store",
    replace: "class Store",
  };
  if (await firstFailure(unchanged, `${scratch}/unchanged`) !== undefined) {
    throw new Error("the code as it is breaks a rule: see deno task simulate");
  }
  for (const [number, mutant] of mutants.entries()) {
    const seed = await firstFailure(mutant, `${scratch}/${number}`);
    if (seed === undefined) survivors++;
    const seeds = mutant.seeds ?? seedsMax;
    const fate = seed === undefined ? `SURVIVED ${seeds} seeds` : `caught at seed ${seed}`;
    out(`${fate.padEnd(24)} ${mutant.name}\n`);
  }
} finally {
  await Deno.remove(scratch, { recursive: true });
}
out(`${mutants.length - survivors} passed, ${survivors} failed\n`);
await flushed();
Deno.exit(survivors === 0 ? 0 : 1);

/** The first seed that notices the mutant. */
async function firstFailure(mutant: Mutant, folder: string): Promise<number | undefined> {
  for (const part of ["lib", "tests/simulation", "tests/support"]) await copy(part, folder, mutant);
  const world: { simulate: typeof simulate } = await import(
    `file://${folder}/tests/simulation/world.ts`
  );
  const plans: { makePlan: typeof makePlan; makeDurablePlan: typeof makeDurablePlan } =
    await import(
      `file://${folder}/tests/simulation/plan.ts`
    );
  const make = mutant.durable === true ? plans.makeDurablePlan : plans.makePlan;
  for (let seed = 1; seed <= (mutant.seeds ?? seedsMax); seed++) {
    try {
      if (world.simulate(make(seed)).violation !== undefined) return seed;
    } catch {
      return seed;
    }
  }
  return undefined;
}

/** Copies the sources below a folder of the project, one of them mutated. */
async function copy(part: string, to: string, mutant: Mutant): Promise<void> {
  await Deno.mkdir(`${to}/${part}`, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(new URL(part, root))) {
    const path = `${part}/${name}`;
    if (isDirectory) await copy(path, to, mutant);
    else if (name.endsWith(".ts")) {
      const text = await Deno.readTextFile(new URL(path, root));
      await Deno.writeTextFile(
        `${to}/${path}`,
        path === `lib/${mutant.file}` ? mutate(text, mutant) : text,
      );
    }
  }
}

function mutate(text: string, { name, find, replace, also }: Mutant): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}": the text to replace occurs ${parts.length - 1} times`);
  }
  const mutated = parts.join(replace);
  return also === undefined ? mutated : mutate(mutated, { name, file: "", ...also });
}
