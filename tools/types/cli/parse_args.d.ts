/**
 * Types for `@std/cli/parse-args`, used only where `vendor/` was filled from npm (see setup.ts).
 * Dotted flag names (`--a.b`) are left out: this project has none.
 */

type Names = string | undefined;
type BooleanNames = boolean | Names;
type Defaults = Record<string, unknown> | undefined;
type AliasTable = Readonly<Record<string, string | readonly string[]>> | undefined;

/** Writes an intersection out as one object type. */
type Flat<T> = { [K in keyof T]: T[K] };

/** What one flag holds: its element type, in an array where the flag is collected. */
type Held<K, Element, Collected> = K extends Collected ? Element[] : Element;

/** `--no-x` turns a negatable flag into `false`. */
type Negated<K, Negatable> = K extends Negatable ? false : never;

/** The flags named in `boolean`, `string` and `collect`; only a plain string flag can be absent. */
type Declared<B, S, C, N> =
  & { [K in Extract<B, string>]: Held<K, boolean, C> }
  & { [K in Exclude<Extract<S, string>, C>]?: string | Negated<K, N> }
  & { [K in Extract<S & C, string>]: string[] | Negated<K, N> }
  & { [K in Exclude<Extract<C, string>, B | S>]: unknown[] | Negated<K, N> };

/** A flag with a default is always there, and may hold the default's type as well as its own. */
type WithDefaults<F, D> = D extends Record<string, unknown> ?
    & Omit<F, keyof D>
    & { [K in keyof D]: K extends keyof F ? D[K] | NonNullable<F[K]> : unknown }
  : F;

type AliasesOf<K, A> = K extends keyof A
  ? A[K] extends string ? A[K] : A[K] extends readonly string[] ? A[K][number] : never
  : never;

/** Each flag under its own name and under every alias. */
type WithAliases<F, A> = { [K in keyof F as K | AliasesOf<K, A>]: F[K] };

/** With nothing declared, every flag may be anything; else a flag not declared is `unknown`. */
type Values<B, S, C, N, D, A> = [B, S, C] extends [undefined | false, undefined, undefined]
  // deno-lint-ignore no-explicit-any -- the real package says so too; declare your flags
  ? Record<string, any>
  : Record<string, unknown> & WithAliases<WithDefaults<Declared<B, S, C, N>, D>, A>;

/** What {@linkcode parseArgs} returns: the flags, `_` for the rest, `"--"` where asked for. */
export type Args<
  // deno-lint-ignore no-explicit-any -- as above
  TArgs extends Record<string, unknown> = Record<string, any>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flat<
  & TArgs
  & {
    /** Arguments that belong to no flag; those that look like numbers are numbers. */
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
  /** `true`: what follows `--` goes into `"--"` instead of `_`. */
  "--"?: TDoubleDash;
  /** Other names of a flag. */
  alias?: TAliases;
  /** Flags without a value, `false` unless given; `true`: every flag without `=`. */
  boolean?: TBooleans | ReadonlyArray<Extract<TBooleans, string>>;
  /** Values of flags that were not given. */
  default?: TDefault;
  /** `true`: everything after the first argument that is no flag goes into `_`. */
  stopEarly?: boolean;
  /** Flags whose value stays a string, however it looks; `--x` alone gives `""`. */
  string?: TStrings | ReadonlyArray<Extract<TStrings, string>>;
  /** Flags that may be repeated; their values become an array. */
  collect?: TCollectable | ReadonlyArray<Extract<TCollectable, string>>;
  /** Flags that accept `--no-NAME`. */
  negatable?: TNegatable | ReadonlyArray<Extract<TNegatable, string>>;
  /** Called with each argument that no option names; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Parses command-line arguments; never throws on what the user typed. */
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
