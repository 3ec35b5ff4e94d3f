/**
 * One server of the cluster: keyboard or flags, then serving until a signal.
 *
 * @module
 */

import {
  type Address,
  formatAddress,
  isLoopback,
  isWildcard,
  parseIp,
  parsePort,
} from "./lib/wire/address.ts";
import { Secret, type Secrets } from "./lib/auth/secret.ts";
import {
  addressTexts,
  escapeControls,
  passwordText,
  ServerConsole,
  serverTexts,
} from "./lib/cli/console.ts";
import type { StartEngine } from "./lib/replication/engine.ts";
import { JournalError } from "./lib/journal/errors.ts";
import type { EtcdOptions } from "./lib/etcd/client.ts";
import { EtcdEngine } from "./lib/etcd/engine.ts";
import { askEtcd, etcdFlags, etcdSwitches, etcdUsage } from "./lib/cli/etcd_flags.ts";
import { openJournal } from "./lib/journal/open_journal.ts";
import { KvServer, type ServerLimits, serverLimitsDefault } from "./lib/server/kv_server.ts";
import { finishMs, ipDefault, portsDefault } from "./lib/limits.ts";
import { Metrics } from "./lib/metrics/metrics.ts";
import { serveMetrics } from "./lib/metrics/http.ts";
import { type Tuning, tuningDefault } from "./lib/replication/tuning.ts";
import {
  askIp,
  askPort,
  askSecret,
  exitCode,
  numberFlag,
  parseFlags,
  processTerminal,
  readTls,
  type Terminal,
  tlsFlags,
  UsageError,
} from "./lib/cli/terminal.ts";
import type { TlsAcceptor } from "./lib/net/tls.ts";

/** Least pause between two writes of a server to its console, in milliseconds. */
export const consolePauseMs = 50;

/** A number that an operator may set. */
interface NumberFlag {
  readonly name: string;
  readonly help: string;
  readonly preset: number;
  readonly min: number;
  readonly max: number;
  /** The setting is this many times the flag; a flag with a unit of its own may have decimals. */
  readonly unit?: number;
}

const MiB = 1024 * 1024;
const seconds = 1000;

/** By the setting that each of them changes. */
const tuningFlags = {
  clusterSize: {
    name: "cluster-size",
    help: "servers in the cluster, the leader included",
    preset: tuningDefault.clusterSize,
    min: 1,
    max: 99,
  },
  minInSync: {
    name: "min-in-sync",
    help: "servers that must hold a write before it is acknowledged",
    preset: tuningDefault.minInSync,
    min: 1,
    max: 99,
  },
  putTimeoutMs: {
    name: "put-timeout",
    help: "seconds within which every PUT is answered",
    preset: tuningDefault.putTimeoutMs,
    min: 0.1,
    max: 3_600,
    unit: seconds,
  },
  silenceMs: {
    name: "silence-timeout",
    help: "seconds after which a silent server counts as gone",
    preset: tuningDefault.silenceMs,
    min: 1,
    max: 3_600,
    unit: seconds,
  },
  logBytesMax: {
    name: "log-size",
    help: "MiB of recent writes kept, so that followers catch up without a snapshot",
    preset: tuningDefault.logBytesMax,
    min: 0,
    max: 128,
    unit: MiB,
  },
  outstandingPutsMax: {
    name: "max-outstanding-puts",
    help: "PUTs without an answer; beyond that OVERLOADED",
    preset: tuningDefault.outstandingPutsMax,
    min: 1,
    max: 10_000_000,
  },
  waitingCharsMax: {
    name: "max-waiting",
    help: "MiB of PUTs that wait for servers to come back; beyond that OVERLOADED",
    preset: tuningDefault.waitingCharsMax,
    min: 1,
    max: 1_024,
    unit: MiB,
  },
  keyBytesMax: {
    name: "max-key",
    help: "bytes of a key that clients may PUT",
    preset: tuningDefault.keyBytesMax,
    min: 1,
    max: tuningDefault.keyBytesMax,
  },
  valueBytesMax: {
    name: "max-value",
    help: "bytes of a value that clients may PUT",
    preset: tuningDefault.valueBytesMax,
    min: 1,
    max: tuningDefault.valueBytesMax,
  },
} as const satisfies Partial<Record<keyof Tuning, NumberFlag>>;

