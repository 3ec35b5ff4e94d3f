/**
 * The messages beyond PUT and GET: conditional writes, deletions, times to live, reads from the leader,
 * lists and watches.
 *
 * A server that is older than these messages answers each of them with `ERROR` `BAD_MESSAGE`.
 *
 * @module
 */

import { jsonOf, plain, Write } from "./encoded_write.ts";
import type { Frames, Part } from "./frames.ts";
import type { Value } from "./long_value.ts";
import { Mensagem } from "./message.ts";
import { Replication } from "./replication.ts";

/** Client to server, follower to leader: write under a condition, with a time to live, or delete. */
export class WriteRequest extends Mensagem<"WRITE"> {
  /** Key and value as the frame spells them, if both are plain text: they need no second encoding. */
  readonly #fields: string | undefined;

  /**
   * `value` is `null` to delete the key. With `expected`, the write is made only if the key stands at
   * that timestamp; 0 is a key that does not exist. `ttlMs` is from `ttlMsMin` to `ttlMsMax`, and not
   * for a deletion. `client` is "ip:port" of the original client if a follower forwards the request.
   * Only the decoder passes `fields`.
   */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: Value | null,
    readonly expected?: number,
    readonly ttlMs?: number,
    readonly client?: string,
    fields?: string,
  ) {
    super("WRITE");
    this.#fields = fields;
  }

  /** The same request, as a follower forwards it. */
  forwarded(id: number, client: string): WriteRequest {
    const { key, value, expected, ttlMs } = this;
    return new WriteRequest(id, key, value, expected, ttlMs, client, this.#fields);
  }

  /** The write that this request asks for, with its timestamp. */
  stamped(timestamp: number): Replication {
    const { key, value, ttlMs } = this;
    const fields = this.#fields;
    if (fields === undefined) return Replication.of(key, value, timestamp, ttlMs);
    const write = Write.ofFields(fields, key.length, timestamp);
    // The write's own copy of the key. `key` is a slice that would keep the received chunk alive.
    const own = write.plainKey();
    return new Replication(own, ttlMs === undefined ? write : write.expiring(ttlMs));
  }

  /** Whether key and value are slices of the received chunk, which they keep in memory. */
  sharesChunk(): boolean {
    return this.#fields !== undefined;
  }

  /** The message as one frame, with a long value as a part of its own. */
  frame(): Frames {
    const { id, key, value } = this;
    if (value === null || typeof value === "string") return this.encode();
    const head = `{"type":"WRITE","id":${id},"key":${jsonOf(key)},"value":"`;
    return [head, value.inner, `"${this.#rest()}`];
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    const fields = this.#fields;
    return fields === undefined
      ? super.encode()
      : `{"type":"WRITE","id":${this.id},${fields}${this.#rest()}`;
  }

  #rest(): string {
    const { expected, ttlMs, client } = this;
    const condition = expected === undefined ? "" : `,"expected":${expected}`;
    const life = ttlMs === undefined ? "" : `,"ttlMs":${ttlMs}`;
    return `${condition}${life}${client === undefined ? "" : `,"client":"${client}"`}}\n`;
  }
}

/** Server to client, leader to follower: every in-sync server holds the write. */
export class WriteOk extends Mensagem<"WRITE_OK"> {
  /** `timestamp` is the one that the leader gave to the write, also to a deletion. */
  constructor(readonly id: number, readonly key: string, readonly timestamp: number) {
    super("WRITE_OK");
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    const { id, key, timestamp } = this;
    return plain.test(key)
      ? `{"type":"WRITE_OK","id":${id},"key":"${key}","timestamp":${timestamp}}\n`
      : super.encode();
  }
}

/** Server to client, leader to follower: the key does not stand at `expected`. Nothing was written. */
export class Conflict extends Mensagem<"CONFLICT"> {
  /** `value` and `timestamp` are those of the key, as in a GET_OK. */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: string | null,
    readonly timestamp: number,
  ) {
    super("CONFLICT");
  }

  /** The frame that answers a WRITE of `key` with an entry of a table. */
  static frame(id: number, key: string, entry: Pick<Write, "frame">): Frames {
    return entry.frame(`{"type":"CONFLICT","id":${id},`, key);
  }
}

/** Client to server, follower to leader: read `key` as of now. The answer is a GET_OK. */
export class GetLatest extends Mensagem<"GET_LATEST"> {
  /** `id` comes back in the answer. */
  constructor(readonly id: number, readonly key: string) {
    super("GET_LATEST");
  }
}

