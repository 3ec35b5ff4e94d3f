/** Types for `@std/assert`. Used only if `vendor/` was filled from npm (tools/setup.ts). */

// deno-lint-ignore no-explicit-any -- a class may ask for any constructor arguments
type Class<T> = abstract new (...args: any[]) => T;

/** The falsy values. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An array or anything like one, but not a string. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** A class of which `new` makes instances. */
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

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg?: string): asserts expr;

/** Asserts that `expr` is falsy. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;

/** Asserts that two values have the same structure, at any depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that two values do not have the same structure. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that two values are the same value or the same object (`Object.is`). */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;

/** Asserts that two values are neither the same value nor the same object. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;

/** Asserts a difference of at most `tolerance`, by default a ten-millionth of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void;

/** Asserts that a value is neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;

/** Asserts that a value is an instance of the class or of a subclass. */
export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any -- as above
  T extends Class<any>,
>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T>;

/** Asserts that a value is not an instance of the class. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  unexpectedType: Class<T>,
  msg?: string,
): asserts actual is Exclude<A, T>;

/** Asserts that a value is an error, of this class and with this message if they are given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Class<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

/** Asserts that the text matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void;

/** Asserts that the text does not match the pattern. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void;

/** Asserts that `actual` contains every value of `expected`, in any order. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void;

/** Asserts that `actual` has at least the properties of `expected`, at any depth. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- any object with properties
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;

/** Asserts that `fn` throws. Returns what it throws. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;

/** Asserts that `fn` throws an error of this class whose message contains `msgIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): E;

/** Asserts that the promise of `fn` rejects. Resolves with the reason, so await it. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;

/** Asserts that it rejects with an error of this class whose message contains `msgIncludes`. */
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
