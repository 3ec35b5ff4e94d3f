/**
 * A queue whose both ends cost the same.
 *
 * @module
 */

/** First in, first out. `shift` takes constant time on average, unlike that of an array. */
export class Fifo<T> {
  /** Elements before #head are gone and hold nothing. */
  #items: (T | undefined)[] = [];
  #head = 0;

  /** The number of elements. */
  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Adds an element at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** The element at `index` from the front, `undefined` beyond the end. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Takes the first element, `undefined` where there is none. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
