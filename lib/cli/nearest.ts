/**
 * The known word that a mistyped word most likely stands for.
 *
 * @module
 */

/** Words that are longer are not compared. */
const wordCharsMax = 40;

/** Fewer letters say too little about what a word may begin. */
const prefixCharsMin = 3;

/** The most edits between a word and its guess: one for every three characters. */
const editsMax = ({ length }: string) => Math.max(1, Math.floor(length / 3));

/**
 * Returns the known word with the fewest edits from `word`, else the first one that begins with it or
 * that it begins with; `undefined` if none is near.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > wordCharsMax) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let fewest = editsMax(word) + 1;
  for (const candidate of known) {
    // In a short word an edit of the first letter makes another word.
    if (word.length <= 3 && candidate[0] !== lower[0]) continue;
    const count = edits(lower, candidate);
    if (count >= fewest) continue;
    [best, fewest] = [candidate, count];
  }
  if (best !== undefined || word.length < prefixCharsMin) return best;
  return known.find((candidate) => candidate.startsWith(lower)) ??
    known.find((candidate) => candidate.length >= prefixCharsMin && lower.startsWith(candidate));
}

/** A guess as the end of an error message: ` Did you mean "put"?`, or "" without a guess. */
export function didYouMean(guess: string | undefined): string {
  return guess === undefined ? "" : `, did you mean ${JSON.stringify(guess)}?`;
}

/** The edits that turn one word into the other: a character inserted, removed, changed or swapped. */
function edits(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      const least = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(swapped ? Math.min(least, rows[i - 2]![j - 2]! + 1) : least);
    }
    rows.push(row);
  }
  return rows[from.length]![to.length]!;
}