/** By the setting that each of them changes. */
const limitFlags = {
  connectionsMax: {
    name: "max-connections",
    help: "connections, all together",
    preset: serverLimitsDefault.connectionsMax,
    min: 4,
    max: 1_000_000,
  },
  connectionsPerIpMax: {
    name: "max-connections-per-ip",
    help: "connections from one IP address",
    preset: serverLimitsDefault.connectionsPerIpMax,
    min: 4,
    max: 1_000_000,
  },
  inFlightMax: {
    name: "max-in-flight",
    help: "requests of one connection without an answer; beyond that it is not read",
    preset: serverLimitsDefault.inFlightMax,
    min: 1,
    max: 1_000_000,
  },
  frameBytesMax: {
    name: "max-frame",
    help: "bytes of a client's frame",
    preset: serverLimitsDefault.frameBytesMax,
    min: 64 * 1024,
    max: serverLimitsDefault.frameBytesMax,
  },
  heldBytesMax: {
    name: "max-buffered",
    help: "MiB of half-sent frames and unread answers of all clients; beyond that the largest go",
    preset: serverLimitsDefault.heldBytesMax,
    min: 16,
    max: 65_536,
    unit: MiB,
  },
  unsentPauseChars: {
    name: "pause-unsent",
    help: "MiB of answers that a client has not read; beyond that it is not read",
    preset: serverLimitsDefault.unsentPauseChars,
    min: 0.0625,
    max: 8,
    unit: MiB,
  },
  unsentCharsMax: {
    name: "max-unsent",
    help: "MiB on their way to one connection; beyond that it is cut off",
    preset: serverLimitsDefault.unsentCharsMax,
    min: 16,
    max: 256,
    unit: MiB,
  },
  stalledWriteMs: {
    name: "write-timeout",
    help: "seconds for which a connection may read nothing of what it is sent",
    preset: serverLimitsDefault.stalledWriteMs,
    min: 1,
    max: 3_600,
    unit: seconds,
  },
  halfFrameMs: {
    name: "frame-timeout",
    help: "seconds for which a frame may stay half sent",
    preset: serverLimitsDefault.halfFrameMs,
    min: 1,
    max: 3_600,
    unit: seconds,
  },
  tlsHandshakeMs: {
    name: "tls-timeout",
    help: "seconds for which a TLS handshake may take",
    preset: serverLimitsDefault.tlsHandshakeMs,
    min: 0.1,
    max: 3_600,
    unit: seconds,
  },
} as const satisfies Partial<Record<keyof ServerLimits, NumberFlag>>;

const addressFlags = ["ip", "port", "leader-ip", "leader-port", "metrics-port"] as const;

