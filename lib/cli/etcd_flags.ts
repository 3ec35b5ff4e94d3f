/**
 * The flags of a server whose data is in etcd.
 *
 * @module
 */

import type { EtcdOptions } from "../etcd/options.ts";
import { etcdPrefixBytesMax } from "../limits.ts";
import { UsageError } from "./flags.ts";
import { askSecret } from "./prompts.ts";
import type { Terminal } from "./terminal.ts";
import { serverTexts } from "./texts.ts";
import { readPem } from "./tls_flags.ts";

/** The etcd member to ask, without `--etcd`. */
export const etcdUrlDefault = "http://127.0.0.1:2379";

/** The prefix of this store's keys in etcd, without `--etcd-prefix`. */
export const etcdPrefixDefault = "kv/";

/** The flags with a value. `engine` decides whether the others may be given. */
export const etcdFlags = [
  "engine",
  "etcd",
  "etcd-prefix",
  "etcd-user",
  "etcd-ca",
  "etcd-cert",
  "etcd-key",
] as const;

/** The flags without a value. */
export const etcdSwitches = ["etcd-password-stdin"] as const;

/** The flags that only the embedded engine takes. */
const embeddedOnly = [
  "data-dir",
  "leader-ip",
  "leader-port",
  "cluster-size",
  "min-in-sync",
  "log-size",
  "secret-stdin",
  "insecure",
  "allow-faults",
];

/** All flags of a server, as parsed. */
export interface GivenFlags {
  /** The texts of the flags, by name. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Whether each switch is given, by name. */
  readonly switches: Readonly<Record<string, boolean>>;
}

/** The settings for etcd, before files and passwords are read. */
export interface EtcdFlags {
  /** The address of the member, as `http://host:port` or `https://host:port`. */
  readonly url: string;
  /** The prefix of the keys. */
  readonly prefix: string;
  /** The user; `undefined` if the environment may name one. */
  readonly user: string | undefined;
  /** Whether the input has the password. */
  readonly passwordFromInput: boolean;
  /** The paths of the CA, this server's certificate and its key. */
  readonly tlsPaths: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
}

/**
 * Checks the flags of the engine.
 *
 * @returns `undefined` if the engine is the embedded one.
 * @throws {UsageError} if a flag is wrong, or does not belong to the engine.
 */
export function parseEtcdFlags({ values, switches }: GivenFlags): EtcdFlags | undefined {
  const { engine = "embedded" } = values;
  const given = (name: string) => values[name] !== undefined || switches[name] === true;
  if (engine === "embedded") {
    const stray = [...etcdFlags, ...etcdSwitches].find((name) => name !== "engine" && given(name));
    if (stray === undefined) return undefined;
    throw new UsageError(`--${stray} means nothing without --engine=etcd`);
  }
  if (engine !== "etcd") {
    throw new UsageError(`--engine must be embedded or etcd, not ${JSON.stringify(engine)}`);
  }
  const stray = embeddedOnly.find(given);
  if (stray !== undefined) {
    throw new UsageError(
      `--${stray} means nothing with --engine=etcd: it belongs to the embedded engine`,
    );
  }
  const url = parseUrl(values.etcd ?? etcdUrlDefault);
  const { "etcd-ca": ca, "etcd-cert": cert, "etcd-key": key } = values;
  const tlsFlag = ["etcd-ca", "etcd-cert", "etcd-key"].find(given);
  if (tlsFlag !== undefined && !url.startsWith("https:")) {
    throw new UsageError(`--${tlsFlag} means nothing unless --etcd begins with https:`);
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--etcd-cert and --etcd-key belong together");
  }
  return {
    url,
    prefix: parsePrefix(values["etcd-prefix"] ?? etcdPrefixDefault),
    user: values["etcd-user"],
    passwordFromInput: given("etcd-password-stdin"),
    tlsPaths: { ca, cert, key },
  };
}

/** The origin of a URL. The error repeats no part that may be a password. */
function parseUrl(text: string): string {
  const must = "--etcd must be http://host:port or https://host:port";
  if (/@|%40/i.test(text)) {
    throw new UsageError(
      `${must}, without a user and a password: messages would show them. Use --etcd-user and ` +
        "--etcd-password-stdin, or KV_ETCD_USER and KV_ETCD_PASSWORD",
    );
  }
  const [, start = "", rest = ""] = /^((?:\w+:\/\/)?[^/?#]*)(.*)$/s.exec(text)!;
  if (!/^\/?$/.test(rest)) {
    const what = "without a path, a query or a fragment";
    throw new UsageError(`${must}, ${what} after ${JSON.stringify(start)}`);
  }
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.origin;
  throw new UsageError(`${must}. The given text is not repeated, because it may hold a password`);
}

function parsePrefix(text: string): string {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= etcdPrefixBytesMax) return text;
  throw new UsageError(
    `--etcd-prefix must be at most ${etcdPrefixBytesMax} bytes long, not ${bytes}`,
  );
}

/**
 * Reads the files and the login that the settings name.
 *
 * @throws {UsageError} if a file cannot be read, or the login is not complete.
 */
export async function askEtcd(terminal: Terminal, flags: EtcdFlags): Promise<EtcdOptions> {
  const { url, prefix, tlsPaths } = flags;
  const pem = (flag: string, path: string | undefined) =>
    path === undefined ? undefined : readPem(flag, path, "see --help for how to allow it");
  const ca = pem("etcd-ca", tlsPaths.ca);
  const cert = pem("etcd-cert", tlsPaths.cert);
  const key = pem("etcd-key", tlsPaths.key);
  return { url, prefix, login: await askLogin(terminal, flags), tls: { ca, cert, key } };
}

async function askLogin(
  terminal: Terminal,
  flags: EtcdFlags,
): Promise<EtcdOptions["login"]> {
  const user = flags.user ??
    await askSecret(terminal, { question: undefined, variable: "KV_ETCD_USER" });
  const password = await askSecret(terminal, {
    question: flags.passwordFromInput ? serverTexts.etcdPassword : undefined,
    variable: "KV_ETCD_PASSWORD",
  });
  if (user === undefined && password === undefined) return undefined;
  if (user === undefined || password === undefined) {
    throw new UsageError(
      "etcd wants a user and a password: --etcd-user and --etcd-password-stdin, or KV_ETCD_USER " +
        "and KV_ETCD_PASSWORD in the environment of a server that may read them",
    );
  }
  return { user, password };
}
