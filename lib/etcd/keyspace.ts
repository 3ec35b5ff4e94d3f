/**
 * The keys of one store in etcd: the requests for them, and the entries in the answers.
 *
 * The numbers are those of the fields in etcd's `rpc.proto` and `kv.proto`.
 *
 * @module
 */

import { keyBytesMax, valueBytesMax } from "../limits.ts";
import { errorFrom, unexpected } from "./errors.ts";
import { bytes, id, int, Message, message } from "./protobuf.ts";
import {
  headerOf,
  type Page,
  type StoredEntry,
  textOf,
  type WatchEvent,
  type WatchLine,
} from "./protocol.ts";

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Of a comparison in a transaction: with the revision at which the key was created, or last written. */
const created = 1;
const written = 2;

/** What a write does to a key. */
export interface EtcdWrite {
  /** The key. */
  readonly key: string;
  /** The value, `null` to remove the key. */
  readonly value: string | null;
  /** The revision at which the key must stand, 0 if it must not exist; `undefined` for any. */
  readonly expected?: number | undefined;
  /** The lease with which the key ends. */
  readonly lease?: bigint | undefined;
}

/** The bytes as text; `undefined` if they are not UTF-8, or more than `bytesMax`. */
function clientText(bytes: Uint8Array, bytesMax: number): string | undefined {
  if (bytes.length > bytesMax) return undefined;
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * All keys of etcd that begin with a prefix. The bare prefix is not a key of the store: the store's
 * name is stored there.
 */
export class Keyspace {
  readonly #prefix: string;
  readonly #start: Uint8Array;
  readonly #end: Uint8Array;

  /** The keys that begin with `prefix`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#start = encoder.encode(prefix);
    this.#end = this.#start.slice();
    // The first key after those with the prefix. UTF-8 has no byte 255, so raising the last is safe.
    this.#end[this.#end.length - 1]! += 1;
  }

  /** A request that writes a key. */
  put({ key, value, lease = 0n }: EtcdWrite & { readonly value: string }): Uint8Array {
    const fields = [this.#key(key), bytes(2, value)];
    return lease === 0n ? message(...fields) : message(...fields, id(3, lease));
  }

  /** A request that reads a key: only from the asked member, which may be behind, if `serializable`. */
  range(key: string, serializable: boolean): Uint8Array {
    return message(this.#key(key), int(7, serializable));
  }

  /** A request for the keys after `last`, or from the first, as they were at a revision; 0 is now. */
  page(last: Uint8Array | undefined, revision: number, keysMax: number): Uint8Array {
    // The first key after another is that key and a byte 0.
    const start = last === undefined ? this.#start : message(last, new Uint8Array(1));
    return message(
      ...[bytes(1, start), bytes(2, this.#end), int(3, keysMax), int(4, revision), int(7, true)],
    );
  }

  /** A transaction: the write, or if the key does not stand at `expected`, a read of it. */
  conditional(write: EtcdWrite & { readonly expected: number }): Uint8Array {
    const { key, value, expected } = write;
    const stands = message(int(2, written), bytes(3, this.#named(key)), int(6, expected));
    const action = value === null
      ? bytes(3, this.remove(key))
      : bytes(2, this.put({ ...write, value }));
    return transaction(stands, action, bytes(1, this.range(key, false)));
  }

  /** A request that removes a key. */
  remove(key: string): Uint8Array {
    return message(this.#key(key));
  }

  /** A transaction that stores `name` as the store's name, or reads the one there. */
  claim(name: string): Uint8Array {
    const absent = message(int(2, created), bytes(3, this.#start), int(5, 0));
    return transaction(
      absent,
      bytes(2, this.put({ key: "", value: name })),
      bytes(1, this.range("", false)),
    );
  }

  /** A transaction that stores the store's name once more if it is `name`. */
  beat(name: string): Uint8Array {
    const same = message(int(2, 3), bytes(3, this.#start), bytes(7, name));
    return transaction(same, bytes(2, this.put({ key: "", value: name })));
  }

  /** A request that watches all keys from a revision on. */
  watch(from: number): Uint8Array {
    const range = [bytes(1, this.#start), bytes(2, this.#end)];
    return message(bytes(1, message(...range, int(3, from), int(4, true), int(8, true))));
  }

  /**
   * The entry that a read of a key has found; `undefined` if the key does not exist.
   *
   * @throws {EtcdError} if it is another key's.
   */
  entryOf(answer: Message, key: string): StoredEntry | undefined {
    let found: StoredEntry | undefined;
    for (const kv of answer.messages(2)) {
      const entry = this.#entry(kv);
      if (entry?.key !== key || found !== undefined) throw unexpected("the entry of another key");
      found = entry;
    }
    return found;
  }

  /** The entries in a page of `length` bytes. */
  pageOf(answer: Message): Page {
    let [keys, size] = [0, 0];
    let last: Uint8Array | undefined;
    for (const content of answer.all(2)) {
      keys++;
      size += content.length;
      last = content;
    }
    const more = answer.int(3) > 0;
    if (more && keys === 0) throw unexpected("a page without keys");
    return {
      revision: headerOf(answer).revision,
      entries: this.#entries(answer),
      keys,
      last: more ? new Message(last!).bytes(1) : undefined,
      bytes: size,
    };
  }

  /** The read in the answer to a transaction that was not carried out; `undefined` if it was. */
  refusal(answer: Message): Message | undefined {
    if (answer.int(2) > 0) return undefined;
    return answer.message(3).message(1);
  }

  /** Whether a removal, in a transaction or not, has found the key. */
  removed(answer: Message, inTransaction: boolean): boolean {
    return (inTransaction ? answer.message(3).message(3) : answer).int(2) > 0;
  }

  /** A message of a watch. */
  watchLine(line: Message): WatchLine {
    const compacted = line.int(5);
    if (compacted > 0) return { kind: "compacted", revision: compacted };
    if (line.int(4) > 0) {
      const reason = textOf(line.bytes(6)) || "the watch has ended";
      return { kind: "failed", error: errorFrom(reason) };
    }
    if (line.has(11)) {
      const events: WatchEvent[] = [];
      for (const event of line.messages(11)) {
        const entry = this.#entry(event.message(2));
        if (entry !== undefined) events.push({ ...entry, deleted: event.int(1) === 1 });
      }
      return { kind: "events", events, partial: line.int(7) > 0 };
    }
    // When a watch opens, its events may be far behind the member's revision.
    if (line.int(3) > 0) return { kind: "created" };
    return { kind: "progress", revision: headerOf(line).revision };
  }

  #named(key: string): Uint8Array {
    return encoder.encode(this.#prefix + key);
  }

  /** The field with the key, which is the first of every request. */
  #key(key: string): Uint8Array {
    return bytes(1, this.#prefix + key);
  }

  *#entries(answer: Message): Generator<StoredEntry> {
    for (const kv of answer.messages(2)) {
      const entry = this.#entry(kv);
      if (entry !== undefined) yield entry;
    }
  }

  /** `undefined` for a key that is not valid here: another program has written it. */
  #entry(kv: Message): StoredEntry | undefined {
    const key = clientText(kv.bytes(1), this.#start.length + keyBytesMax);
    if (key === undefined || !key.startsWith(this.#prefix)) return undefined;
    const revision = kv.int(3);
    if (revision === 0) throw unexpected("a key without a revision");
    const value = clientText(kv.bytes(5), valueBytesMax);
    return { key: key.slice(this.#prefix.length), value, revision };
  }
}

/** A transaction with one comparison, and what to do if it holds and if it does not. */
function transaction(comparison: Uint8Array, ...actions: readonly Uint8Array[]): Uint8Array {
  const [success, failure] = actions.map((action, index) => bytes(2 + index, action));
  return message(bytes(1, comparison), success!, ...(failure === undefined ? [] : [failure]));
}
