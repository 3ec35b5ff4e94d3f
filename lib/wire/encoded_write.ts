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

/**
 * A write: its value, its timestamp, and their JSON.
 *
 * The JSON is encoded once per write. Every REPLICATION and GET_OK that carries the write ends with
 * it. The value is stored nowhere else.
 */
export class Write {
  /**
   * `json` is what follows the first fields of a frame: `"key":…,"value":…,"timestamp":…}` and LF. Of
   * a write with a long value it is only that value. `valueStart` and `valueEnd` are the range of the
   * value in that text, without its quotes. The fields are `private`, not `#private`, so that
   * assertions can compare two writes.
   */
  private constructor(
    private json: Value,
    private stamp: number,
    private valueStart: number,
    private valueEnd: number,
  ) {}

  /** A write of any key and value. */
  static of(key: string, value: Value, timestamp: number): Write {
    const keyJson = jsonOf(key);
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

  /** The frame that begins with `head` and ends with the write, which is one of `key`. */
  frame(head: string, key: string): Frames {
    const { json } = this;
    return typeof json === "string" ? head + json : [
      `${head}"key":${jsonOf(key)},"value":"`,
      json.inner,
      `","timestamp":${this.stamp}}\n`,
    ];
  }

  /** The timestamp that the leader gave to the write. A key and a timestamp identify one value. */
  get timestamp(): number {
    return this.stamp;
  }

  /** The length of key and value in JSON, without quotes: UTF-16 units, or bytes of a long value. */
  get chars(): number {
    return this.valueEnd - keyStart - betweenChars;
  }

  /** The value, decoded if it is short. */
  get value(): Value {
    if (typeof this.json !== "string") return this.json;
    const json = this.json.slice(this.valueStart, this.valueEnd);
    return json.includes("\\") ? JSON.parse(`"${json}"`) : json;
  }

  /** The key. Valid only if the key is plain and the value short. */
  plainKey(): string {
    return (this.json as string).slice(keyStart, this.valueStart - betweenChars);
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
}

/** V8 copies a slice of fewer characters. A longer one keeps the text that it was cut from. */
const sliceCharsMin = 13;

/** The same key in memory of its own. */
export function detached(key: string): string {
  return key.length < sliceCharsMin ? key : JSON.parse(JSON.stringify(key));
}
