/**
 * The network and the threads of a trial, as the system tells of them.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Activity, parseNetstat, parseProcTcp, parseThreads, type TcpSocket } from "./proc.ts";
import type { Profile } from "./profile.ts";
import { runScript, type Site } from "./site.ts";

/** The ports of the assignment. */
export const fixedPorts = [10097, 10098, 10099] as const;
const portsFreeMs = 120_000; // TIME_WAIT lasts a minute
const portsPollMs = 500;

/** The error when other programs have the fixed ports. */
export class PortsTakenError extends Error {
  override readonly name = "PortsTakenError";
}

/** The sockets of a site's network. */
export async function readSockets(site: Site): Promise<TcpSocket[]> {
  if (Deno.build.os !== "linux") return parseNetstat(await runScript("netstat -an") ?? "");
  const folder = site.isolated ? `/proc/${site.keeperPid}/net` : "/proc/net";
  return parseProcTcp(await runScript(`cat ${folder}/tcp ${folder}/tcp6 2>/dev/null; :`) ?? "");
}

/**
 * What the threads of some process groups do. `undefined` where the system does not tell. With
 * `pids`, only those processes are looked at, which is faster.
 */
export async function readActivity(
  groups: ReadonlySet<number>,
  pids?: ReadonlySet<number>,
): Promise<Activity | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const processes = pids === undefined ? ["[0-9]*"] : [...pids];
  const files = processes.map((pid) => `/proc/${pid}/task/[0-9]*/stat`).join(" ");
  const text = await runScript(`cat ${files} /dev/null 2>/dev/null; :`);
  return text === undefined ? undefined : parseThreads(text, groups);
}

/** The inodes of the sockets that a process group has open. */
export async function socketsOfGroup(group: number): Promise<ReadonlySet<string>> {
  const pids = [...(await readActivity(new Set([group])))?.pids ?? []];
  const files = pids.map((pid) => `/proc/${pid}/fd/*`).join(" ");
  const links = await runScript(`readlink ${files} 2>/dev/null; :`) ?? "";
  return new Set([...links.matchAll(/socket:\[(\d+)\]/g)].map((match) => match[1]!));
}

/** Free ports, or the fixed ones once they are free again. */
export async function portsWithoutNamespace(
  kind: Profile["ports"],
  site: Site,
): Promise<readonly number[]> {
  const deadline = performance.now() + portsFreeMs;
  while (true) {
    const used = new Set((await readSockets(site)).map((socket) => socket.localPort));
    if (kind === "free") {
      const first = 20_000 + Math.floor(Math.random() * 10_000);
      const ports = [first, first + 1, first + 2];
      if (!ports.some((port) => used.has(port))) return ports;
    } else if (!fixedPorts.some((port) => used.has(port))) return fixedPorts;
    if (performance.now() > deadline) {
      throw new PortsTakenError(`ports ${fixedPorts.join(", ")} do not become free`);
    }
    await delay(portsPollMs);
  }
}
