/**
 * A write, stored as the text that REPLICATION and GET_OK carry.
 *
 * @module
 */

/** Matches plain text: its JSON is the text itself in quotes. Most keys and values are plain. */
export const plain = /^[ !#-[\]-~]*$/;

/** Where the key begins in the text of a write. */
const keyStart = '"key":"'.length;
/** The length of the text between key and value. */
const betweenChars = '","value":"'.length;

/**
 * A write: its value, its timestamp, and their JSON.
 *
 * The JSON is encoded once per write. Every REPLICATION and GET_OK that carries the write ends with
 * it. The value is stored nowhere else.
 */
export class Write {
  /**
   * `valueStart` and `valueEnd` are the range of the value in `json`, without its quotes. The
   * fields are `private`, not `#private`, so that assertions can compare two writes.
   */
  private constructor(
    private json: string,
    private stamp: number,
    private valueStart: number,
    private valueEnd: number,
  ) {}

  /** A write of any key and value. */
  static of(key: string, value: string, timestamp: number): Write {
    const keyJson = plain.test(key) ? `"${key}"` : JSON.stringify(key);
    const valueJson = plain.test(value) ? `"${value}"` : JSON.stringify(value);
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

  /** A write from its whole text, see {@linkcode Write.text}. The lengths exclude the quotes. */
  static ofText(text: string, keyLength: number, valueLength: number, timestamp: number): Write {
    const valueStart = keyStart + keyLength + betweenChars;
    return new Write(text, timestamp, valueStart, valueStart + valueLength);
  }

  /** The text that ends a frame: `"key":…,"value":…,"timestamp":…}` and LF. */
  get text(): string {
    return this.json;
  }

  /** The timestamp that the leader gave to the write. A key and a timestamp identify one value. */
  get timestamp(): number {
    return this.stamp;
  }

  /** The length of key and value in JSON, without quotes, in UTF-16 units. */
  get chars(): number {
    return this.valueEnd - keyStart - betweenChars;
  }

  /** The value, decoded. */
  get value(): string {
    const json = this.json.slice(this.valueStart, this.valueEnd);
    return json.includes("\\") ? JSON.parse(`"${json}"`) : json;
  }

  /** The key. Valid only if the key is plain. */
  get plainKey(): string {
    return this.json.slice(keyStart, this.valueStart - betweenChars);
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