/** Client to server: the entries of one part of the keys, in the order of their bytes in UTF-8. */
export class List extends Mensagem<"LIST"> {
  /**
   * The keys begin with `prefix`, "" for all, and come after the key `after`. At most `limit` entries
   * come, 1 to `listEntriesMax`. With `atLeast`, the server must have applied everything up to that
   * timestamp.
   */
  constructor(
    readonly id: number,
    readonly prefix: string,
    readonly after?: string,
    readonly limit?: number,
    readonly atLeast?: number,
  ) {
    super("LIST");
  }
}

/** One entry of a list. */
export type ListEntry = readonly [key: string, value: string, timestamp: number];

/** Server to client: a page of entries, in the order of their keys' bytes in UTF-8. */
export class ListOk extends Mensagem<"LIST_OK"> {
  /**
   * `more` says whether the server may have more entries: ask again with the last key as `after`. The
   * server has applied everything up to `timestamp`.
   */
  constructor(
    readonly id: number,
    readonly entries: readonly ListEntry[],
    readonly more: boolean,
    readonly timestamp: number,
  ) {
    super("LIST_OK");
  }

  /** The frame with these entries, each as `Write.element` gives it. */
  static frame(id: number, elements: readonly Frames[], more: boolean, timestamp: number): Frames {
    const tail = `],"more":${more},"timestamp":${timestamp}}\n`;
    return listFrame(`{"type":"LIST_OK","id":${id},"entries":[`, elements, tail);
  }
}

/** What a WATCH is about: one key, or all keys that begin with a prefix ("" for all). */
export type WatchTarget =
  | { readonly key: string; readonly prefix?: undefined }
  | { readonly prefix: string; readonly key?: undefined };

/** Client to server: send the changes of a key or prefix, until an UNWATCH or the connection's end. */
export class Watch extends Mensagem<"WATCH"> {
  /** The key; `undefined` if the watch is about a prefix. */
  readonly key: string | undefined;
  /** The prefix; `undefined` if the watch is about a key. */
  readonly prefix: string | undefined;
  /** The watcher knows every change up to this timestamp. */
  readonly after: number;

  /**
   * `id` comes back in every CHANGES. `after` is the timestamp up to which the client knows the
   * changes; 0 asks for everything that there is.
   */
  constructor(readonly id: number, { key, prefix }: WatchTarget, after: number) {
    super("WATCH");
    this.key = key;
    this.prefix = prefix;
    this.after = after;
  }
}

/** One change: the new value of a key, or `null` if it was deleted. */
export type Change = readonly [key: string, value: string | null, timestamp: number];

/** Server to watcher, repeatedly: what has changed since the last CHANGES. */
export class Changes extends Mensagem<"CHANGES"> {
  /**
   * `id` is that of the WATCH. `changes` come in the order of their timestamps and may be empty. The
   * watcher has every change up to `timestamp`.
   *
   * The first CHANGES of a WATCH, and those after a `reset`, have `more` until all that the server has
   * applied is told. With `reset`, which only the first of them has, what the watcher knew before no
   * longer counts: keys that no change has named since then do not exist.
   */
  constructor(
    readonly id: number,
    readonly changes: readonly Change[],
    readonly timestamp: number,
    readonly reset?: true,
    readonly more?: true,
  ) {
    super("CHANGES");
  }

  /**
   * What the frames of all watches that are told the same changes have in common. Each change is as
   * `Write.element` gives it.
   */
  static body(
    elements: readonly Frames[],
    timestamp: number,
    { reset = false, more = false } = {},
  ): Frames {
    const flags = `${reset ? ',"reset":true' : ""}${more ? ',"more":true' : ""}`;
    const tail = `],"timestamp":${timestamp}${flags}}\n`;
    // A text of many pieces would be copied more slowly, once for each watch.
    const joins = elements.length > 1 && elements.every((element) => typeof element === "string");
    return joins ? elements.join(",") + tail : listFrame("", elements, tail);
  }

  /** The frame of the watch with this id. */
  static frame(id: number, body: Frames): Frames {
    const head = `{"type":"CHANGES","id":${id},"changes":[`;
    return typeof body === "string" ? head + body : [head, ...body];
  }
}

/** Client to server: end a watch. There is no answer; a CHANGES may still be on its way. */
export class Unwatch extends Mensagem<"UNWATCH"> {
  /** `id` is that of the WATCH. */
  constructor(readonly id: number) {
    super("UNWATCH");
  }
}

/** A frame with a list. */
function listFrame(head: string, elements: readonly Frames[], tail: string): Frames {
  const parts: Part[] = [];
  let text = head;
  let separator = "";
  for (const element of elements) {
    text += separator;
    separator = ",";
    for (const part of typeof element === "string" ? [element] : element) {
      if (typeof part === "string") text += part;
      else {
        parts.push(text, part);
        text = "";
      }
    }
  }
  text += tail;
  return parts.length === 0 ? text : [...parts, text];
}
