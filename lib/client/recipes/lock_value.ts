/**
 * What the key of a lock holds.
 *
 * @module
 */

/** The value of a lock's key. */
export interface LockValue {
  /** What the holder calls itself: of an election, the candidate. */
  readonly holder: string;
  /** Names this hold among all. Random. */
  readonly id: string;
  /** The timestamp at which the lock was taken. Left out until the first renewal: it is the key's own. */
  readonly token?: number | undefined;
}

/** The text of a lock's value. */
export function lockText({ holder, id, token }: LockValue): string {
  return JSON.stringify({ holder, id, token });
}

/** The value of a text, `undefined` if it is none of a lock. */
export function lockValueOf(text: string | null): LockValue | undefined {
  if (text === null) return undefined;
  try {
    const { holder, id, token } = JSON.parse(text) ?? {};
    const known = typeof holder === "string" && typeof id === "string";
    const fits = token === undefined || (Number.isSafeInteger(token) && token > 0);
    return known && fits ? { holder, id, token } : undefined;
  } catch {
    return undefined;
  }
}
