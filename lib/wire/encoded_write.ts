/**
 * A write as servers keep it and pass it on.
 *
 * @module
 */

/** Text that is its own JSON, between quotes: most keys and values. */
export const plain = /^[ !#-[\]-~]*$/;

const keyAt = '"key":"'.length;
const fromKeyToValue = '","value":"'.length;

/**
 * What was put under a key, when, and the text that says so.
 *
 * The text is made once for each write, by whoever sees it first. It ends every REPLICATION and every
 * GET_OK that carries the write, and the value is kept nowhere else.
 */
export class Write {
  /**
   * The private constructor takes the text, the timestamp, and where the text has the value, without
   * its quotes. No field is a `#private` one, so that two writes can be compared.
   */
  private constructor(
    private json: string,
    private at: number,
    private from: number,
    private to: number,
  ) {}

  /** Any key and value. */
  static of(key: string, value: string, timestamp: number): Write {
    const keyJson = plain.test(key) ? `"${key}"` : JSON.stringify(key);
    const valueJson = plain.test(value) ? `"${value}"` : JSON.stringify(value);
    // Joined it is one piece. A template would be a tree of its parts, which takes twice the memory.
    const text = ['"key":', keyJson, ',"value":', valueJson, ',"timestamp":', timestamp, "}\n"]
      .join("");
    return Write.ofText(text, keyJson.length - 2, valueJson.length - 2, timestamp);
  }

  /**
   * The fields in JSON, `"key":"…","value":"…"`, of which the key has so many characters between its
   * quotes.
   */
  static ofFields(fields: string, keyLength: number, timestamp: number): Write {
    const text = `${fields},"timestamp":${timestamp}}\n`;
    const from = keyAt + keyLength + fromKeyToValue;
    return new Write(text, timestamp, from, fields.length - 1);
  }

  /** The same fields with the timestamp after them and all that follows: the whole text. */
  static ofText(text: string, keyLength: number, valueLength: number, timestamp: number): Write {
    const from = keyAt + keyLength + fromKeyToValue;
    return new Write(text, timestamp, from, from + valueLength);
  }

  /** `"key":…,"value":…,"timestamp":…}` in JSON, and LF. */
  get text(): string {
    return this.json;
  }

  /**
   * The timestamp that the leader gave to the write. One (key, timestamp) means one value for ever.
   */
  get timestamp(): number {
    return this.at;
  }

  /** Text of the key and the value in JSON, without quotes, in UTF-16 units. */
  get chars(): number {
    return this.to - keyAt - fromKeyToValue;
  }

  /** The value. */
  get value(): string {
    const json = this.json.slice(this.from, this.to);
    return json.includes("\\") ? JSON.parse(`"${json}"`) : json;
  }

  /** Where the key needs no escapes: the key. */
  get plainKey(): string {
    return this.json.slice(keyAt, this.from - fromKeyToValue);
  }

  /** Another object for the same write. */
  copy(): Write {
    return new Write(this.json, this.at, this.from, this.to);
  }

  /** From here on this object stands for another write. */
  become(write: Write): void {
    this.json = write.json;
    this.at = write.at;
    this.from = write.from;
    this.to = write.to;
  }
}
