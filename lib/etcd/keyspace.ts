/**
 * The keys of one store in etcd: the requests for them, and the entries in the answers.
 *
 * @module
 */

import { keyBytesMax, valueBytesMax } from "../limits.ts";
import { errorFrom, errorOf } from "./errors.ts";
import { isRecord, type JsonRecord } from "./json.ts";
import {
  headerOf,
  integerOf,
  list,
  parse,
  record,
  revisionOf,
  type StoredEntry,
  unexpected,
  type WatchEvent,
  type WatchLine,
} from "./protocol.ts";

const encoder = new TextEncoder();

function base64(text: string): string {
  return encoder.encode(text).toBase64();
}

/**
 * Decodes base64; `undefined` if the bytes are not UTF-8, or more than `bytesMax`. The gateway
 * leaves out a field that is empty.
 *
 * @throws {EtcdError} if it is not base64.
 */
function textOf(json: unknown, bytesMax: number): string | undefined {
  if (json === undefined) return "";
  if (typeof json !== "string") throw unexpected("bytes that are not base64");
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(json);
  } catch (cause) {
    throw unexpected("bytes that are not base64", { cause });
  }
  if (bytes.length > bytesMax) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * All keys of etcd that begin with a prefix. The bare prefix is not a key of the store: the store's
 * name is stored there.
 */
export class Keyspace {
  /** The text that all keys begin with. */
  readonly prefix: string;
  readonly #prefixBytes: number;

  /** The keys that begin with `prefix`. */
  constructor(prefix: string) {
    this.prefix = prefix;
    this.#prefixBytes = encoder.encode(prefix).length;
  }

  /** The body of a request that writes a key. */
  put(key: string, value: string): string {
    return `{"key":"${base64(this.prefix + key)}","value":"${base64(value)}"}`;
  }

  /** The body of a request that reads a key. Only the asked member answers; it may be behind. */
  range(key: string): string {
    return `{"key":"${base64(this.prefix + key)}","serializable":true}`;
  }

  /** The body of a request that counts the keys, the bare prefix included. */
  count(): string {
    return JSON.stringify({ ...this.#keyRange(), serializable: true, count_only: true });
  }

  /** The body of a transaction that stores `name` as the store's name, or reads the one there. */
  claim(name: string): string {
    const key = base64(this.prefix);
    return JSON.stringify({
      compare: [{ key, target: "CREATE", create_revision: "0" }],
      success: [{ request_put: { key, value: base64(name) } }],
      failure: [{ request_range: { key } }],
    });
  }

  /** The body of a request that watches all keys from a revision on. */
  watch(from: number): string {
    const how = { start_revision: `${from}`, fragment: true, progress_notify: true };
    return JSON.stringify({ create_request: { ...this.#keyRange(), ...how } });
  }

  /**
   * The entry that a read of a key has found; `undefined` if the key does not exist.
   *
   * @throws {EtcdError} if it is another key's.
   */
  entryOf(answer: JsonRecord, key: string): StoredEntry | undefined {
    const [kv, ...more] = list(answer, "kvs");
    if (kv === undefined) return undefined;
    const entry = this.#entry(kv);
    if (entry?.key !== key || more.length > 0) throw unexpected("the entry of another key");
    return entry;
  }

  /** The number of keys in the answer to a count. */
  countOf(answer: JsonRecord): number {
    return integerOf(answer, "count");
  }

  /** The name that a claim has found; `undefined` if the claim stored its own. */
  claimed(answer: JsonRecord): string | undefined {
    if (answer.succeeded === true) return undefined;
    const [response] = list(answer, "responses");
    const range = record(isRecord(response) ? response : {}, "response_range");
    return this.entryOf(range, "")?.value;
  }

  /** A line of a watch. */
  watchLine(line: string): WatchLine {
    const json = parse(line);
    if (json.error !== undefined) return { kind: "failed", error: errorOf(200, line) };
    const result = record(json, "result");
    const compacted = revisionOf(result, "compact_revision");
    if (compacted > 0) return { kind: "compacted", revision: compacted };
    if (result.canceled === true) {
      const reason = `${result.cancel_reason ?? "the watch has ended"}`;
      return { kind: "failed", error: errorFrom(reason) };
    }
    if (result.events !== undefined) {
      const events = list(result, "events").map((one) => this.#event(one))
        .filter((event) => event !== undefined);
      return { kind: "events", events, partial: result.fragment === true };
    }
    const created = result.created === true;
    // When a watch opens, its events may be far behind the member's revision.
    return { kind: "progress", created, revision: created ? 0 : headerOf(result).revision };
  }

  #keyRange(): Record<string, string> {
    const end = encoder.encode(this.prefix);
    // The first key after those with the prefix. UTF-8 has no byte 255, so raising the last is safe.
    end[end.length - 1]! += 1;
    return { key: base64(this.prefix), range_end: end.toBase64() };
  }

  /** `undefined` for a key that is not valid here: another program has written it. */
  #entry(json: unknown): StoredEntry | undefined {
    if (!isRecord(json)) throw unexpected("a key that is not an object");
    const key = textOf(json.key, this.#prefixBytes + keyBytesMax);
    if (key === undefined || !key.startsWith(this.prefix)) return undefined;
    const revision = revisionOf(json, "mod_revision");
    if (revision === 0) throw unexpected("a key without a revision");
    return {
      key: key.slice(this.prefix.length),
      value: textOf(json.value, valueBytesMax),
      revision,
      created: json.version === "1",
    };
  }

  #event(json: unknown): WatchEvent | undefined {
    if (!isRecord(json)) throw unexpected("an event that is not an object");
    const entry = this.#entry(json.kv);
    return entry === undefined || entry.key === ""
      ? undefined
      : { ...entry, deleted: json.type === "DELETE" };
  }
}
