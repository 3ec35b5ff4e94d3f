/**
 * Certificates of every kind, made by OpenSSL while the tests run.
 *
 * @module
 */

import { Scratch } from "../../../support/scratch.ts";

/** Runs OpenSSL in a folder. @throws {Error} with what it says, if it fails. */
async function openssl(cwd: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd }).output();
  if (!success) {
    throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Whether this machine has OpenSSL. */
export async function hasOpenssl(): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args: ["version"] }).output()).success;
  } catch {
    return false;
  }
}

/** How a certificate is made. Every field has the value of a good server's certificate. */
export interface CertificateOptions {
  /** The name of the certificate that signs it; its own name: it signs itself. */
  readonly issuer?: string;
  /** The extensions, each as in a configuration file of OpenSSL; `undefined`: X.509 version 1. */
  readonly extensions?: readonly string[] | undefined;
  /** The subject's CN. */
  readonly commonName?: string;
  /** The key as `openssl genpkey` makes it. */
  readonly key?: readonly string[];
  /** The digest of the signature. */
  readonly digest?: string;
  /** Not valid before, as "YYYYMMDDHHMMSSZ". */
  readonly from?: string;
  /** Not valid after. */
  readonly to?: string;
}

/** The extensions of a CA. */
export const caExtensions = [
  "basicConstraints=critical,CA:TRUE",
  "keyUsage=critical,keyCertSign,cRLSign",
];

/** The extensions of a server at 127.0.0.1. */
export const serverExtensions = [
  "basicConstraints=critical,CA:FALSE",
  "extendedKeyUsage=serverAuth,clientAuth",
  "subjectAltName=IP:127.0.0.1",
];

const ecKey = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/** An RSA key of this length. */
export function rsaKey(bits: number): readonly string[] {
  return ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
}

/** A folder of certificates: NAME.pem with its key in NAME.key. It has a CA named "ca". */
export class Certificates implements Disposable {
  readonly #scratch = new Scratch();

  private constructor() {}

  /** Makes the folder and its CA. */
  static async make(): Promise<Certificates> {
    const certificates = new Certificates();
    await certificates.sign("ca", { issuer: "ca", extensions: caExtensions });
    return certificates;
  }

  /** Where the files are. */
  get folder(): string {
    return this.#scratch.path;
  }

  /** The text of a file. */
  read(name: string): string {
    return Deno.readTextFileSync(`${this.folder}/${name}`);
  }

  /** Writes a file, such as a chain of certificates. */
  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text);
  }

  /** Makes NAME.key and NAME.pem. */
  async sign(name: string, options: CertificateOptions = {}): Promise<void> {
    const { issuer = "ca", commonName = name, key = ecKey, digest = "sha256" } = options;
    const extensions = "extensions" in options ? options.extensions : serverExtensions;
    const run = (...args: string[]) => openssl(this.folder, ...args);
    await run("genpkey", ...key, "-out", `${name}.key`);
    await run("req", "-new", "-key", `${name}.key`, "-subj", `/CN=${commonName}`, "-out", "csr");
    if (extensions === undefined) {
      const signer = issuer === name
        ? ["-signkey", `${name}.key`]
        : ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-set_serial", "7"];
      await run(
        ...["x509", "-req", "-in", "csr", ...signer, "-days", "2", "-out", `${name}.pem`],
      );
      return;
    }
    this.write("index", "");
    const config = "[ca]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\npolicy=policy\n" +
      `[policy]\ncommonName=supplied\n[extensions]\n${extensions.join("\n")}\n`;
    this.write("config", config);
    const signer = issuer === name
      ? ["-selfsign", "-keyfile", `${name}.key`]
      : ["-cert", `${issuer}.pem`, "-keyfile", `${issuer}.key`];
    await run(
      ...["ca", "-batch", "-notext", "-config", "config", "-name", "ca", "-in", "csr"],
      ...["-out", `${name}.pem`, "-extensions", "extensions", "-md", digest],
      ...["-startdate", options.from ?? "20200101000000Z"],
      ...["-enddate", options.to ?? "21200101000000Z", ...signer],
    );
  }

  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}