function usage(): string {
  const numbers = [...Object.values(tuningFlags), ...Object.values(limitFlags)];
  const lines = numbers.map(({ name, help, preset, ...rest }) => {
    const value = preset / ("unit" in rest ? rest.unit : 1);
    return `  ${`--${name}=N`.padEnd(28)}${help} (${value})`;
  });
  return `One server of the replicated key-value store.

deno task server [FLAGS]

  --ip=IP                     address to listen on (asked for; ${ipDefault})
  --port=PORT                 port to listen on (asked for; ${portsDefault[0]})
  --leader-ip=IP              the leader's address (asked for; ${ipDefault})
  --leader-port=PORT          the leader's port (asked for; ${portsDefault[0]})
${lines.join("\n")}
${etcdUsage}  --metrics-port=PORT         a port for monitoring: /metrics, /healthz and /readyz by HTTP (none)
  --data-dir=DIR              write everything down in this directory before it is confirmed, and
                              start with what is there (in memory alone); "auto" is data/PORT
  --secret-stdin              the secret that servers must know to join: the first line of the input
  --password-stdin            the password of clients: the next line of the input
  --tls-cert=FILE             this server's certificate, and those between it and the CA, in PEM
  --tls-key=FILE              its private key
  --tls-ca=FILE               the CA: servers join only with a certificate that it has signed
  --allow-faults              take FAULT: any client may hold or delay the replication to a
                              follower, to see what that does. For classrooms and tests
  --quiet                     nothing on standard error
  --help                      this text

The server whose address is the leader's is the leader. Give all servers the same flags but for
their addresses. It stops on Ctrl-C. "deno task server:secret" takes secret and password from the
environment variables KV_SECRET and KV_PASSWORD. "deno task server:durable" has --data-dir=auto and
may read and write the folder data and nothing else; for another directory D:

  deno run --allow-net --allow-read=D --allow-write=D server.ts --data-dir=D

"deno task server:tls" takes tls/cert.pem,
tls/key.pem and tls/ca.pem and may read nothing else. For files of other names:

  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=C,K,A server.ts \\
    --tls-cert=C --tls-key=K --tls-ca=A

With --engine=etcd nobody is asked for a leader. "deno task server:etcd" takes user and password from
the environment variables KV_ETCD_USER and KV_ETCD_PASSWORD. For https with files of one's own:

  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=A server.ts \\
    --engine=etcd --etcd=https://127.0.0.1:2379 --etcd-ca=A

Certificates name the IPs that are dialled, and are for servers and clients: subjectAltName=IP:…,
extendedKeyUsage=serverAuth,clientAuth. The empty DENO_TLS_CA_STORE says that no other CA counts.

  deno task server --ip=127.0.0.1 --port=10098 --leader-ip=127.0.0.1 --leader-port=10097
`;
}

