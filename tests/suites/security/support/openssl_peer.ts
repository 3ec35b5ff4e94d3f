/**
 * OpenSSL as the other end of a connection: unlike Deno it shows any certificate, and speaks old
 * versions of TLS.
 *
 * @module
 */

import { Process } from "../../../../bench/process.ts";
import type { Address } from "../../../../lib/wire/address.ts";
import { formatAddress } from "../../../../lib/wire/address.ts";

/** Lets OpenSSL use weak keys, digests, ciphers and versions. */
const weak = ["-cipher", "ALL:COMPLEMENTOFALL@SECLEVEL=0"];

/** The options that show the leaf of a folder, with the chain in `chain.pem` if there is one. */
export function showing(folder: string): string[] {
  const chain = Deno.statSync(`${folder}/chain.pem`).size > 0 ? ["-cert_chain", "chain.pem"] : [];
  return ["-cert", "leaf.pem", "-key", "leaf.key", ...chain, ...weak];
}

/** A TLS server that shows a certificate and then says nothing. */
export class OpensslServer implements AsyncDisposable {
  readonly address: Address;
  readonly #process: Process;

  private constructor(process: Process, port: number) {
    this.#process = process;
    this.address = { hostname: "127.0.0.1", port };
  }

  /** Starts `openssl s_server` in a folder, with these options. */
  static async start(folder: string, ...options: string[]): Promise<OpensslServer> {
    const all = ["s_server", "-accept", "127.0.0.1:0", ...options];
    const process = new Process("openssl", all, { cwd: folder, keyboard: true, out: "keep" });
    try {
      await process.shows("ACCEPT ");
      await process.shows("\n", process.screen.indexOf("ACCEPT "));
    } catch (error) {
      await process.kill();
      throw error;
    }
    return new OpensslServer(process, Number(/^ACCEPT .*:(\d+)$/m.exec(process.screen)![1]));
  }

  /** What it has said about its connections. */
  get said(): string {
    return this.#process.screen + this.#process.errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
  }
}

/** Runs `openssl s_client` to a server, types a text, and returns the process. End it with `kill`. */
export async function opensslClient(
  folder: string,
  address: Address,
  options: readonly string[],
  text = "",
): Promise<Process> {
  const all = ["s_client", "-connect", formatAddress(address), ...options];
  const process = new Process("openssl", all, { cwd: folder, keyboard: true, out: "keep" });
  await process.type(text).catch(() => {}); // it may have ended
  return process;
}
