/**
 * The restarts of the suite of names. The first argument is the file that the system resolves names with, the second
 * one, if it is given, the folder of the data directories.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { freePorts } from "../../../bench/free_ports.ts";
import { RollingCluster, type ServerIndex } from "./rolling_cluster.ts";
import type { Start } from "./rolling_server.ts";

const [hosts, data] = Deno.args;
/** The newest number of each server's address, and of no other's: 127.0.0.N. */
const numbers = [11, 21, 31];
const names = numbers.map((_, i) => `kv-${i}`);
const port = freePorts(1)[0]!;

/** Restarts a server at an address that none had before, under its old name. Meanwhile the name leads nowhere. */
async function move(index: ServerIndex): Promise<void> {
  numbers[index]!++;
  await cluster.restart(index, startOf(index), async () => {
    tellNames(index);
    await cluster.goesOn();
    tellNames();
  });
}

function startOf(index: ServerIndex): Start {
  const dataDir = data === undefined ? undefined : `${data}/kv-${index}`;
  return { ip: ipOf(index), dataDir };
}

function ipOf(index: number): string {
  return `127.0.0.${numbers[index]}`;
}

/** Writes the table of names, without that of the server `left`. */
function tellNames(left?: ServerIndex): void {
  const lines = names.map((name, i) => i === left ? "" : `${ipOf(i)} ${name}\n`);
  Deno.writeTextFileSync(hosts!, lines.join(""));
}

tellNames();
const [a, b, c] = names.map((hostname) => ({ hostname, port }));
await using cluster = new RollingCluster([a!, b!, c!]);
try {
  await cluster.start([startOf(0), startOf(1), startOf(2)]);
  for (const index of [1, 2, 0] as const) await move(index);
  await cluster.check();
  assertEquals(cluster.unknown, []);
} catch (cause) {
  throw new Error(`what happened:\n${cluster.story}`, { cause });
}
