/**
 * Keys in the order of a number that each of them has.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";

/** Room for this many keys at first. It doubles each time. */
const roomMin = 64;

/**
 * A binary heap of keys, each with a number. The key with the lowest number is first.
 *
 * The place of each key is known, so that its number can change and it can be removed. A key takes
 * some 60 bytes besides its text.
 */
export class KeyedHeap {
  /** The slot of each key. */
  readonly #slots = new KeyMap<number>();
  /** By slot: the key, "" if the slot is free. */
  readonly #keys: string[] = [];
  readonly #free: number[] = [];
  /** By slot: the number of the key. */
  #numbers = new Float64Array(roomMin);
  /** By slot: the place in #heap. Invariant: #heap[#places[slot]] is the slot. */
  #places = new Uint32Array(roomMin);
  /** The slots. Invariant: the number at place n is at most those at places 2n + 1 and 2n + 2. */
  #heap = new Uint32Array(roomMin);

  /** The number of keys. */
  get size(): number {
    return this.#slots.size;
  }

  /** The key with the lowest number, `undefined` if there is none. */
  get first(): string | undefined {
    return this.size === 0 ? undefined : this.#keys[this.#heap[0]!];
  }

  /** The lowest number, Infinity if there is no key. */
  get lowest(): number {
    return this.size === 0 ? Infinity : this.#numbers[this.#heap[0]!]!;
  }

  /** The number of a key, `undefined` if the key is not there. */
  get(key: string): number | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#numbers[slot];
  }

  /** Adds a key, or changes its number. The heap keeps the memory of the key's text. */
  set(key: string, number: number): void {
    const known = this.#slots.get(key);
    if (known !== undefined) {
      const before = this.#numbers[known]!;
      this.#numbers[known] = number;
      if (number < before) this.#rise(this.#places[known]!);
      else this.#sink(this.#places[known]!);
      return;
    }
    const place = this.size;
    const slot = this.#free.pop() ?? place;
    if (place === this.#heap.length) this.#grow();
    this.#slots.set(key, slot);
    this.#keys[slot] = key;
    this.#numbers[slot] = number;
    this.#put(place, slot);
    this.#rise(place);
  }

  /** Removes a key. Returns whether it was there. */
  delete(key: string): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    const place = this.#places[slot]!;
    this.#slots.delete(key);
    this.#keys[slot] = "";
    this.#free.push(slot);
    const last = this.#heap[this.size]!;
    if (last === slot) return true;
    this.#put(place, last);
    this.#rise(place);
    this.#sink(this.#places[last]!);
    return true;
  }

  /** Keys and numbers, in the order in which the keys were added. The heap may change meanwhile. */
  *entries(): Generator<[key: string, number: number], undefined> {
    for (const [key, slot] of this.#slots.entries()) yield [key, this.#numbers[slot]!];
  }

  /** Removes all keys. */
  clear(): void {
    this.#slots.clear();
    this.#keys.length = this.#free.length = 0;
    this.#numbers = new Float64Array(roomMin);
    this.#places = new Uint32Array(roomMin);
    this.#heap = new Uint32Array(roomMin);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken.
   */
  checkInvariants(): void {
    for (let place = 0; place < this.size; place++) {
      const slot = this.#heap[place]!;
      const parent = this.#heap[(place - 1) >> 1] ?? slot;
      const ordered = this.#numbers[parent]! <= this.#numbers[slot]!;
      if (this.#places[slot] === place && ordered && this.#slots.get(this.#keys[slot]!) === slot) {
        continue;
      }
      throw new Error(`broken invariant: "${this.#keys[slot]}" is at the wrong place of a heap`);
    }
  }

  /** Moves the slot at a place towards the first place, as far as its number is lower. */
  #rise(place: number): void {
    const slot = this.#heap[place]!;
    const number = this.#numbers[slot]!;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#heap[above]!;
      if (this.#numbers[other]! <= number) break;
      this.#put(place, other);
      place = above;
    }
    this.#put(place, slot);
  }

  /** Moves the slot at a place away from the first place, as far as its number is higher. */
  #sink(place: number): void {
    const { size } = this;
    const slot = this.#heap[place]!;
    const number = this.#numbers[slot]!;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= size) break;
      const right = below + 1;
      if (right < size && this.#numberAt(right) < this.#numberAt(below)) below = right;
      if (this.#numberAt(below) >= number) break;
      this.#put(place, this.#heap[below]!);
      place = below;
    }
    this.#put(place, slot);
  }

  #numberAt(place: number): number {
    return this.#numbers[this.#heap[place]!]!;
  }

  #put(place: number, slot: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #grow(): void {
    const room = this.#heap.length * 2;
    const [numbers, places, heap] = [this.#numbers, this.#places, this.#heap];
    (this.#numbers = new Float64Array(room)).set(numbers);
    (this.#places = new Uint32Array(room)).set(places);
    (this.#heap = new Uint32Array(room)).set(heap);
  }
}
