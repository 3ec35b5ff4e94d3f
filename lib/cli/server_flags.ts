/**
 * The server's command line: the table of its flags, and one function that parses and checks them.
 *
 * @module
 */

import { type Tuning, tuningDefault } from "../replication/tuning.ts";
import { type ServerLimits, serverLimitsDefault } from "../server/server_limits.ts";
import { parseHost, parseIp, parsePort } from "../wire/address.ts";
import { parseAdvertised } from "./addresses.ts";
import { type EtcdFlags, etcdFlags, etcdSwitches, parseEtcdFlags } from "./etcd_flags.ts";
import { numberFlag, parseFlags, UsageError } from "./flags.ts";
import { addressTexts } from "./texts.ts";
import { tlsFlags, type TlsValues } from "./tls_flags.ts";

/** A flag whose value is a number. */
export interface NumberFlag {
  /** Name, without the dashes. */
  readonly name: string;
  /** What the number means, for the usage text. */
  readonly help: string;
  /** Default, in the unit of the setting. */
  readonly preset: number;
  /** Smallest value of the flag. */
  readonly min: number;
  /** Largest value of the flag. */
  readonly max: number;
  /** Units of the setting in one unit of the flag. Such a flag takes fractions. */
  readonly unit?: number;
}

const bytesPerMib = 1024 * 1024;
const msPerSecond = 1_000;

/** Flags of the replication, by the setting that each changes. All servers need the same. */
export const tuningFlags = {
  clusterSize: {
    name: "cluster-size",
    help: "servers in the cluster, the leader included",
    preset: tuningDefault.clusterSize,
    min: 1,
    max: 99,
  },
  minInSync: {
    name: "min-in-sync",
    help: "servers that must be in sync before the leader takes PUTs",
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
    unit: msPerSecond,
  },
  silenceMs: {
    name: "silence-timeout",
    help: "seconds without a heartbeat after which a server counts as gone",
    preset: tuningDefault.silenceMs,
    min: 1,
    max: 3_600,
    unit: msPerSecond,
  },
  logBytesMax: {
    name: "log-size",
    help: "MiB of recent writes in memory, from which followers catch up",
    preset: tuningDefault.logBytesMax,
    min: 0,
    max: 128,
    unit: bytesPerMib,
  },
  outstandingPutsMax: {
    name: "max-outstanding-puts",
    help: "PUTs without an answer; above that, OVERLOADED",
    preset: tuningDefault.outstandingPutsMax,
    min: 1,
    max: 10_000_000,
  },
  waitingCharsMax: {
    name: "max-waiting",
    help: "MiB of PUTs that wait for absent servers; above that, OVERLOADED",
    preset: tuningDefault.waitingCharsMax,
    min: 1,
    max: 1_024,
    unit: bytesPerMib,
  },
  expiringKeysMax: {
    name: "max-expiring-keys",
    help: "keys with a time to live; above that, OVERLOADED",
    preset: tuningDefault.expiringKeysMax,
    min: 0,
    max: 10_000_000,
  },
  tombstonesMax: {
    name: "max-tombstones",
    help: "deletions that each server remembers; the same on all servers",
    preset: tuningDefault.tombstonesMax,
    min: 0,
    max: 10_000_000,
  },
  watchesMax: {
    name: "max-watches",
    help: "watches of all clients; above that, OVERLOADED",
    preset: tuningDefault.watchesMax,
    min: 0,
    max: 1_000_000,
  },
  watchesPerConnectionMax: {
    name: "max-watches-per-connection",
    help: "watches of one connection; above that, OVERLOADED",
    preset: tuningDefault.watchesPerConnectionMax,
    min: 0,
    max: 1_000_000,
  },
  unsentChangesMax: {
    name: "max-unsent-changes",
    help: "changes that wait for one watch; above that, it is ended",
    preset: tuningDefault.unsentChangesMax,
    min: 1,
    max: 10_000_000,
  },
  keyBytesMax: {
    name: "max-key",
    help: "bytes of a key in a client's PUT",
    preset: tuningDefault.keyBytesMax,
    min: 1,
    max: tuningDefault.keyBytesMax,
  },
  valueBytesMax: {
    name: "max-value",
    help: "bytes of a value in a client's PUT",
    preset: tuningDefault.valueBytesMax,
    min: 1,
    max: tuningDefault.valueBytesMax,
  },
} as const satisfies Partial<Record<keyof Tuning, NumberFlag>>;

/** Flags of the connections, by the setting that each changes. */
export const limitFlags = {
  connectionsMax: {
    name: "max-connections",
    help: "connections in total",
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
    help: "unanswered requests at which a connection is not read",
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
    help: "MiB buffered for clients; above that, those with most are cut",
    preset: serverLimitsDefault.heldBytesMax,
    min: 16,
    max: 65_536,
    unit: bytesPerMib,
  },
  unsentPauseChars: {
    name: "pause-unsent",
    help: "MiB of answers a client has not read; above that, it is not read",
    preset: serverLimitsDefault.unsentPauseChars,
    min: 0.0625,
    max: 8,
    unit: bytesPerMib,
  },
  unsentCharsMax: {
    name: "max-unsent",
    help: "MiB of unsent text of one connection; above that, it is cut off",
    preset: serverLimitsDefault.unsentCharsMax,
    min: 16,
    max: 256,
    unit: bytesPerMib,
  },
  stalledWriteMs: {
    name: "write-timeout",
    help: "seconds in which a connection must read some of what it is sent",
    preset: serverLimitsDefault.stalledWriteMs,
    min: 1,
    max: 3_600,
    unit: msPerSecond,
  },
  halfFrameMs: {
    name: "frame-timeout",
    help: "seconds in which a frame must be complete",
    preset: serverLimitsDefault.halfFrameMs,
    min: 1,
    max: 3_600,
    unit: msPerSecond,
  },
  proofMs: {
    name: "proof-timeout",
    help: "seconds in which a client must prove the password",
    preset: serverLimitsDefault.proofMs,
    min: 1,
    max: 3_600,
    unit: msPerSecond,
  },
  idleMs: {
    name: "idle-timeout",
    help: "seconds after which an idle client is disconnected; 0: never",
    preset: serverLimitsDefault.idleMs,
    min: 0,
    max: 2_592_000,
    unit: msPerSecond,
  },
  tlsHandshakeMs: {
    name: "tls-timeout",
    help: "seconds in which a TLS handshake must be complete",
    preset: serverLimitsDefault.tlsHandshakeMs,
    min: 0.1,
    max: 3_600,
    unit: msPerSecond,
  },
} as const satisfies Partial<Record<keyof ServerLimits, NumberFlag>>;