/** Runs a server until `stopped` resolves. Returns the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  stopped: Promise<unknown>,
): Promise<number> {
  const numbers = [...Object.values(tuningFlags), ...Object.values(limitFlags)];
  const { values, switches } = parseFlags(
    args,
    [
      ...[...addressFlags, ...etcdFlags, ...tlsFlags, "data-dir"] as const,
      ...numbers.map(({ name }) => name),
    ],
    ["secret-stdin", "password-stdin", ...etcdSwitches, "allow-faults", "quiet", "help"],
  );
  if (switches.help) {
    terminal.out(usage());
    return 0;
  }
  checkAddresses(values);
  const tuning = checkTuning(readNumbers(tuningFlags, values), values["min-in-sync"] !== undefined);
  const limits = {
    ...readNumbers(limitFlags, values),
    // The last PUT of a client that has said its last word is still answered.
    finishMs: tuning.putTimeoutMs + finishMs,
  };
  if (tuning.logBytesMax * 2 > limits.unsentCharsMax) {
    throw new UsageError("--max-unsent must be at least twice --log-size: a log is sent in one go");
  }
  const tls = await askTls(values);
  const joins = (values.engine ?? "embedded") === "embedded";
  const secrets = await askSecrets(
    terminal,
    switches["secret-stdin"],
    switches["password-stdin"],
    tls !== undefined,
    joins,
  );
  const etcd = await askEtcd(terminal, { values, switches });
  const engine = etcd && engineAt(etcd);

  const addresses = await Promise.race([
    askAddresses(terminal, values, joins),
    stopped.then(() => undefined),
  ]);
  await terminal.keyboard.close();
  if (addresses === undefined) return 0;

  const { listen, leader } = addresses;
  if (
    leader !== undefined && isWildcard(listen.hostname) && listen.port === leader.port &&
    listen.hostname !== leader.hostname
  ) {
    throw new UsageError(
      `${formatAddress(listen)} is every address of this machine, and may be the leader's ` +
        `${
          formatAddress(leader)
        } too: listen on one address (--ip=${leader.hostname} on the leader)`,
    );
  }
  const monitoring = values["metrics-port"] === undefined
    ? undefined
    : { hostname: listen.hostname, port: parsePort(values["metrics-port"])! };
  if (monitoring?.port === listen.port) {
    throw new UsageError(`--metrics-port must not be the server's own port, ${listen.port}`);
  }
  const prints = new ServerConsole(terminal.out, "", consolePauseMs);
  const metrics = monitoring === undefined ? undefined : new Metrics(prints);
  const report = (line: string) => {
    if (!switches.quiet) terminal.err(`${escapeControls(line)}\n`);
  };
  let listening = listen;
  try {
    await using journal = await openDirectory(values["data-dir"], listen.port, report);
    await using server = KvServer.start({
      listen,
      ...(leader === undefined ? {} : { leader }),
      ...(engine === undefined ? {} : { engine }),
      prints: metrics ?? prints,
      ...(metrics === undefined ? {} : { watch: metrics }),
      report,
      tuning,
      limits,
      secrets,
      allowFaults: switches["allow-faults"],
      ...(tls === undefined ? {} : { tls }),
      ...(journal === undefined ? {} : { journal }),
    });
    const ready = () => server.readable;
    const read = () => metrics?.read(server.status, ready()) ?? [];
    listening = monitoring ?? listen;
    await using _http = monitoring && serveMetrics(monitoring, { metrics: read, ready });
    const where = leader === undefined
      ? `etcd at ${etcd!.url}, keys begin with ${JSON.stringify(etcd!.prefix)}`
      : `leader ${formatAddress(leader)}`;
    report(`serving on ${formatAddress(server.address)}, ${where}`);
    const open = joins
      ? secrets.server === undefined && tls === undefined
      : secrets.client === undefined;
    if (open && !isLoopback(listen.hostname)) {
      const what = joins ? "secret: anybody may join" : "password: anybody may PUT and GET";
      report(`warning: ${listen.hostname} can be reached from outside and there is no ${what}`);
    }
    const failed = await Promise.race([stopped.then(() => undefined), server.failed]);
    if (failed !== undefined) {
      terminal.err(`${escapeControls(failed.message)}\n`);
      return 1;
    }
    report("stopping");
  } catch (error) {
    if (error instanceof JournalError) {
      terminal.err(`${escapeControls(error.message)}\n`);
      return 1;
    }
    terminal.err(`${whyNotListening(error, listening)}\n`);
    return 1;
  } finally {
    prints.close();
  }
  return 0;
}

/** The journal in the data directory; `undefined` if the flag is not given. */
function openDirectory(
  flag: string | undefined,
  port: number,
  report: (line: string) => void,
): ReturnType<typeof openJournal> | undefined {
  return flag === undefined
    ? undefined
    : openJournal(flag === "auto" ? `data/${port}` : flag, report);
}

