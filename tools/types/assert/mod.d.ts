/** Types for `@std/assert`, used only where `vendor/` was filled from npm (see setup.ts). */

// deno-lint-ignore no-explicit-any -- a class may ask for any constructor arguments
type Class<T> = abstract new (...args: any[]) => T;

/** What `assertFalse` lets through. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An array or anything like one, but not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** A class that can be made with `new`. */
// deno-lint-ignore no-explicit-any -- as above
export type AnyConstructor = new (...args: any[]) => any;

/** The instances of such a class. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

/** Thrown by every assertion that fails. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** Whether two values have the same structure, at any depth. */
export function equal(a: unknown, b: unknown): boolean;

/** `expr` is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;

/** `expr` is falsy. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;

/** Same structure, at any depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;

/** Not the same structure. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;

/** The same value or the same object (`Object.is`). */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;

/** Not the same value nor the same object. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;

/** No further apart than `tolerance`, by default a ten-millionth of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void;

/** Neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;

/** An instance of the class or of one derived from it. */
export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any -- as above
  T extends Class<any>,
>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T>;

/** Not an instance of the class. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  unexpectedType: Class<T>,
  msg?: string,
): asserts actual is Exclude<A, T>;

/** An error, of this class and with such a message where they are given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Class<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;

/** `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;

/** `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;

/** `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** The pattern is found in the text. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void;

/** The pattern is not found in the text. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;

/** The second text is part of the first. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void;

/** Every value of `expected` is in `actual`, in any order. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void;

/** `actual` has at least the properties of `expected`, at any depth. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- any object with properties
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;

/** `fn` throws something, which is returned. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;

/** `fn` throws an error of this class whose message contains `msgIncludes`; it is returned. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): E;

/** `fn` returns a promise that rejects; resolves with the reason. Await it. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;

/** As above, with an error of this class whose message contains `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;

/** Fails. */
export function fail(msg?: string): never;

/** Fails: this part is not written yet. */
export function unimplemented(msg?: string): never;

/** Fails: this line should never run. */
export function unreachable(msg?: string): never;
