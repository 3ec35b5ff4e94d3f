/**
 * A list whose elements enter at its end and leave from anywhere.
 *
 * @module
 */

/** The neighbours of an element. The list sets them; both are `undefined` outside of a list. */
export interface Links<T> {
  /** The element before it. */
  previous: T | undefined;
  /** The element after it. */
  next: T | undefined;
}

/**
 * A doubly linked list of objects that hold their own links.
 *
 * It is no `Set`, for the reason that `PendingRequests` is no `Map`. An element that leaves loses its
 * links, so that it keeps no other in memory.
 */
export class WaitingList<T extends Links<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  /** The number of elements. */
  get size(): number {
    return this.#size;
  }

  /** Adds an element that is in no list. */
  add(element: T): void {
    element.previous = this.#last;
    if (this.#last === undefined) this.#first = element;
    else this.#last.next = element;
    this.#last = element;
    this.#size++;
  }

  /** Removes an element of this list. */
  delete(element: T): void {
    const { previous, next } = element;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    element.previous = element.next = undefined;
    this.#size--;
  }

  /** The elements from the first on. The one that was given out last may leave meanwhile. */
  *[Symbol.iterator](): Generator<T, undefined> {
    for (let element = this.#first; element !== undefined;) {
      const { next }: T = element;
      yield element;
      element = next;
    }
  }

  /** Removes and returns all elements. */
  clear(): T[] {
    const all = [...this];
    for (const element of all) this.delete(element);
    return all;
  }
}
