/**
 * The answers of etcd, checked.
 *
 * The numbers are those of the fields in etcd's `rpc.proto` and `kv.proto`.
 *
 * @module
 */

import { type EtcdError, unexpected } from "./errors.ts";
import type { Message } from "./protobuf.ts";

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
  /** The key, without the prefix. "" is the bare prefix, with the name of the store. */
  readonly key: string;
  /** The value; `undefined` if it is not text, or longer than a value may be. */
  readonly value: string | undefined;
  /** The revision of its last write. */
  readonly revision: number;
}

/** A write that a watch shows. */
export interface WatchEvent extends StoredEntry {
  /** Whether the key was removed. */
  readonly deleted: boolean;
}

/** One message of a watch. */
export type WatchLine =
  /** The watch was opened. */
  | { readonly kind: "created" }
  /** All events up to `revision` have come. */
  | { readonly kind: "progress"; readonly revision: number }
  /** Events in the order of revisions. If `partial`, the next message continues the last revision. */
  | { readonly kind: "events"; readonly events: readonly WatchEvent[]; readonly partial: boolean }
  /** The history before this revision is gone. */
  | { readonly kind: "compacted"; readonly revision: number }
  /** The watch has ended. */
  | { readonly kind: "failed"; readonly error: EtcdError };

/** Entries of a store, in the order of their keys. */
export interface Page {
  /** The revision at which it was read. */
  readonly revision: number;
  /** The entries of keys that are valid here. */
  readonly entries: Iterable<StoredEntry>;
  /** The number of keys in the page, the invalid ones included. */
  readonly keys: number;
  /** The last key, as in etcd; `undefined` if no keys follow. */
  readonly last: Uint8Array | undefined;
  /** The length of the answer. */
  readonly bytes: number;
}

function idOf(message: Message, field: number): string {
  const id = message.id(field);
  return id === 0n ? "" : id.toString(16);
}

/** The header of an answer. */
export function headerOf(answer: Message): AnswerHeader {
  const header = answer.message(1);
  const [cluster, member] = [idOf(header, 1), idOf(header, 2)];
  if (cluster === "" || member === "") throw unexpected("the header has no ids");
  return { cluster, member, revision: header.int(3) };
}

/** The answer to a request for a member's status. */
export function statusOf(answer: Message): MemberStatus {
  const errors = Array.from(answer.all(8), (one) => textOf(one).trim());
  return { ...headerOf(answer), leader: idOf(answer, 4), errors };
}

/** The URLs at which a member takes requests. None before the member has told them the others. */
export function clientUrlsOf(answer: Message, id: string): string[] {
  for (const member of answer.messages(2)) {
    if (idOf(member, 1) === id) return Array.from(member.all(4), textOf);
  }
  return [];
}

const decoder = new TextDecoder();

/** A text of etcd's own. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
