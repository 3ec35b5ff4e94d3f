/**
 * etcd's JSON gateway: what is sent to it, and what its answers mean.
 *
 * @module
 */

import { errorFrom, errorOf, EtcdError, isRecord, type JsonRecord } from "./errors.ts";
import { keyBytesMax, valueBytesMax } from "../limits.ts";

/** Where an answer comes from. */
export interface EtcdHeader {
  /** etcd's cluster id, in hexadecimal as its own tools show it. */
  readonly cluster: string;
  /** The id of the member that answers. */
  readonly member: string;
  /** The newest revision that the member has applied, 0 where the answer does not say. */
  readonly revision: number;
}

/** How a member is. */
export interface EtcdStatus extends EtcdHeader {
  /** The id of the member that leads, "" where there is none. */
  readonly leader: string;
  /** What etcd complains of, such as the alarm NOSPACE. */
  readonly errors: readonly string[];
}

/** A key as etcd holds it. */
export interface EtcdEntry {
  /** Without the prefix. */
  readonly key: string;
  /** The value; `undefined` where it is no text, or longer than a value may be. */
  readonly value: string | undefined;
  /** The revision of its last write. */
  readonly revision: number;
  /** True for the write that made the key. */
  readonly created: boolean;
}

/** A write that a watch shows. */
export interface EtcdEvent extends EtcdEntry {
  /** The key was removed. Nobody does that by this project's wire. */
  readonly deleted: boolean;
}

/** What comes on a watch. */
export type EtcdWatchLine =
  /** The watch stands, or nothing happened. `revision`: every event up to it has come. */
  | { readonly kind: "progress"; readonly revision: number; readonly created: boolean }
  /** In the order of revisions. With `partial` the next line goes on with the same revision. */
  | { readonly kind: "events"; readonly events: readonly EtcdEvent[]; readonly partial: boolean }
  /** What lies before this revision is not there any more. */
  | { readonly kind: "compacted"; readonly revision: number }
  /** It has ended. */
  | { readonly kind: "failed"; readonly error: EtcdError };

function strange(what: string): EtcdError {
  return new EtcdError("strange", `not what etcd's gateway answers: ${what}`);
}

/** The fields of a field. */
function record(json: JsonRecord, name: string): JsonRecord {
  const field = json[name];
  if (!isRecord(field)) throw strange(`no "${name}"`);
  return field;
}

/** A list, empty where it is left out. */
function list(json: JsonRecord, name: string): unknown[] {
  const field = json[name] ?? [];
  if (!Array.isArray(field)) throw strange(`"${name}" is no list`);
  return field;
}

/** A 64-bit number, which the gateway writes as text and leaves out where it is 0. */
function revisionOf(json: JsonRecord, name: string): number {
  const n = Number(json[name] ?? 0);
  if (!Number.isSafeInteger(n) || n < 0) throw strange(`"${name}" is no revision`);
  return n;
}

function idOf(json: JsonRecord, name: string): string {
  const text = json[name] ?? "";
  if (typeof text !== "string" || !/^\d{0,20}$/.test(text)) throw strange(`"${name}" is no id`);
  return text === "" || text === "0" ? "" : BigInt(text).toString(16);
}

/**
 * The JSON of a successful answer.
 *
 * @throws {EtcdError} where it is none.
 */
export function parse(body: string): JsonRecord {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw new EtcdError("strange", "not what etcd's gateway answers: no JSON", { cause });
  }
  if (!isRecord(json)) throw strange("no object");
  return json;
}

/** Where an answer comes from. */
export function headerOf(answer: JsonRecord): EtcdHeader {
  const header = record(answer, "header");
  const cluster = idOf(header, "cluster_id");
  const member = idOf(header, "member_id");
  if (cluster === "" || member === "") throw strange("a header without ids");
  return { cluster, member, revision: revisionOf(header, "revision") };
}

/** The answer to a question for a member's status. */
export function statusOf(answer: JsonRecord): EtcdStatus {
  const errors = list(answer, "errors").map((one) => `${one}`.trim());
  return { ...headerOf(answer), leader: idOf(answer, "leader"), errors };
}

/** "scheme://host:port" where the member with that id takes requests; `undefined` where it says none. */
export function clientUrlOf(answer: JsonRecord, id: string): string | undefined {
  const member = list(answer, "members").find((one) => isRecord(one) && idOf(one, "ID") === id);
  const url = isRecord(member) ? list(member, "clientURLs")[0] : undefined;
  return typeof url === "string" ? url : undefined;
}

const encoder = new TextEncoder();

function base64(text: string): string {
  return encoder.encode(text).toBase64();
}

/**
 * The text in base64, `undefined` where it is no text or longer.
 *
 * @throws {EtcdError} where it is no base64.
 */
