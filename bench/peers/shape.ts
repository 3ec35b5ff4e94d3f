/**
 * What a system is measured with: the size of values, the keys, and the number of servers.
 *
 * @module
 */

const keysMax = 10_000;
/** The most bytes of all values together: the client keeps a request for each key. */
const tableBytesMax = 32 * 1024 * 1024;
/** A prime, so that a walk in such strides reaches all keys. */
const stride = 7_919;

const encoder = new TextEncoder();

/** The same for all systems of a measurement. */
export class Shape {
  /** The value of each write. */
  readonly value: string;
  /** The number of keys. */
  readonly keys: number;
  /** The number of servers of a system. */
  readonly servers: number;

  /** A shape with values of this many bytes. */
  constructor(valueBytes = 100, servers = 3) {
    this.value = "x".repeat(valueBytes);
    this.keys = Math.min(keysMax, Math.floor(tableBytesMax / valueBytes));
    this.servers = servers;
  }

  /** A request for each key, not in the order of the keys. */
  forEachKey(
    request: (key: string, id: number) => string | Uint8Array<ArrayBuffer>,
  ): Uint8Array<ArrayBuffer>[] {
    return Array.from({ length: this.keys }, (_, n) => {
      const index = n * stride % this.keys;
      const made = request(`key:${`${index}`.padStart(12, "0")}`, index);
      return typeof made === "string" ? encoder.encode(made) : made;
    });
  }
}
