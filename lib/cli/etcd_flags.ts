/**
 * The flags of a server that stands on etcd.
 *
 * @module
 */

import { serverTexts } from "./console.ts";
import type { EtcdOptions } from "../etcd/client.ts";
import { askSecret, readPem, type Terminal, UsageError } from "./terminal.ts";

/** Where etcd is looked for where nothing else is said. */
export const etcdUrlDefault = "http://127.0.0.1:2379";

/** What the keys of this store begin with in etcd where nothing else is said. */
export const etcdPrefixDefault = "kv/";

/** The longest such prefix, in bytes of UTF-8. */
export const etcdPrefixBytesMax = 256;

/** Their names. `engine` decides whether the others may be given. */
export const etcdFlags = [
  "engine",
  "etcd",
  "etcd-prefix",
  "etcd-user",
  "etcd-ca",
  "etcd-cert",
  "etcd-key",
] as const;

/** The switches among them. */
export const etcdSwitches = ["etcd-password-stdin"] as const;

/** What `--help` says of them. */
export const etcdUsage =
  `  --engine=ENGINE             embedded, or etcd: the data is in etcd, which has a leader of its own
                              and changes it by itself (embedded)
  --etcd=URL                  the etcd member to ask (${etcdUrlDefault})
  --etcd-prefix=TEXT          what the keys begin with in etcd; all servers need the same one (${etcdPrefixDefault})
  --etcd-user=NAME            who to be at etcd; or the environment variable KV_ETCD_USER
  --etcd-password-stdin       its password: the next line of the input; or KV_ETCD_PASSWORD
  --etcd-ca=FILE              the CA that has signed etcd's certificate, in PEM
  --etcd-cert=FILE            this server's certificate for etcd, in PEM
  --etcd-key=FILE             its private key
`;

/** What means nothing where the data is in etcd. */
const embeddedOnly = [
  "data-dir",
  "leader-ip",
  "leader-port",
  "cluster-size",
  "min-in-sync",
  "log-size",
  "secret-stdin",
  "allow-faults",
];

/** What a role has read of its arguments. */
export interface GivenFlags {
  /** Of all flags, by name. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Of all switches, by name. */
  readonly switches: Readonly<Record<string, boolean>>;
}

/**
 * Which etcd, and as whom; `undefined` where the engine is the embedded one. The password is asked
 * for where the flags say so.
 *
 * @throws {UsageError} where flags are wrong or do not belong together.
 */
export async function askEtcd(
  terminal: Terminal,
  { values, switches }: GivenFlags,
): Promise<EtcdOptions | undefined> {
  const { engine = "embedded" } = values;
  const given = (name: string) => values[name] !== undefined || switches[name] === true;
  if (engine === "embedded") {
    const lost = [...etcdFlags, ...etcdSwitches].find((name) => name !== "engine" && given(name));
    if (lost === undefined) return undefined;
    throw new UsageError(`--${lost} means nothing without --engine=etcd`);
  }
  if (engine !== "etcd") {
    throw new UsageError(`--engine must be embedded or etcd, not ${JSON.stringify(engine)}`);
  }
  const lost = embeddedOnly.find(given);
  if (lost !== undefined) {
    throw new UsageError(`--${lost} means nothing with --engine=etcd: etcd sees to it`);
  }
  const url = urlOf(values.etcd ?? etcdUrlDefault);
  const tls = tlsOf(url, values);
  const login = await askLogin(terminal, values["etcd-user"], given("etcd-password-stdin"));
  return { url, prefix: prefixOf(values["etcd-prefix"] ?? etcdPrefixDefault), login, tls };
}

function urlOf(text: string): string {
  const url = URL.parse(text);
  const whole = url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/" &&
    url.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (!whole) {
    throw new UsageError(`--etcd must be http://host:port or https://host:port, not "${text}"`);
  }
  return url.origin;
}

function prefixOf(text: string): string {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > etcdPrefixBytesMax) {
    throw new UsageError(`--etcd-prefix must be at most ${etcdPrefixBytesMax} bytes long`);
  }
  return text;
}

function tlsOf(url: string, values: GivenFlags["values"]): EtcdOptions["tls"] {
  const names = ["etcd-ca", "etcd-cert", "etcd-key"] as const;
  const given = names.find((name) => values[name] !== undefined);
  if (given === undefined) return undefined;
  if (!url.startsWith("https:")) {
    throw new UsageError(`--${given} means nothing where --etcd does not begin with https:`);
  }
  if ((values["etcd-cert"] === undefined) !== (values["etcd-key"] === undefined)) {
    throw new UsageError("--etcd-cert and --etcd-key belong together");
  }
  const hint = "--help says how to allow it";
  const [ca, cert, key] = names.map((name) =>
    values[name] === undefined ? undefined : readPem(name, values[name], hint)
  );
  return { ca, cert, key };
}

async function askLogin(
  terminal: Terminal,
  flag: string | undefined,
  fromInput: boolean,
): Promise<EtcdOptions["login"]> {
  const user = flag ?? await askSecret(terminal, "", false, "KV_ETCD_USER");
  const password = await askSecret(
    terminal,
    serverTexts.etcdPassword,
    fromInput,
    "KV_ETCD_PASSWORD",
  );
  if (user === undefined && password === undefined) return undefined;
  if (user === undefined || password === undefined) {
    throw new UsageError(
      "etcd wants a user and a password: --etcd-user and --etcd-password-stdin, or KV_ETCD_USER " +
        "and KV_ETCD_PASSWORD in the environment of a server that may read them",
    );
  }
  return { user, password };
}
