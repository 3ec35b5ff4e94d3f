/**
 * Saves a text as a file.
 *
 * @module
 */

/** The address of the last file. The browser may still read it, so it is kept until the next one. */
let last = "";

/**
 * Lets the browser save a text as a file.
 *
 * @param {string} name the name of the file
 * @param {string} type its media type
 * @param {string} text
 */
export function download(name, type, text) {
  URL.revokeObjectURL(last);
  last = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = last;
  link.download = name;
  link.click();
}

/**
 * A time as a part of a name of a file, such as "2026-11-27-1530".
 *
 * @param {Date} time
 */
export function fileTime(time) {
  const part = (/** @type {number} */ n) => `${n}`.padStart(2, "0");
  const day = [time.getFullYear(), part(time.getMonth() + 1), part(time.getDate())].join("-");
  return `${day}-${part(time.getHours())}${part(time.getMinutes())}`;
}
