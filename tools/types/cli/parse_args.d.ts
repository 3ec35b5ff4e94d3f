/**
 * Types for `@std/cli/parse-args`. Used only if `vendor/` was filled from npm (tools/setup.ts).
 * Dotted flag names (`--a.b`) have no types here: this project has none.
 */

type Names = string | undefined;
type BooleanNames = boolean | Names;
type Defaults = Record<string, unknown> | undefined;
type AliasTable = Readonly<Record<string, string | readonly string[]>> | undefined;

/** An intersection, as one object type. */
type Flat<T> = { [K in keyof T]: T[K] };

/** The type of a flag: that of its values, or an array of them if the flag is collected. */
type Held<K, Element, Collected> = K extends Collected ? Element[] : Element;

/** `--no-x` turns a negatable flag into `false`. */
type Negated<K, Negatable> = K extends Negatable ? false : never;

/** The flags in `boolean`, `string` and `collect`. Only a string flag may be absent. */
type Declared<B, S, C, N> =
  & { [K in Extract<B, string>]: Held<K, boolean, C> }
  & { [K in Exclude<Extract<S, string>, C>]?: string | Negated<K, N> }
  & { [K in Extract<S & C, string>]: string[] | Negated<K, N> }
  & { [K in Exclude<Extract<C, string>, B | S>]: unknown[] | Negated<K, N> };

/** Flags with a default are never absent, and may have the type of the default. */
type WithDefaults<F, D> = D extends Record<string, unknown> ?
    & Omit<F, keyof D>
    & { [K in keyof D]: K extends keyof F ? D[K] | NonNullable<F[K]> : unknown }
  : F;

type AliasesOf<K, A> = K extends keyof A
  ? A[K] extends string ? A[K] : A[K] extends readonly string[] ? A[K][number] : never
  : never;

/** Each flag under its own name and under every alias. */
type WithAliases<F, A> = { [K in keyof F as K | AliasesOf<K, A>]: F[K] };

/** The flags. A flag that is not declared is `unknown`, or `any` if none is declared. */
type Values<B, S, C, N, D, A> = [B, S, C] extends [undefined | false, undefined, undefined]
  // deno-lint-ignore no-explicit-any -- the real package says so too; declare your flags
  ? Record<string, any>
  : Record<string, unknown> & WithAliases<WithDefaults<Declared<B, S, C, N>, D>, A>;

/** The result of {@linkcode parseArgs}: the flags, the rest in `_`, and `"--"` if asked for. */
export type Args<
  // deno-lint-ignore no-explicit-any -- as above
  TArgs extends Record<string, unknown> = Record<string, any>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flat<
  & TArgs
  & {
    /** Arguments that belong to no flag. An argument that looks like a number is one. */
    _: Array<string | number>;
  }
  & (boolean extends TDoubleDash ? { "--"?: string[] }
    : true extends TDoubleDash ? { "--": string[] }
    : unknown)
>;

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  TBooleans extends BooleanNames = BooleanNames,
  TStrings extends Names = Names,
  TCollectable extends Names = Names,
  TNegatable extends Names = Names,
  TDefault extends Defaults = Defaults,
  TAliases extends AliasTable = AliasTable,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Whether the arguments after `--` go into `"--"` instead of `_`. */
  "--"?: TDoubleDash;
  /** Other names of a flag. */
  alias?: TAliases;
  /** Flags without a value, `false` unless given. `true` means every flag without `=`. */
  boolean?: TBooleans | ReadonlyArray<Extract<TBooleans, string>>;
  /** Values of flags that were not given. */
  default?: TDefault;
  /** Whether everything after the first argument that is no flag goes into `_`. */
  stopEarly?: boolean;
  /** Flags whose value is always a string. `--x` alone gives `""`. */
  string?: TStrings | ReadonlyArray<Extract<TStrings, string>>;
  /** Flags that may be repeated. Their values become an array. */
  collect?: TCollectable | ReadonlyArray<Extract<TCollectable, string>>;
  /** Flags that accept `--no-NAME`. */
  negatable?: TNegatable | ReadonlyArray<Extract<TNegatable, string>>;
  /** Called with each argument that no option names. `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Parses command-line arguments. No input makes it throw. */
export function parseArgs<
  TArgs extends Values<TBooleans, TStrings, TCollectable, TNegatable, TDefaults, TAliases>,
  TDoubleDash extends boolean | undefined = undefined,
  TBooleans extends BooleanNames = undefined,
  TStrings extends Names = undefined,
  TCollectable extends Names = undefined,
  TNegatable extends Names = undefined,
  TDefaults extends Defaults = undefined,
  const TAliases extends AliasTable = undefined,
>(
  args: readonly string[],
  options?: ParseOptions<
    TBooleans,
    TStrings,
    TCollectable,
    TNegatable,
    TDefaults,
    TAliases,
    TDoubleDash
  >,
): Args<TArgs, TDoubleDash>;