/** The flags of the addresses: this server's, the leader's, and the port of metrics. */
export const addressFlags = ["ip", "port", "leader-ip", "leader-port", "metrics-port"] as const;

/** A page of help. */
export type HelpPage = "operator" | "limits" | "version";

/** The settings of a command line. */
export interface ServerFlags {
  /** `undefined`: these are settings, and no help is asked for. */
  readonly help: undefined;
  /** The texts of the address flags, each of them valid. */
  readonly addresses: Readonly<Record<typeof addressFlags[number], string | undefined>>;
  /** How to replicate. */
  readonly tuning: Record<keyof typeof tuningFlags, number>;
  /** What connections may cost. */
  readonly limits: Record<keyof typeof limitFlags, number>;
  /** The address by which others know this server, valid; `undefined` for the one to listen on. */
  readonly advertise: string | undefined;
  /** The directory of the journal, or "auto". */
  readonly dataDir: string | undefined;
  /** The files for TLS. */
  readonly tls: TlsValues;
  /** Whether the input has the secret of servers. */
  readonly secretFromInput: boolean;
  /** Whether the input has the password of clients. */
  readonly passwordFromInput: boolean;
  /** The settings for etcd; `undefined` for the embedded engine. */
  readonly etcd: EtcdFlags | undefined;
  /** Whether a server that other machines can reach may run without a secret. */
  readonly insecure: boolean;
  /** Whether FAULT is allowed. */
  readonly allowFaults: boolean;
  /** Whether nothing is reported on standard error. */
  readonly quiet: boolean;
}

/**
 * Parses and checks the server's arguments.
 *
 * @returns The settings, or the page of help that is asked for.
 * @throws {UsageError} if a flag is unknown or wrong, or flags do not fit together.
 */
export function parseServerFlags(
  args: readonly string[],
): ServerFlags | { readonly help: HelpPage } {
  const numbers = [...Object.values(tuningFlags), ...Object.values(limitFlags)];
  const { values, switches } = parseFlags(
    args,
    [
      ...[...addressFlags, ...etcdFlags, ...tlsFlags, "advertise", "data-dir"] as const,
      ...numbers.map(({ name }) => name),
    ],
    [
      ...["secret-stdin", "password-stdin", ...etcdSwitches, "insecure", "allow-faults"] as const,
      ...["quiet", "help", "help=limits", "version"] as const,
    ],
  );
  if (switches["help=limits"]) return { help: "limits" };
  if (switches.help) return { help: "operator" };
  if (switches.version) return { help: "version" };
  checkAddresses(values);
  if (values.advertise !== undefined) parseAdvertised(values.advertise, 1);
  const tuning = fitMinInSync(
    readNumbers(tuningFlags, values),
    values["min-in-sync"] !== undefined,
  );
  const limits = readNumbers(limitFlags, values);
  if (tuning.logBytesMax * 2 > limits.unsentCharsMax) {
    throw new UsageError(
      "--max-unsent must be at least twice --log-size: a follower is sent the whole log at once",
    );
  }
  return {
    help: undefined,
    addresses: values,
    tuning,
    limits,
    advertise: values.advertise,
    dataDir: values["data-dir"],
    tls: values,
    secretFromInput: switches["secret-stdin"],
    passwordFromInput: switches["password-stdin"],
    etcd: parseEtcdFlags({ values, switches }),
    insecure: switches.insecure,
    allowFaults: switches["allow-faults"],
    quiet: switches.quiet,
  };
}

function checkAddresses(values: ServerFlags["addresses"]): void {
  const check = (
    flag: typeof addressFlags[number],
    parse: (text: string) => unknown,
    complaint: (text: string) => string,
  ) => {
    const text = values[flag];
    if (text !== undefined && parse(text) === undefined) throw new UsageError(complaint(text));
  };
  check("ip", parseIp, addressTexts.badOwnIp);
  check("leader-ip", parseHost, addressTexts.badIp);
  for (const flag of ["port", "leader-port", "metrics-port"] as const) {
    check(flag, parsePort, addressTexts.badPort);
  }
}

/** Lowers the default of --min-in-sync to the cluster size. A flag above that size is an error. */
function fitMinInSync(tuning: ServerFlags["tuning"], given: boolean): ServerFlags["tuning"] {
  const { clusterSize, minInSync } = tuning;
  if (minInSync <= clusterSize) return tuning;
  if (!given) return { ...tuning, minInSync: clusterSize };
  throw new UsageError(`--min-in-sync=${minInSync} is more than --cluster-size=${clusterSize}`);
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
