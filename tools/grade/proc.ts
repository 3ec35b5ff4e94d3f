/**
 * Reads what the system tells of sockets and threads: text in, values out.
 *
 * @module
 */

/** A TCP socket of the network of a trial. */
export interface TcpSocket {
  readonly localPort: number;
  readonly remotePort: number;
  readonly listening: boolean;
  /** `0` if no process has the socket any more. */
  readonly inode: string;
  readonly state: string;
}

/** Parses /proc/net/tcp and /proc/net/tcp6, one after the other. */
export function parseProcTcp(text: string): TcpSocket[] {
  const sockets: TcpSocket[] = [];
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const [, local, remote, state] = fields;
    if (!/^\d+:$/.test(fields[0] ?? "") || !local || !remote || !state) continue;
    sockets.push({
      localPort: hexPort(local),
      remotePort: hexPort(remote),
      listening: state === "0A",
      inode: fields[9] ?? "0",
      state,
    });
  }
  return sockets;
}

function hexPort(address: string): number {
  return parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
}

/** Parses `netstat -an` of systems without /proc: only ports and whether they listen. */
export function parseNetstat(text: string): TcpSocket[] {
  const sockets: TcpSocket[] = [];
  for (const line of text.split("\n")) {
    const match = /^tcp\S*\s+\d+\s+\d+\s+\S*[.:](\d+)\s+\S*[.:](\d+|\*)\s+(\w+)/.exec(line);
    if (match === null) continue;
    sockets.push({
      localPort: Number(match[1]),
      remotePort: match[2] === "*" ? 0 : Number(match[2]),
      listening: match[3]!.startsWith("LISTEN"),
      inode: "0",
      state: match[3]!,
    });
  }
  return sockets;
}

/** The threads of some process groups at one moment. */
export interface Activity {
  /** Whether every thread sleeps, or is stopped. */
  readonly idle: boolean;
  /** Whether there are threads, and each one is stopped. */
  readonly stopped: boolean;
  /** Clock ticks that the threads have used until now. */
  readonly ticks: number;
  readonly threads: number;
  readonly pids: ReadonlySet<number>;
}

/** Parses lines of /proc/PID/task/TID/stat, and keeps those of the given process groups. */
export function parseThreads(text: string, groups: ReadonlySet<number>): Activity {
  let idle = true;
  let stopped = 0;
  let ticks = 0;
  let threads = 0;
  const pids = new Set<number>();
  for (const line of text.split("\n")) {
    const end = line.lastIndexOf(")"); // a program's name may have spaces and parentheses
    if (end < 0) continue;
    const fields = line.slice(end + 2).split(" ");
    if (!groups.has(Number(fields[2]))) continue;
    threads++;
    pids.add(parseInt(line, 10));
    ticks += Number(fields[11]) + Number(fields[12]);
    if ("TtZX".includes(fields[0]!)) stopped++;
    if (!"SITtZXP".includes(fields[0]!)) idle = false;
  }
  return { idle, stopped: threads > 0 && stopped === threads, ticks, threads, pids };
}
