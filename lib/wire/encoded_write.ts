/**
 * A write, stored as the end of the frames that carry it.
 *
 * @module
 */

import type { Frames } from "./frames.ts";
import { LongValue, longValueChars, type Value } from "./long_value.ts";

/** Matches plain text: its JSON is the text itself in quotes. Most keys and values are plain. */
export const plain = /^[ !#-[\]-~]*$/;

/** Where the key begins in the text of a write. */
const keyStart = '"key":"'.length;
/** The length of the text between key and value. */
const betweenChars = '","value":"'.length;

/** The JSON of a key or a short value. */
export function jsonOf(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** The JSON of a write with a time to live. Such writes are rare, so only they have this object. */
class Expiring {
  constructor(readonly json: Value, readonly ttlMs: number) {}
}

/**
 * A write: its value, its timestamp, and their JSON.
 *
 * The JSON is encoded once per write. Every REPLICATION and GET_OK that carries the write ends with
 * it. The value is stored nowhere else. The value of a deletion is `null`; no JSON is kept of it.
 */
export class Write {
  /**
   * `json` is what follows the first fields of a frame: `"key":…,"value":…,"timestamp":…}` and LF. Of
   * a write with a long value it is only that value, of a deletion `null`. `valueStart` and `valueEnd`
   * are the range of the value in that text, without its quotes. The fields are `private`, not `#private`, so that
   * assertions can compare two writes.
   */
  private constructor(
    private json: Value | Expiring | null,
    private stamp: number,
    private valueStart: number,
    private valueEnd: number,
  ) {}

  /**
   * A write of any key and value. A `null` deletes the key. With `ttlMs`, the key expires that
   * number of milliseconds after the write.
   */
  static of(key: string, value: Value | null, timestamp: number, ttlMs?: number): Write {
    if (ttlMs !== undefined) return Write.of(key, value, timestamp).expiring(ttlMs);
    const keyJson = jsonOf(key);
    if (value === null) {
      const valueStart = keyStart + keyJson.length - 2 + betweenChars;
      return new Write(null, timestamp, valueStart, valueStart);
    }
    if (typeof value !== "string" || value.length >= longValueChars) {
      const long = typeof value === "string" ? LongValue.of(value) : value;
      const valueStart = keyStart + keyJson.length - 2 + betweenChars;
      return new Write(long, timestamp, valueStart, valueStart + long.length);
    }
    const valueJson = jsonOf(value);
    // `join` makes a flat string. A template would make a rope, which takes twice the memory.
    const text = ['"key":', keyJson, ',"value":', valueJson, ',"timestamp":', timestamp, "}\n"]
      .join("");
    return Write.ofText(text, keyJson.length - 2, valueJson.length - 2, timestamp);
  }

  /** A write from its JSON fields, `"key":"…","value":"…"`. `keyLength` excludes the quotes. */
  static ofFields(fields: string, keyLength: number, timestamp: number): Write {
    const text = `${fields},"timestamp":${timestamp}}\n`;
    const valueStart = keyStart + keyLength + betweenChars;
    return new Write(text, timestamp, valueStart, fields.length - 1);
  }

  /** A write from the whole end of its frame. The lengths exclude the quotes. */
  static ofText(text: string, keyLength: number, valueLength: number, timestamp: number): Write {
    const valueStart = keyStart + keyLength + betweenChars;
    return new Write(text, timestamp, valueStart, valueStart + valueLength);
  }

  /**
   * The frame that begins with `head` and ends with the write, which is one of `key`. It does not say
   * the time to live.
   */
  frame(head: string, key: string): Frames {
    const { json } = this;
    if (typeof json === "string") return head + json;
    const value = this.valueJson;
    if (typeof value === "string") return head + value;
    const start = `${head}"key":${jsonOf(key)},"value":`;
    return value === null
      ? `${start}null,"timestamp":${this.stamp}}\n`
      : [`${start}"`, value.inner, `","timestamp":${this.stamp}}\n`];
  }

  /** The REPLICATION of the write, which is one of `key`. */
  replication(key: string): Frames {
    const { json } = this;
    if (typeof json === "string") return '{"type":"REPLICATION",' + json;
    const { ttlMs } = this;
    const ttl = ttlMs === undefined ? "" : `"ttlMs":${ttlMs},`;
    return this.frame(`{"type":"REPLICATION",${ttl}`, key);
  }

  /** The write, which is one of `key`, as an element of a LIST_OK or CHANGES. */
  element(key: string): Frames {
    const json = this.valueJson;
    if (typeof json === "string") {
      const keyJson = json.slice(keyStart - 1, this.valueStart - betweenChars + 1);
      return `[${keyJson},${json.slice(this.valueStart - 1, this.valueEnd + 1)},${this.stamp}]`;
    }
    const start = `[${jsonOf(key)},`;
    return json === null
      ? `${start}null,${this.stamp}]`
      : [`${start}"`, json.inner, `",${this.stamp}]`];
  }

  /** The timestamp that the leader gave to the write. A key and a timestamp identify one value. */
  get timestamp(): number {
    return this.stamp;
  }

  /** The length of key and value in JSON, without quotes: UTF-16 units, or bytes of a long value. */
  get chars(): number {
    return this.valueEnd - keyStart - betweenChars;
  }

  /** The value, decoded if it is short; `null` if the write deletes its key. */
  get value(): Value | null {
    const text = this.valueJson;
    if (typeof text !== "string") return text;
    const json = text.slice(this.valueStart, this.valueEnd);
    return json.includes("\\") ? JSON.parse(`"${json}"`) : json;
  }

  /** Whether the write deletes its key. Faster than to look at the value. */
  get deletes(): boolean {
    return this.json === null;
  }

  /** How long the key lives after this write, in milliseconds; `undefined` if it does not expire. */
  get ttlMs(): number | undefined {
    const { json } = this;
    return typeof json !== "string" && json instanceof Expiring ? json.ttlMs : undefined;
  }

  /** The same write with a time to live. A deletion has none. */
  expiring(ttlMs: number): Write {
    const json = this.valueJson;
    const expiring = json === null ? null : new Expiring(json, ttlMs);
    return new Write(expiring, this.stamp, this.valueStart, this.valueEnd);
  }

  /** The key. Valid only if the key is plain and the value short, and not for a deletion. */
  plainKey(): string {
    return (this.valueJson as string).slice(keyStart, this.valueStart - betweenChars);
  }

  /** A second object for the same write. */
  copy(): Write {
    return new Write(this.json, this.stamp, this.valueStart, this.valueEnd);
  }

  /** Replaces the contents of this object with another write. */
  become(write: Write): void {
    this.json = write.json;
    this.stamp = write.stamp;
    this.valueStart = write.valueStart;
    this.valueEnd = write.valueEnd;
  }

  /** The JSON without a time to live. */
  private get valueJson(): Value | null {
    const { json } = this;
    return typeof json !== "string" && json instanceof Expiring ? json.json : json;
  }
}

/** V8 copies a slice of fewer characters. A longer one keeps the text that it was cut from. */
const sliceCharsMin = 13;

/** The same key in memory of its own. */
export function detached(key: string): string {
  return key.length < sliceCharsMin ? key : JSON.parse(JSON.stringify(key));
}
