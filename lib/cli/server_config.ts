/**
 * The configuration of a server: its flags, and what is read from the keyboard, the environment and
 * files.
 *
 * @module
 */

import { Secret, type Secrets } from "../auth/secret.ts";
import type { EtcdOptions } from "../etcd/client.ts";
import { finishMs, ipDefault, portsDefault } from "../limits.ts";
import type { Tls } from "../net/dial.ts";
import type { TlsAcceptor } from "../net/tls.ts";
import type { StartEngine } from "../replication/engine.ts";
import type { Tuning } from "../replication/tuning.ts";
import type { ServerLimits } from "../server/kv_server.ts";
import { type Address, formatAddress, isLoopback, isWildcard, parsePort } from "../wire/address.ts";
import { askEtcd } from "./etcd_flags.ts";
import { UsageError } from "./flags.ts";
import { askIp, askPort, askSecret } from "./prompts.ts";
import type { ServerFlags } from "./server_flags.ts";
import type { Terminal } from "./terminal.ts";
import { passwordText, serverTexts } from "./texts.ts";
import { readServerTls } from "./tls_flags.ts";

/** An etcd, and the engine that uses it. */
export interface Etcd extends EtcdOptions {
  /** Starts the engine. */
  readonly engine: StartEngine;
}

/** The configuration with which a server starts. */
export interface ServerConfig {
  /** Where it listens. */
  readonly listen: Address;
  /** Where the leader listens; `undefined` if etcd has the data. */
  readonly leader: Address | undefined;
  /** Where metrics are served; `undefined` if they are not. */
  readonly metrics: Address | undefined;
  /** The directory of the journal; `undefined` if there is none. */
  readonly dataDir: string | undefined;
  /** The etcd that has the data; `undefined` for the embedded engine. */
  readonly etcd: Etcd | undefined;
  /** How to replicate. */
  readonly tuning: Partial<Tuning>;
  /** What connections may cost. */
  readonly limits: Partial<ServerLimits>;
  /** The secret of servers and the password of clients, if there are any. */
  readonly secrets: Secrets;
  /** Accepts TLS; `undefined` if connections are not encrypted. */
  readonly tls: TlsAcceptor | undefined;
  /** Whether FAULT is allowed. */
  readonly allowFaults: boolean;
  /** Whether nothing is reported on standard error. */
  readonly quiet: boolean;
}

/**
 * Completes the flags: reads files, then secrets, then asks for the addresses that no flag gives.
 *
 * @throws {UsageError} if an answer or a file is wrong, or does not fit the flags.
 * @throws {EndOfInput} if the input ends before all questions are answered.
 */
export async function askServerConfig(
  flags: ServerFlags,
  terminal: Terminal,
): Promise<ServerConfig> {
  const files = readServerTls(flags.tls);
  const tls = files && await acceptorWith(files);
  const secrets = await askSecrets(terminal, flags, tls !== undefined);
  const etcd = flags.etcd && await withEngine(await askEtcd(terminal, flags.etcd));
  const { listen, leader } = await askAddresses(terminal, flags);
  if (leader !== undefined) refuseAmbiguous(listen, leader);
  const metricsPort = parsePort(flags.addresses["metrics-port"] ?? "");
  if (metricsPort === listen.port) {
    throw new UsageError(`--metrics-port must not be the server's own port, ${listen.port}`);
  }
  return {
    listen,
    leader,
    metrics: metricsPort === undefined
      ? undefined
      : { hostname: listen.hostname, port: metricsPort },
    dataDir: flags.dataDir === "auto" ? `data/${listen.port}` : flags.dataDir,
    etcd,
    tuning: flags.tuning,
    // A client that has closed its sending side still gets the answer to its last PUT.
    limits: { ...flags.limits, finishMs: flags.tuning.putTimeoutMs + finishMs },
    secrets,
    tls,
    allowFaults: flags.allowFaults,
    quiet: flags.quiet,
  };
}

async function acceptorWith(tls: Required<Tls>): Promise<TlsAcceptor> {
  const { TlsAcceptor } = await import("../net/tls.ts");
  try {
    return new TlsAcceptor(tls);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function withEngine(etcd: EtcdOptions): Promise<Etcd> {
  const { EtcdEngine } = await import("../etcd/engine.ts");
  try {
    return { ...etcd, engine: EtcdEngine.at(etcd) };
  } catch (error) {
    throw new UsageError(`--etcd-ca, --etcd-cert and --etcd-key: ${(error as Error).message}`);
  }
}

async function askSecrets(
  terminal: Terminal,
  { etcd, secretFromInput, passwordFromInput }: ServerFlags,
  certificates: boolean,
): Promise<Secrets> {
  const secret = etcd === undefined
    ? await askSecret(terminal, {
      question: secretFromInput ? serverTexts.secret : undefined,
      variable: "KV_SECRET",
    })
    : undefined;
  const password = await askSecret(terminal, {
    question: passwordFromInput ? passwordText : undefined,
    variable: "KV_PASSWORD",
  });
  if (etcd === undefined && password !== undefined && secret === undefined && !certificates) {
    throw new UsageError(
      "a password for clients also needs a secret for servers, or TLS: otherwise any client could " +
        "join as a server. Use --secret-stdin, KV_SECRET or --tls-ca",
    );
  }
  return {
    ...(secret === undefined ? {} : { server: await Secret.from(secret) }),
    ...(password === undefined ? {} : { client: await Secret.from(password) }),
  };
}

/** enunciado 5.a: asks for this server's address, then the leader's. With etcd no server leads. */
async function askAddresses(
  terminal: Terminal,
  { addresses, etcd }: ServerFlags,
): Promise<Pick<ServerConfig, "listen" | "leader">> {
  const listen = await askAddress(terminal, serverTexts.ip, serverTexts.port, {
    ip: addresses.ip,
    port: addresses.port,
  });
  if (etcd !== undefined) return { listen, leader: undefined };
  const leader = await askAddress(terminal, serverTexts.leaderIp, serverTexts.leaderPort, {
    ip: addresses["leader-ip"],
    port: addresses["leader-port"],
  });
  return { listen, leader };
}

async function askAddress(
  terminal: Terminal,
  ipQuestion: (preset: string) => string,
  portQuestion: (preset: number) => string,
  flags: { readonly ip: string | undefined; readonly port: string | undefined },
): Promise<Address> {
  const [port] = portsDefault;
  return {
    hostname: await askIp(terminal, ipQuestion(ipDefault), ipDefault, flags.ip),
    port: await askPort(terminal, portQuestion(port), port, flags.port),
  };
}

/** A server leads if its address is the leader's, so it must listen on one address. */
function refuseAmbiguous(listen: Address, leader: Address): void {
  const ambiguous = isWildcard(listen.hostname) && listen.port === leader.port &&
    listen.hostname !== leader.hostname;
  if (!ambiguous) return;
  throw new UsageError(
    `${formatAddress(listen)} is every address of this machine, and the leader's ` +
      `${formatAddress(leader)} may be one of them. Use --ip with one address ` +
      `(--ip=${leader.hostname} on the leader)`,
  );
}

/** A warning if other machines can use the server without a secret or password, else `undefined`. */
export function exposureWarning({ listen, etcd, secrets, tls }: ServerConfig): string | undefined {
  const open = etcd === undefined
    ? secrets.server === undefined && tls === undefined
    : secrets.client === undefined;
  if (!open || isLoopback(listen.hostname)) return undefined;
  const missing = etcd === undefined
    ? "secret: any program may join"
    : "password: any program may PUT and GET";
  return `warning: ${listen.hostname} can be reached from outside and there is no ${missing}`;
}
