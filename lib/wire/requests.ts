/**
 * PUT and GET, their answers, and `ERROR`.
 *
 * @module
 */

import { jsonOf, plain, Write } from "./encoded_write.ts";
import type { ErrorCode } from "./errors.ts";
import type { Frames } from "./frames.ts";
import { longValueChars, type Value } from "./long_value.ts";
import { Mensagem } from "./message.ts";
import { Replication } from "./replication.ts";

/** Client to server, follower to leader: store `value` under `key`. */
export class Put extends Mensagem<"PUT"> {
  /** Key and value as the frame spells them, if both are plain text: they need no second encoding. */
  readonly #fields: string | undefined;

  /**
   * `client` is "ip:port" of the original client if a follower forwards the request. Only the
   * decoder passes `fields`.
   */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: Value,
    readonly client?: string,
    fields?: string,
  ) {
    super("PUT");
    this.#fields = fields;
  }

  /** The same request, as a follower forwards it. */
  forwarded(id: number, client: string): Put {
    return new Put(id, this.key, this.value, client, this.#fields);
  }

  /** The write that this request asks for, with its timestamp. */
  stamped(timestamp: number): Replication {
    const { key, value } = this;
    const fields = this.#fields;
    if (fields === undefined) return Replication.of(key, value, timestamp);
    const write = Write.ofFields(fields, key.length, timestamp);
    // The write's own copy of the key. `key` is a slice that would keep the received chunk alive.
    return new Replication(write.plainKey(), write);
  }

  /** Whether key and value are slices of the received chunk, which they keep in memory. */
  sharesChunk(): boolean {
    return this.#fields !== undefined;
  }

  /** The message as one frame, with a long value as a part of its own. */
  frame(): Frames {
    const { id, key, value, client } = this;
    if (typeof value === "string") return this.encode();
    return [
      `{"type":"PUT","id":${id},"key":${jsonOf(key)},"value":"`,
      value.inner,
      client === undefined ? '"}\n' : `","client":"${client}"}\n`,
    ];
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    const { id, client } = this;
    const fields = this.#fields ?? this.#plainFields();
    if (fields === undefined) return super.encode();
    return client === undefined
      ? `{"type":"PUT","id":${id},${fields}}\n`
      : `{"type":"PUT","id":${id},${fields},"client":"${client}"}\n`;
  }

  /** Key and value as the frame spells them; `undefined` if they are long or not plain text. */
  #plainFields(): string | undefined {
    const { key, value } = this;
    return typeof value === "string" && value.length < longValueChars && plain.test(key) &&
        plain.test(value)
      ? `"key":"${key}","value":"${value}"`
      : undefined;
  }
}

/** Server to client, leader to follower: every in-sync server holds the write. */
export class PutOk extends Mensagem<"PUT_OK"> {
  /** `timestamp` is the one that the leader gave to the write. */
  constructor(readonly id: number, readonly key: string, readonly timestamp: number) {
    super("PUT_OK");
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    const { id, key, timestamp } = this;
    return plain.test(key)
      ? `{"type":"PUT_OK","id":${id},"key":"${key}","timestamp":${timestamp}}\n`
      : super.encode();
  }
}

/** Client to server: read `key`, not older than `timestamp`. */
export class Get extends Mensagem<"GET"> {
  /**
   * `timestamp` is the last one that the client has seen for the key, 0 at first. With `atLeast`, the
   * server must have applied everything up to that timestamp.
   */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly timestamp: number,
    readonly atLeast?: number,
  ) {
    super("GET");
  }

  /** The message as one frame. Faster than JSON.stringify. */
  override encode(): string {
    const { id, key, timestamp, atLeast } = this;
    if (!plain.test(key)) return super.encode();
    const fields = `{"type":"GET","id":${id},"key":"${key}","timestamp":${timestamp}`;
    return atLeast === undefined ? `${fields}}\n` : `${fields},"atLeast":${atLeast}}\n`;
  }
}

/** Server to client: the server's value and its timestamp. */
export class GetOk extends Mensagem<"GET_OK"> {
  /**
   * If the key does not exist, `value` is `null`. `timestamp` is then that of its deletion, or the
   * floor of the server's table, which is 0 as long as no deletion is forgotten.
   */
  constructor(
    readonly id: number,
    readonly key: string,
    readonly value: string | null,
    readonly timestamp: number,
  ) {
    super("GET_OK");
  }

  /** The frame that answers a GET of `key` with an entry of a table. */
  static frame(id: number, key: string, entry: Pick<Write, "frame">): Frames {
    return entry.frame(`{"type":"GET_OK","id":${id},`, key);
  }
}

/** Server to client: this server is behind what the client has seen. */
export class TryOther extends Mensagem<"TRY_OTHER_SERVER_OR_LATER"> {
  /**
   * `timestamp` is the server's own for the key, 0 if it has no entry. In the answer to a LIST or WATCH
   * it is the one up to which the server has applied everything; `key` is left out if that has none.
   * `lost` is `true` if what the client has seen was lost with a leader, so that no server has it.
   */
  constructor(
    readonly id: number,
    readonly key: string | undefined,
    readonly timestamp: number,
    readonly lost?: true,
  ) {
    super("TRY_OTHER_SERVER_OR_LATER");
  }
}

/** Server to any peer: a request was not carried out, or its outcome is unknown. */
export class ErrorReply extends Mensagem<"ERROR"> {
  /** `id` is the request's, left out if it is not known. */
  constructor(
    readonly code: ErrorCode,
    readonly message: string,
    readonly id?: number,
  ) {
    super("ERROR");
  }
}
