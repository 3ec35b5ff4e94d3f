/**
 * The configuration of a server: its flags, and what is read from the keyboard, the environment and
 * files.
 *
 * @module
 */

import { Secret, secretCharsSafe, type Secrets } from "../auth/secret.ts";
import type { EtcdOptions } from "../etcd/options.ts";
import { finishMs, ipDefault, portsDefault } from "../limits.ts";
import type { Tls } from "../net/dial.ts";
import type { TlsAcceptor } from "../net/tls.ts";
import type { StartEngine } from "../replication/engine.ts";
import type { Tuning } from "../replication/tuning.ts";
import type { ServerLimits } from "../server/server_limits.ts";
import { type Address, formatAddress, isLoopback, isWildcard, parsePort } from "../wire/address.ts";
import { checkServerHost, parseAdvertised } from "./addresses.ts";
import { askEtcd } from "./etcd_flags.ts";
import { UsageError } from "./flags.ts";
import { askHost, askIp, askPort, askSecret } from "./prompts.ts";
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
  /** Where others dial it; `undefined` if that is where it listens. */
  readonly advertise: Address | undefined;
  /** Where the leader is dialled; `undefined` if etcd has the data. */
  readonly leader: Address | undefined;
  /** Where metrics are served; `undefined` if they are not. */
  readonly metrics: Address | undefined;
  /** The directory of the journal, or "auto"; `undefined` if there is none. */
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
  const guarded = flags.insecure || secrets.server !== undefined || tls !== undefined;
  const { listen, advertise, leader } = await askAddresses(terminal, flags, guarded);
  const metricsPort = parsePort(flags.addresses["metrics-port"] ?? "");
  if (metricsPort === listen.port) {
    throw new UsageError(`--metrics-port must not be the server's own port, ${listen.port}`);
  }
  return {
    listen,
    advertise,
    leader,
    metrics: metricsPort === undefined
      ? undefined
      : { hostname: listen.hostname, port: metricsPort },
    dataDir: flags.dataDir,
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
    throw new UsageError(`--engine=etcd: ${(error as Error).message}`);
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
    ...(secret === undefined ? {} : { server: Secret.from(secret) }),
    ...(password === undefined ? {} : { client: Secret.from(password) }),
  };
}

/**
 * enunciado 5.a: asks for this server's address, then the leader's. With etcd no server leads.
 *
 * @param guarded Whether the server may listen where other machines can reach it.
 */
async function askAddresses(
  terminal: Terminal,
  { addresses, advertise: advertised, etcd }: ServerFlags,
  guarded: boolean,
): Promise<Pick<ServerConfig, "listen" | "advertise" | "leader">> {
  const { ip, port, "leader-ip": leaderIp, "leader-port": leaderPort } = addresses;
  const [portDefault] = portsDefault;
  const listen = {
    hostname: await askIp(terminal, serverTexts.ip(ipDefault), ipDefault, ip),
    port: await askPort(terminal, serverTexts.port(portDefault), portDefault, port),
  };
  const advertise = advertised === undefined ? undefined : parseAdvertised(advertised, listen.port);
  if (isWildcard(listen.hostname) && advertise === undefined) {
    throw new UsageError(
      `${
        formatAddress(listen)
      } is every address of this machine. Say by which one the others know ` +
        "this server: --advertise=HOST, a host name or an IP address of this machine",
    );
  }
  if (etcd !== undefined) return { listen, advertise, leader: undefined };
  if (!guarded && !isLoopback(listen.hostname)) {
    throw new UsageError(
      `Other machines can reach ${listen.hostname}, and without a secret any program there may join ` +
        "as a server, read everything and replace it. Give all servers a secret (--secret-stdin, " +
        "KV_SECRET) or TLS (--tls-ca), or start them with --insecure if this is wanted",
    );
  }
  const leader = {
    hostname: await askHost(terminal, serverTexts.leaderIp(ipDefault), ipDefault, leaderIp),
    port: await askPort(terminal, serverTexts.leaderPort(portDefault), portDefault, leaderPort),
  };
  checkServerHost("--leader-ip", leader.hostname);
  return { listen, advertise, leader };
}

/** Warns of a secret and of a password that can be guessed. */
export function secretWarnings({ secrets: { server, client } }: ServerConfig): string[] {
  const short = [server?.short && "secret", client?.short && "password"].filter((name) => !!name);
  return short.map((name) =>
    `warning: the ${name} has fewer than ${secretCharsSafe} characters, and any program that reaches ` +
    "this server can guess it offline. Take a long random one, such as openssl rand -hex 32 makes"
  );
}

/** Warns if other machines can use the server without a secret or password, else `undefined`. */
export function exposureWarning({ listen, etcd, secrets, tls }: ServerConfig): string | undefined {
  if (isLoopback(listen.hostname) || secrets.client !== undefined) return undefined;
  const joinable = etcd === undefined && secrets.server === undefined && tls === undefined;
  const missing = joinable
    ? "secret (--insecure): any program may join, PUT and GET"
    : "password for clients: any program may PUT and GET";
  return `warning: ${listen.hostname} can be reached from outside and there is no ${missing}`;
}
