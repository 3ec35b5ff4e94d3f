// @ts-check
/**
 * Checks that a value from a file has the expected shape. Each check returns a copy of what it knows,
 * so that nothing else of the file is kept.
 *
 * @module
 */

/**
 * A check. It returns the value, or throws a {@linkcode ShapeError} that names the place in the file.
 *
 * @template T
 * @typedef {(value: unknown, place: string) => T} Check
 */

/** A value has another shape than expected. The message is its place, such as `parts[0].items[3].key`. */
export class ShapeError extends Error {
  /** @override */
  name = "ShapeError";
}

/**
 * A text.
 *
 * @param {number} charsMax
 * @returns {Check<string>}
 */
export function text(charsMax) {
  return (value, place) => {
    if (typeof value !== "string" || value.length > charsMax) throw new ShapeError(place);
    return value;
  };
}

/**
 * A whole number from 0 on.
 *
 * @param {number} [max]
 * @returns {Check<number>}
 */
export function whole(max = Number.MAX_SAFE_INTEGER) {
  return (value, place) => {
    if (!Number.isSafeInteger(value)) throw new ShapeError(place);
    return number(max)(value, place);
  };
}

/**
 * A number from 0 on.
 *
 * @param {number} [max]
 * @returns {Check<number>}
 */
export function number(max = Number.MAX_VALUE) {
  return (value, place) => {
    if (typeof value !== "number" || !(value >= 0 && value <= max)) throw new ShapeError(place);
    return value;
  };
}

/**
 * One of some values.
 *
 * @template {string | boolean | null} T
 * @param {...T} values
 * @returns {Check<T>}
 */
export function oneOf(...values) {
  return (value, place) => {
    const found = values.find((one) => one === value);
    if (found === undefined) throw new ShapeError(place);
    return found;
  };
}

/**
 * A value, or `null`.
 *
 * @template T
 * @param {Check<T>} check
 * @returns {Check<T | null>}
 */
export function orNull(check) {
  return (value, place) => value === null ? null : check(value, place);
}

/**
 * A value, or `undefined` if the field is left out.
 *
 * @template T
 * @param {Check<T>} check
 * @returns {Check<T | undefined>}
 */
export function optional(check) {
  return (value, place) => value === undefined ? undefined : check(value, place);
}

/**
 * A list.
 *
 * @template T
 * @param {Check<T>} check
 * @param {number} max
 * @returns {Check<T[]>}
 */
export function list(check, max) {
  return (value, place) => {
    if (!Array.isArray(value) || value.length > max) throw new ShapeError(place);
    return value.map((one, index) => check(one, `${place}[${index}]`));
  };
}

/**
 * An object with these fields and no others.
 *
 * @template T
 * @param {{ readonly [Field in keyof T]-?: Check<T[Field]> }} fields
 * @returns {Check<T>}
 */
export function record(fields) {
  const checks = Object.entries(/** @type {Record<string, Check<unknown>>} */ (fields));
  return (value, place) => {
    if (typeof value !== "object" || value === null) throw new ShapeError(place);
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(fields, name)) throw new ShapeError(`${place}.${name}`);
    }
    /** @type {Record<string, unknown>} */
    const copy = {};
    for (const [name, check] of checks) {
      // A field that is left out must not be found in the prototype.
      const field = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
      const checked = check(field, `${place}.${name}`);
      if (checked !== undefined) copy[name] = checked;
    }
    return /** @type {T} */ (copy);
  };
}

/**
 * A map, as `encode` in `state.js` writes it: `{ entries }`.
 *
 * @template K, V
 * @param {Check<K>} key
 * @param {Check<V>} value
 * @param {number} max
 * @returns {Check<Map<K, V>>}
 */
export function map(key, value, max) {
  /** @type {Check<[K, V]>} */
  const entry = (one, place) => {
    if (!Array.isArray(one) || one.length !== 2) throw new ShapeError(place);
    return [key(one[0], `${place}[0]`), value(one[1], `${place}[1]`)];
  };
  const entries = record({ entries: list(entry, max) });
  return (one, place) => new Map(entries(one, place).entries);
}

/**
 * An object with any names, and a value of one shape for each.
 *
 * @template T
 * @param {Check<string>} name
 * @param {Check<T>} check
 * @param {number} max
 * @returns {Check<Record<string, T>>}
 */
export function dictionary(name, check, max) {
  const entries = map(name, check, max);
  return (value, place) => {
    if (typeof value !== "object" || value === null) throw new ShapeError(place);
    return Object.fromEntries(entries({ entries: Object.entries(value) }, place));
  };
}

/**
 * A value of one of two shapes.
 *
 * @template T, U
 * @param {Check<T>} first
 * @param {Check<U>} second
 * @returns {Check<T | U>}
 */
export function either(first, second) {
  return (value, place) => {
    try {
      return first(value, place);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      return second(value, place);
    }
  };
}
