/**
 * Frames that are meant to keep a server busy, and how long each of them holds up another client.
 *
 * @module
 */

import { frameBytesMax } from "../../../lib/limits.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { Wire } from "../../support/wire_client.ts";

const MiB = 1024 * 1024;
/** The room for content, besides the first and last fields. */
const contentBytes = frameBytesMax - 400;

/** As many copies of a text as fit into a number of bytes of UTF-8. */
function fill(text: string, bytes = contentBytes): string {
  return text.repeat(Math.floor(bytes / new TextEncoder().encode(text).length));
}

/** A list of differing texts, separated by commas. */
function listOf(make: (n: string) => string): string {
  const parts: string[] = [];
  for (let bytes = 0; bytes < contentBytes - 100;) {
    const part = make(parts.length.toString(36));
    parts.push(part);
    bytes += part.length + 1;
  }
  return parts.join(",");
}

const get = `{"type":"GET","id":1,"key":"k","timestamp":0`;
const put = `{"type":"PUT","id":1,"key":"k","value":`;
const status = `"id":1,"server":"127.0.0.1:1","leader":"127.0.0.1:1","cluster":"","timestamp":1,` +
  `"keys":1,"connections":1,"uptimeMs":1,"memoryBytes":1,"faults":true,"followers":[]`;
const events = `"id":1,"server":"127.0.0.1:1","at":1,"missed":0,` +
  `"counts":{"puts":1,"putOks":1,"gets":1,"refused":1,"replications":1}`;
const members = `{"kind":"members","at":1,"joined":["[::1]:1"],"inSync":["[::1]:1"],"open":true}`;

/** The largest legal frames. What they cost is the measure for the others. */
export const legalFrames: Readonly<Record<string, () => string>> = {
  "PUT, a value of 1 MiB, plain": () => `${put}"${fill("v", MiB)}"}`,
  "PUT, a value of 1 MiB, `\\u0001` each": () => `${put}"${fill("\\u0001", 6 * MiB)}"}`,
  'PUT, a value of 1 MiB, `\\"` each': () => `${put}"${fill('\\"', 2 * MiB)}"}`,
};

/** Frames of about 8 MiB that no client needs. */
export const hostileFrames: Readonly<Record<string, () => string>> = {
  "nested lists `[[…]]`": () =>
    `{"type":"X","x":${fill("[", contentBytes / 2)}${fill("]", contentBytes / 2)}}`,
  "unclosed `[[[…`": () => `{"type":"X","x":${fill("[")}`,
  'nested objects `{"a":{"a":…`': () =>
    `${`{"a":`.repeat(contentBytes / 6)}1${"}".repeat(contentBytes / 6)}`,
  'unclosed `{"a":{"a":…`': () => fill(`{"a":`),
  "empty lists `[],[],…`": () => `{"type":"X","x":[${fill("[],")}[]]}`,
  "numbers `0,0,…`": () => `{"type":"X","x":[${fill("0,")}0]}`,
  "differing names": () => `{"type":"X",${listOf((n) => `"${n}":0`)}}`,
  "objects with differing names": () => `{"type":"X","x":[${listOf((n) => `{"${n}":0}`)}]}`,
  "the same name again and again": () => `{${fill(`"a":0,`)}"type":"X"}`,
  "`type` again and again": () => `{${fill(`"type":"X",`)}"type":"STATUS","id":1}`,
  "numbers in strings, all with one hash": () => {
    // 65,000 of them are fewer tokens than a server may send.
    const numbers = Array.from({ length: 65_000 }, (_, n) => `"${5 + n * 32_768}"`);
    return `{"type":"STATUS","id":1,"x":[${numbers.join(",")}]}`;
  },
  "differing strings": () => `{"type":"X","x":[${listOf((n) => `"${n}"`)}]}`,
  "STATUS_OK with addresses": () =>
    `{"type":"STATUS_OK",${status},"inSync":[${fill(`"[::1]:1",`)}"[::1]:1"]}`,
  "EVENTS with members": () => `{"type":"EVENTS",${events},"events":[${fill(`${members},`)}{}]}`,
  "SNAPSHOT with entries": () =>
    `{"type":"SNAPSHOT","last":true,"entries":[${fill(`["k","",1],`)}["k","",1]]}`,
  "quotes alone": () => `{"type":"X",${fill('"')}`,
  "an unknown field, plain": () => `${get},"x":"${fill("x")}"}`,
  "an unknown field, `\\\\` each": () => `${get},"x":"${fill("\\\\")}"}`,
  'an unknown field, `\\"` each': () => `${get},"x":"${fill('\\"')}"}`,
  "an unknown field, `\\u0100` each": () => `${get},"x":"${fill("\\u0100")}"}`,
  "an unknown field, 3 bytes each": () => `${get},"x":"${fill("€")}"}`,
  "an unknown field, U+FFFD each": () => `${get},"x":"${fill("\ufffd")}"}`,
  "a long name, `\\u0041` each": () => `${get},"${fill("\\u0041")}":0}`,
  "a number of 8 million digits": () => `${get},"x":${fill("9")}}`,
  "a value of lone surrogates": () => `${put}"${fill("\\ud800")}"}`,
  "a plain value that is too long": () => `${put}"${fill("v")}"}`,
  "a plain key that does not end": () => `{"type":"GET","id":1,"key":"${fill("k")}`,
  "spaces": () => `{"type":"STATUS","id":1${fill(" ")}}`,
  "`type` at the end": () => `{"x":"${fill("x")}","type":"STATUS","id":1}`,
  "ERROR with a long message": () => `{"type":"ERROR","code":"FORBIDDEN","message":"${fill("x")}"}`,
};

/** Bytes that are no UTF-8, as long as the longest frame. */
export const notUtf8: Uint8Array = new Uint8Array(frameBytesMax - 1).fill(0xff);

const probe = { type: "GET", id: 1, key: "another", timestamp: 0 };

/** Another client, which sends one GET after the other and measures how long each takes. */
export class Probe implements AsyncDisposable {
  /** The longest time that an answer took since the last reset, in milliseconds. */
  worstMs = 0;
  #wire: Wire;
  #stopped = false;
  #answered = Promise.withResolvers<void>();
  readonly #running: Promise<void>;

  private constructor(wire: Wire) {
    this.#wire = wire;
    this.#running = this.#run();
  }

  static async start(address: Address): Promise<Probe> {
    return new Probe(await Wire.connect(address));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const from = performance.now();
      await this.#wire.ask(probe);
      this.worstMs = Math.max(this.worstMs, performance.now() - from);
      this.#answered.resolve();
      this.#answered = Promise.withResolvers();
    }
  }

  /** Resolves when the GET that is under way is answered. */
  async answered(): Promise<void> {
    await this.#answered.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#wire.close();
  }
}

/** Sends bytes as one frame. Returns for how long the frame held up another client at most. */
export async function heldUpMs(address: Address, probe: Probe, bytes: Uint8Array): Promise<number> {
  using wire = await Wire.connect(address);
  probe.worstMs = 0;
  await wire.write(bytes).catch(() => {}); // the server may have refused it before its end
  await wire.write("\n").catch(() => {});
  await wire.line().catch(() => {});
  await probe.answered();
  return probe.worstMs;
}