/** The certificates, so that the server can start with them. */
async function askTls(
  values: Parameters<typeof readTls>[1],
): Promise<TlsAcceptor | undefined> {
  const tls = readTls("server", values);
  if (tls === undefined) return undefined;
  const { TlsAcceptor } = await import("./lib/net/tls.ts"); // loads node:tls and node:crypto
  try {
    return new TlsAcceptor(tls);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The engine, with certificates that fit. */
function engineAt(etcd: EtcdOptions): StartEngine {
  try {
    return EtcdEngine.at(etcd);
  } catch (error) {
    throw new UsageError(`--etcd-ca, --etcd-cert and --etcd-key: ${(error as Error).message}`);
  }
}

/** What a flag says is checked before anything is asked. */
function checkAddresses(
  values: Readonly<Record<typeof addressFlags[number], string | undefined>>,
): void {
  for (const flag of addressFlags) {
    const text = values[flag];
    if (text === undefined) continue;
    const isIp = flag === "ip" || flag === "leader-ip";
    if ((isIp ? parseIp(text) : parsePort(text)) !== undefined) continue;
    throw new UsageError(isIp ? addressTexts.badIp(text) : addressTexts.badPort(text));
  }
}

/**
 * enunciado 5.a: its own IP and port, then the leader's. What a flag says is not asked. Where the
 * engine has a leader of its own, nobody is asked for one.
 */
async function askAddresses(
  terminal: Terminal,
  values: Readonly<Record<typeof addressFlags[number], string | undefined>>,
  joins: boolean,
): Promise<{ listen: Address; leader: Address | undefined }> {
  const ip = await askIp(terminal, serverTexts.ip(ipDefault), ipDefault, values.ip);
  const port = await askPort(
    terminal,
    serverTexts.port(portsDefault[0]),
    portsDefault[0],
    values.port,
  );
  const listen = { hostname: ip, port };
  if (!joins) return { listen, leader: undefined };
  const leaderIp = await askIp(
    terminal,
    serverTexts.leaderIp(ipDefault),
    ipDefault,
    values["leader-ip"],
  );
  const leaderPort = await askPort(
    terminal,
    serverTexts.leaderPort(portsDefault[0]),
    portsDefault[0],
    values["leader-port"],
  );
  return { listen, leader: { hostname: leaderIp, port: leaderPort } };
}

async function askSecrets(
  terminal: Terminal,
  secretFromInput: boolean,
  passwordFromInput: boolean,
  certificates: boolean,
  joins: boolean,
): Promise<Secrets> {
  const secret = joins
    ? await askSecret(terminal, serverTexts.secret, secretFromInput, "KV_SECRET")
    : undefined;
  const password = await askSecret(terminal, passwordText, passwordFromInput, "KV_PASSWORD");
  if (joins && password !== undefined && secret === undefined && !certificates) {
    throw new UsageError(
      "a password for clients needs a secret for servers, or TLS, too: who joins may ask",
    );
  }
  return {
    ...(secret === undefined ? {} : { server: await Secret.from(secret) }),
    ...(password === undefined ? {} : { client: await Secret.from(password) }),
  };
}

function readNumbers<Setting extends string>(
  flags: Readonly<Record<Setting, NumberFlag>>,
  values: Readonly<Record<string, string | undefined>>,
): Record<Setting, number> {
  const entries = Object.entries<NumberFlag>(flags).map(([setting, flag]) => {
    const { name, preset, min, max, unit = 1 } = flag;
    const whole = flag.unit === undefined;
    return [setting, numberFlag(name, values[name], preset / unit, { min, max, whole }) * unit];
  });
  return Object.fromEntries(entries) as Record<Setting, number>;
}

function checkTuning<T extends { clusterSize: number; minInSync: number }>(
  tuning: T,
  minInSyncGiven: boolean,
): T {
  const { clusterSize, minInSync } = tuning;
  if (minInSync <= clusterSize) return tuning;
  if (!minInSyncGiven) return { ...tuning, minInSync: clusterSize };
  throw new UsageError(`--min-in-sync=${minInSync} is more than --cluster-size=${clusterSize}`);
}

/** One sentence for an address that cannot be listened on. Any other error is thrown on. */
export function whyNotListening(error: unknown, address: Address): string {
  const where = formatAddress(address);
  if (error instanceof Deno.errors.AddrInUse) {
    return `Cannot listen on ${where}: the port is in use by another program.`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `Cannot listen on ${where}: the address is not one of this machine.`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `Cannot listen on ${where}: this user may not use that port.`;
  }
  throw error;
}

/** Resolves at the first Ctrl-C or request to terminate. */
export function untilSignal(): Promise<void> {
  // Windows has no SIGTERM to listen for.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  return new Promise((resolve) => {
    // They stay: `deno task` passes Ctrl-C on, so it comes twice. Stopping is bounded anyway.
    for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  });
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal, untilSignal())));
}
