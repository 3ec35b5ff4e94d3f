/**
 * Checks of the JSON that etcd's gateway sends.
 *
 * @module
 */

/** A JSON object. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an object. */
export function isRecord(json: unknown): json is JsonRecord {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