function textOf(json: unknown, bytesMax: number): string | undefined {
  if (json === undefined) return "";
  if (typeof json !== "string") throw strange("bytes that are no base64");
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.fromBase64(json);
  } catch (cause) {
    throw new EtcdError("strange", "not what etcd's gateway answers: no base64", { cause });
  }
  if (bytes.length > bytesMax) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The keys of this store among all that etcd holds: those that begin with a prefix. */
export class EtcdKeys {
  /** What all keys begin with. */
  readonly prefix: string;
  readonly #prefixBytes: number;

  /** Keys that begin so. */
  constructor(prefix: string) {
    this.prefix = prefix;
    this.#prefixBytes = encoder.encode(prefix).length;
  }

  /** The body of a PUT. */
  put(key: string, value: string): string {
    return `{"key":"${base64(this.prefix + key)}","value":"${base64(value)}"}`;
  }

  /** The body of a read on the member that is asked, whatever the others have meanwhile. */
  range(key: string): string {
    return `{"key":"${base64(this.prefix + key)}","serializable":true}`;
  }

  /** The body of a read of how many keys there are, the one of {@linkcode EtcdKeys.claim} included. */
  count(): string {
    return JSON.stringify({ ...this.#all(), serializable: true, count_only: true });
  }

  /**
   * The body of a transaction that writes `name` under the bare prefix, which is no key of the
   * store, or reads what is there.
   */
  claim(name: string): string {
    const key = base64(this.prefix);
    return JSON.stringify({
      compare: [{ key, target: "CREATE", create_revision: "0" }],
      success: [{ request_put: { key, value: base64(name) } }],
      failure: [{ request_range: { key } }],
    });
  }

  /** The body of a watch of everything from a revision on. Long answers come in several lines. */
  watch(from: number): string {
    const how = { start_revision: `${from}`, fragment: true, progress_notify: true };
    return JSON.stringify({ create_request: { ...this.#all(), ...how } });
  }

  /** What a read has found, `undefined` where the key does not exist. */
  entryOf(answer: JsonRecord): EtcdEntry | undefined {
    const [kv] = list(answer, "kvs");
    return kv === undefined ? undefined : this.#entry(kv);
  }

  /** How many keys a read has counted. */
  countOf(answer: JsonRecord): number {
    return revisionOf(answer, "count");
  }

  /** The name that stands under the bare prefix after a claim to it; `undefined` where `mine` does. */
  claimed(answer: JsonRecord): string | undefined {
    if (answer.succeeded === true) return undefined;
    const [response] = list(answer, "responses");
    const range = record(isRecord(response) ? response : {}, "response_range");
    return this.entryOf(range)?.value;
  }

  /** A line of a watch. */
  watchLine(line: string): EtcdWatchLine {
    const json = parse(line);
    if (json.error !== undefined) return { kind: "failed", error: errorOf(200, line) };
    const result = record(json, "result");
    const compacted = revisionOf(result, "compact_revision");
    if (compacted > 0) return { kind: "compacted", revision: compacted };
    if (result.canceled === true) {
      return {
        kind: "failed",
        error: errorFrom(`${result.cancel_reason ?? "the watch has ended"}`),
      };
    }
    const events = list(result, "events").map((one) => this.#event(one))
      .filter((event) => event !== undefined);
    if (result.events !== undefined) {
      return { kind: "events", events, partial: result.fragment === true };
    }
    const created = result.created === true;
    // When a watch begins the member may be far ahead of it.
    return { kind: "progress", created, revision: created ? 0 : headerOf(result).revision };
  }

  #all(): Record<string, string> {
    const end = encoder.encode(this.prefix);
    // The first text that does not begin so. UTF-8 has no byte 255, so it can always be counted up.
    end[end.length - 1]! += 1;
    return { key: base64(this.prefix), range_end: end.toBase64() };
  }

  /** `undefined` for what is no key of the store: only others can have written it. */
  #entry(json: unknown): EtcdEntry | undefined {
    if (!isRecord(json)) throw strange("a key that is no object");
    const key = textOf(json.key, this.#prefixBytes + keyBytesMax);
    if (key === undefined || !key.startsWith(this.prefix)) return undefined;
    return {
      key: key.slice(this.prefix.length),
      value: textOf(json.value, valueBytesMax),
      revision: revisionOf(json, "mod_revision"),
      created: json.version === "1",
    };
  }

  #event(json: unknown): EtcdEvent | undefined {
    if (!isRecord(json)) throw strange("an event that is no object");
    const entry = this.#entry(json.kv);
    return entry === undefined || entry.key === ""
      ? undefined
      : { ...entry, deleted: json.type === "DELETE" };
  }
}
