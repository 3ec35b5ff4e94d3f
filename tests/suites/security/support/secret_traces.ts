/**
 * Everything by which a secret could be read out of a text: itself, the keys made of it, and the
 * usual spellings of both.
 *
 * @module
 */

import { assert } from "@std/assert";
import { Secret } from "../../../../lib/auth/secret.ts";
import { ServerConsole } from "../../../../lib/cli/server_console.ts";
import { KvClient } from "../../../../lib/client/kv_client.ts";
import { KvServer } from "../../../../lib/server/kv_server.ts";
import { anyPort } from "../../../support/ports.ts";

type Call = (...args: unknown[]) => Promise<unknown>;

/** The bytes that the Web Crypto API takes and makes while both ends of a handshake use a secret. */
async function keyMaterial(secret: string): Promise<Uint8Array[]> {
  const { subtle } = crypto;
  const { importKey, deriveBits, deriveKey, exportKey } = subtle as unknown as Record<string, Call>;
  const seen: Uint8Array[] = [];
  const note = (data: unknown) => {
    if (data instanceof ArrayBuffer) seen.push(new Uint8Array(data.slice()));
    else if (ArrayBuffer.isView(data)) {
      seen.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice());
    }
  };
  const extractableAt = 3;
  // Replaced for a moment: keys that are in use cannot be exported.
  Object.assign(subtle, {
    importKey: async (...args: unknown[]) => {
      note(args[1]);
      return await importKey!.apply(subtle, args);
    },
    deriveBits: async (...args: unknown[]) => {
      const bits = await deriveBits!.apply(subtle, args);
      note(bits);
      return bits;
    },
    deriveKey: async (...args: unknown[]) => {
      const key = await deriveKey!.apply(subtle, args.with(extractableAt, true));
      note(await exportKey!.call(subtle, "raw", key));
      return key;
    },
  });
  try {
    const known = await Secret.from(secret);
    await using server = KvServer.start({
      listen: anyPort,
      prints: new ServerConsole(() => {}),
      report: () => {},
      tuning: { clusterSize: 1, minInSync: 1 },
      secrets: { client: known, server: known },
    });
    await using client = new KvClient([server.address], { password: secret });
    await client.put("cor", "azul");
  } finally {
    Object.assign(subtle, { importKey, deriveBits, deriveKey });
  }
  assert(seen.length > 0, "no key was made");
  return seen;
}

/** The texts that must not be found anywhere, in decoded text or with each byte as a character. */
export async function tracesOf(secret: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(secret);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const material = [bytes, digest, ...await keyMaterial(secret)];
  const latin1 = new TextDecoder("latin1");
  const spellings = material.flatMap((one) => [
    latin1.decode(one),
    one.toHex(),
    one.toHex().toUpperCase(),
    one.toBase64({ omitPadding: true }),
    one.toBase64({ omitPadding: true, alphabet: "base64url" }),
  ]);
  return [...new Set([secret, ...spellings])];
}

/** Checks that no trace is in a text. */
export function assertWithout(what: string, text: string, traces: readonly string[]): void {
  for (const trace of traces) {
    const at = text.indexOf(trace);
    assert(
      at < 0,
      `${what} has ${JSON.stringify(trace)}: …${text.slice(Math.max(0, at - 60), at)}`,
    );
  }
}
