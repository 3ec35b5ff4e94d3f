/** How the code is broken on purpose. */

/** One way to break the code. `file` is a path in `lib`, and has the text `find` exactly once. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Whether it shows only if servers have disks. */
  readonly durable?: true;
  /** Whether every plan has conditional writes, deletions, lists or watches. */
  readonly coordination?: true;
  /** The number of seeds, if it is not {@linkcode seedsMax}. */
  readonly seeds?: number;
  /** A second change, if one alone makes no difference. */
  readonly also?: { readonly find: string; readonly replace: string };
}

/** Seeds within which a mutant must be caught. */
export const seedsMax = 2_000;
