/**
 * The flags that name certificates and keys, and the files they name.
 *
 * @module
 */

import type { Tls } from "../net/dial.ts";
import { UsageError } from "./flags.ts";
import { refuseUtf16 } from "./utf8.ts";

/** The flags for TLS, of servers, client and dashboard. */
export const tlsFlags = ["tls-cert", "tls-key", "tls-ca"] as const;

/** The values of the flags for TLS. */
export type TlsValues = Readonly<Record<typeof tlsFlags[number], string | undefined>>;

/** How PEM says that a key has a password: in PKCS #8, and in the older formats. */
const encryptedKey = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/**
 * Reads the files for a client. It needs the CA, and shows a certificate only if one is given.
 *
 * @returns `undefined` if no file is named.
 * @throws {UsageError} if a flag is missing, or a file is not PEM or may not be read.
 */
export function readClientTls(values: TlsValues): Tls | undefined {
  return readTls("client", values);
}

/**
 * Reads the files for a server, which needs all three.
 *
 * @returns `undefined` if no file is named.
 * @throws {UsageError} if a flag is missing, or a file is not PEM or may not be read.
 */
export function readServerTls(values: TlsValues): Required<Tls> | undefined {
  const { "tls-ca": ca, "tls-cert": cert, "tls-key": key } = values;
  if (ca !== undefined && cert === undefined && key === undefined) {
    throw new UsageError("a server with --tls-ca needs --tls-cert and --tls-key too");
  }
  return readTls("server", values) as Required<Tls> | undefined;
}

function readTls(role: "server" | "client", values: TlsValues): Tls | undefined {
  const [cert, key, ca] = tlsFlags.map((flag) => values[flag]);
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (ca === undefined || (cert === undefined) !== (key === undefined)) {
    throw new UsageError("--tls-cert and --tls-key belong together, and both need --tls-ca");
  }
  const hint = `"deno task ${role}:tls" may read the files in tls/; for other files see --help`;
  const pem = (flag: typeof tlsFlags[number]) => readPem(flag, values[flag]!, hint);
  if (cert === undefined) return { ca: pem("tls-ca") };
  const own = { cert: pem("tls-cert"), key: pem("tls-key") };
  if (encryptedKey.test(own.key)) {
    const remedy = "Give one without, which `openssl pkey -in OLD -out NEW` writes";
    throw new UsageError(`--tls-key=${key}: the key is encrypted with a password. ${remedy}`);
  }
  return { ...own, ca: pem("tls-ca") };
}

/**
 * Reads the PEM file that a flag names. Never prompts for the permission.
 *
 * @param hint What to do if the file may not be read.
 * @throws {UsageError} if the file is missing, is not PEM, or may not be read.
 */
export function readPem(flag: string, path: string, hint: string): string {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw new UsageError(`--${flag}=${path}: no permission to read it; ${hint}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new UsageError(`--${flag}=${path}: ${reason}`);
  }
  refuseUtf16(bytes, `--${flag}=${path}`);
  const text = new TextDecoder().decode(bytes); // comments may be in any encoding
  if (!text.includes("-----BEGIN ")) throw new UsageError(`--${flag}=${path}: no PEM in that file`);
  return text;
}
