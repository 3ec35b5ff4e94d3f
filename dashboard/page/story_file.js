// @ts-check
/**
 * A recording as a file: written by one page, and played by another one without any server.
 *
 * @module
 */

import { itemsMax, recordingBytesMax, segmentItemsMax, segmentsMax } from "./limits.js";
import { Recording } from "./recording.js";
import { list, record, ShapeError } from "./shapes.js";
import { encode } from "./state.js";
import { item, state } from "./story_shapes.js";

/** The name of the format, in the file. */
const format = "kv-dashboard-recording";
/** The version of the format. A page opens files of its own version only. */
export const recordingVersion = 1;

/**
 * Why a file cannot be opened.
 *
 * - `large`: it has more bytes than a recording can have;
 * - `unreadable`: the browser cannot read it;
 * - `format`: it is not a recording;
 * - `version`: it is a recording of another version;
 * - `shape`: what stands at `place` is not what it should be.
 *
 * @typedef {{ readonly is: "large" | "unreadable" | "format" }
 *   | { readonly is: "version", readonly version: number }
 *   | { readonly is: "shape", readonly place: string }} FileProblem
 */

const parts = list(
  record({ keyframe: state, items: list(item, itemsMax + segmentItemsMax) }),
  segmentsMax,
);

/**
 * The text of the file for a recording.
 *
 * @param {Recording} recording
 * @returns {string}
 */
export function encodeRecording(recording) {
  return encode({ format, version: recordingVersion, parts: recording.parts() });
}

/**
 * The recording of a file. It begins at position 0.
 *
 * @param {string} text
 * @returns {{ readonly recording: Recording } | { readonly problem: FileProblem }}
 */
export function decodeRecording(text) {
  if (text.length > recordingBytesMax) return { problem: { is: "large" } };
  const file = parsed(text);
  if (file === undefined || file.format !== format) return { problem: { is: "format" } };
  const { version } = file;
  if (typeof version !== "number") return { problem: { is: "shape", place: "version" } };
  if (version !== recordingVersion) return { problem: { is: "version", version } };
  try {
    return { recording: recordingOf(parts(file.parts, "parts")) };
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return { problem: { is: "shape", place: error.message } };
  }
}

/**
 * The fields of a JSON object; `undefined` if the text is anything else.
 *
 * @param {string} text
 * @returns {Readonly<Record<string, unknown>> | undefined}
 */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/**
 * @param {ReturnType<typeof parts>} read
 * @returns {Recording}
 * @throws {ShapeError} if there is no part, too many items, or a part without servers
 */
function recordingOf(read) {
  const [first, ...more] = read;
  if (first === undefined) throw new ShapeError("parts");
  const items = read.reduce((sum, part) => sum + part.items.length, 0);
  if (items >= itemsMax + segmentItemsMax) throw new ShapeError("parts.items");
  for (const [index, { keyframe: { servers } }] of read.entries()) {
    const names = new Set(servers.map(({ name }) => name));
    if (names.size === 0 || names.size < servers.length) {
      throw new ShapeError(`parts[${index}].keyframe.servers`);
    }
  }
  const recording = new Recording(first.keyframe);
  for (const item of first.items) recording.push(item);
  for (const { keyframe, items } of more) {
    recording.continueFrom(keyframe);
    for (const item of items) recording.push(item);
  }
  return recording;
}
