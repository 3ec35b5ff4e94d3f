/**
 * A first-in, first-out queue.
 *
 * @module
 */

/** A FIFO queue. Its `shift` takes constant time on average; the `shift` of an array does not. */
export class Fifo<T> {
  /** Invariant: all elements before #head were taken, and are `undefined`. */
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

  /** The element at `index` from the front; `undefined` beyond the end. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  /** Takes the first element; `undefined` if the queue is empty. */
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
