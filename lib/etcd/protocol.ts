/**
 * The answers of etcd's JSON gateway, checked.
 *
 * @module
 */

import { timestampMax } from "../limits.ts";
import { EtcdError } from "./errors.ts";
import { isRecord, type JsonRecord } from "./json.ts";

/** Which member answers, and its revision. */
export interface AnswerHeader {
  /** etcd's cluster id, in hexadecimal as its own tools show it. */
  readonly cluster: string;
  /** The id of the member that answers. */
  readonly member: string;
  /** The newest revision that the member has applied; 0 if the answer has none. */
  readonly revision: number;
}

/** The status of a member. */
export interface MemberStatus extends AnswerHeader {
  /** The id of etcd's leader, "" if there is none. */
  readonly leader: string;
  /** Alarms and other errors, such as NOSPACE. */
  readonly errors: readonly string[];
}

/** A key as etcd stores it. */
export interface StoredEntry {
  /** The key, without the prefix. */
  readonly key: string;
  /** The value; `undefined` if it is not text, or longer than a value may be. */
  readonly value: string | undefined;
  /** The revision of its last write. */
  readonly revision: number;
  /** Whether this write created the key. */
  readonly created: boolean;
}

/** A write that a watch shows. */
export interface WatchEvent extends StoredEntry {
  /** Whether the key was removed. Clients of this wire cannot do that. */
  readonly deleted: boolean;
}

/** One line of a watch. */
export type WatchLine =
  /** The watch was opened, or nothing has happened. All events up to `revision` have come. */
  | { readonly kind: "progress"; readonly revision: number; readonly created: boolean }
  /** Events in the order of revisions. If `partial`, the next line continues the last revision. */
  | { readonly kind: "events"; readonly events: readonly WatchEvent[]; readonly partial: boolean }
  /** The history before this revision is gone. */
  | { readonly kind: "compacted"; readonly revision: number }
  /** The watch has ended. */
  | { readonly kind: "failed"; readonly error: EtcdError };

/** The error for an answer that does not come from etcd's gateway. */
export function unexpected(what: string, options?: ErrorOptions): EtcdError {
  return new EtcdError("unexpected", `not an answer of etcd's gateway: ${what}`, options);
}

/**
 * The JSON of a successful answer.
 *
 * @throws {EtcdError} if it is not a JSON object.
 */
export function parse(body: string): JsonRecord {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw unexpected("it is not JSON", { cause });
  }
  if (!isRecord(json)) throw unexpected("it is not an object");
  return json;
}

/** A field that must be an object. */
export function record(json: JsonRecord, name: string): JsonRecord {
  const field = json[name];
  if (!isRecord(field)) throw unexpected(`no "${name}"`);
  return field;
}

/** A field that must be a list. The gateway leaves out empty ones. */
export function list(json: JsonRecord, name: string): unknown[] {
  const field = json[name] ?? [];
  if (!Array.isArray(field)) throw unexpected(`"${name}" is not a list`);
  return field;
}

/** A 64-bit number. The gateway writes it as text, and leaves it out if it is 0. */
export function integerOf(json: JsonRecord, name: string): number {
  const n = Number(json[name] ?? 0);
  if (!Number.isSafeInteger(n) || n < 0) {
    throw unexpected(`"${name}" is not a non-negative safe integer`);
  }
  return n;
}

/** A revision: it becomes a timestamp, so it has the same limit. */
export function revisionOf(json: JsonRecord, name: string): number {
  const revision = integerOf(json, name);
  if (revision > timestampMax) throw unexpected(`"${name}" is above ${timestampMax}`);
  return revision;
}

function idOf(json: JsonRecord, name: string): string {
  const text = json[name] ?? "";
  if (typeof text !== "string" || !/^\d{0,20}$/.test(text)) {
    throw unexpected(`"${name}" is not an id`);
  }
  return text === "" || text === "0" ? "" : BigInt(text).toString(16);
}

/** The header of an answer. */
export function headerOf(answer: JsonRecord): AnswerHeader {
  const header = record(answer, "header");
  const cluster = idOf(header, "cluster_id");
  const member = idOf(header, "member_id");
  if (cluster === "" || member === "") throw unexpected("the header has no ids");
  return { cluster, member, revision: revisionOf(header, "revision") };
}

/** The answer to a request for a member's status. */
export function statusOf(answer: JsonRecord): MemberStatus {
  const errors = list(answer, "errors").map((one) => `${one}`.trim());
  return { ...headerOf(answer), leader: idOf(answer, "leader"), errors };
}

/** The URLs at which a member takes requests. None before the member has told them the others. */
export function clientUrlsOf(answer: JsonRecord, id: string): string[] {
  const member = list(answer, "members").find((one) => isRecord(one) && idOf(one, "ID") === id);
  const urls = isRecord(member) ? list(member, "clientURLs") : [];
  return urls.filter((url) => typeof url === "string");
}
