/**
 * The profile of one implementation: how it is built, started, typed to, and what it calls things.
 *
 * @module
 */

/** One step of a dialogue: what the program prints first (`null`: nothing), then what is typed. */
export type Step = readonly [prompt: string | null, typed: string];

/** A validated profile. `docs/grading.md` describes every field. */
export interface Profile {
  readonly name: string;
  /** Commands that run once before the trials. */
  readonly build: readonly (readonly string[])[];
  readonly server: readonly string[];
  /** The leader's command, if it differs. */
  readonly serverLeader: readonly string[];
  readonly client: readonly string[];
  /** Folder of the commands, from the profile's own folder. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly encoding: "utf-8" | "iso-8859-1";
  readonly ports: "free" | "fixed";
  readonly serverDialog: readonly Step[];
  /** Steps that only the leader has, after `serverDialog`. */
  readonly leaderMore: readonly Step[];
  /** What the client prints when it waits for a choice. `null`: nothing. */
  readonly menu: string | null;
  readonly init: readonly Step[];
  readonly put: readonly Step[];
  readonly get: readonly Step[];
  readonly keys: "words" | "integers";
  readonly values: "with-spaces" | "no-spaces";
  readonly putTimeoutS: number;
  readonly refusalWord: string;
  /** How this implementation forces a refusal: lines typed to a client, without the network. */
  readonly hook: readonly Step[] | undefined;
}

/** The error for a profile that cannot be used. Its message names the field. */
export class ProfileError extends Error {
  override readonly name = "ProfileError";
}

/** Names that a server's steps may use in braces. */
export const serverNames = [
  ...["ip", "port", "leaderIp", "leaderPort"],
  ...["ip1", "port1", "ip2", "port2", "ip3", "port3"],
] as const;
/** Names that steps of INIT may use in braces. */
export const initNames = ["ip1", "port1", "ip2", "port2", "ip3", "port3"] as const;

const putTimeoutSMax = 60;
const profileCharsMax = 100_000;
const stepsMax = 50;

const fields = new Set([
  ...["$schema", "name", "build", "server", "serverLeader", "client", "cwd", "env", "encoding"],
  ...["ports", "serverDialog", "leaderMore", "menu", "init", "put", "get", "keys", "values"],
  ...["putTimeoutS", "refusalWord", "hook"],
]);

/**
 * Parses and validates a profile. `fallbackName` is its name if it gives none.
 *
 * @throws {ProfileError} If a field is missing, unknown or has a bad value.
 */
export function parseProfile(text: string, fallbackName: string): Profile {
  const read = new FieldReader(parseObject(text));
  const server = read.command("server");
  if (server === undefined) throw new ProfileError(`"server" is missing: a list of words`);
  const client = read.command("client");
  if (client === undefined) throw new ProfileError(`"client" is missing: a list of words`);
  checkNames(server, "server", serverNames);
  const serverLeader = read.command("serverLeader") ?? server;
  checkNames(serverLeader, "serverLeader", serverNames);
  checkNames(client, "client", initNames);
  const put = read.steps("put", ["key", "value"]);
  const get = read.steps("get", ["key"]);
  mustType(put, "put", "{key}");
  mustType(put, "put", "{value}");
  mustType(get, "get", "{key}");
  return {
    name: read.text("name") ?? fallbackName,
    build: read.commands("build"),
    server,
    serverLeader,
    client,
    cwd: read.text("cwd") ?? ".",
    env: read.env(),
    encoding: read.choice("encoding", ["utf-8", "iso-8859-1"]),
    ports: read.choice("ports", ["free", "fixed"]),
    serverDialog: read.steps("serverDialog", serverNames),
    leaderMore: read.steps("leaderMore", serverNames),
    menu: read.menu(),
    init: read.steps("init", initNames),
    put,
    get,
    keys: read.choice("keys", ["words", "integers"]),
    values: read.choice("values", ["with-spaces", "no-spaces"]),
    putTimeoutS: read.seconds("putTimeoutS", 25),
    refusalWord: read.text("refusalWord") ?? "TRY_OTHER_SERVER_OR_LATER",
    hook: read.has("hook") ? read.steps("hook", ["key", "value", ...initNames]) : undefined,
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  if (text.length > profileCharsMax) {
    throw new ProfileError(`longer than ${profileCharsMax} characters: not a profile`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ProfileError(`not JSON: ${(error as Error).message}`);
  }
  if (!isObject(json)) throw new ProfileError('must be a JSON object, such as {"server": …}');
  for (const field of Object.keys(json)) {
    if (!fields.has(field)) {
      throw new ProfileError(`"${field}" is not a field of a profile`);
    }
  }
  return json;
}

/** Reads fields of an object by their type. Every error names the field. */
class FieldReader {
  readonly #json: Readonly<Record<string, unknown>>;

  constructor(json: Readonly<Record<string, unknown>>) {
    this.#json = json;
  }

  has(field: string): boolean {
    return Object.hasOwn(this.#json, field);
  }

  text(field: string): string | undefined {
    if (!this.has(field)) return undefined;
    const value = this.#json[field];
    if (typeof value === "string" && value !== "") return value;
    throw new ProfileError(`"${field}" must be a text that is not empty, not ${shown(value)}`);
  }

  choice<T extends string>(field: string, choices: readonly [T, ...T[]]): T {
    if (!this.has(field)) return choices[0];
    const value = this.#json[field];
    const chosen = choices.find((choice) => choice === value);
    if (chosen !== undefined) return chosen;
    const list = choices.map((choice) => `"${choice}"`).join(" or ");
    throw new ProfileError(`"${field}" must be ${list}, not ${shown(value)}`);
  }

  seconds(field: string, preset: number): number {
    if (!this.has(field)) return preset;
    const value = this.#json[field];
    if (typeof value === "number" && value > 0 && value <= putTimeoutSMax) return value;
    throw new ProfileError(
      `"${field}" must be seconds, above 0 and up to ${putTimeoutSMax}, not ${shown(value)}`,
    );
  }

  command(field: string): string[] | undefined {
    return this.has(field) ? toCommand(this.#json[field], field) : undefined;
  }

  commands(field: string): string[][] {
    if (!this.has(field)) return [];
    const value = this.#json[field];
    if (!Array.isArray(value)) {
      throw new ProfileError(`"${field}" must be a list of commands, not ${shown(value)}`);
    }
    if (value.every((word) => typeof word === "string")) return [toCommand(value, field)];
    return value.map((command, i) => toCommand(command, `${field}[${i}]`));
  }

  env(): Record<string, string> {
    if (!this.has("env")) return {};
    const value = this.#json.env;
    if (!isObject(value)) throw new ProfileError(`"env" must be an object, not ${shown(value)}`);
    for (const [name, text] of Object.entries(value)) {
      if (typeof text !== "string" || /[=\0]/.test(name) || name === "" || text.includes("\0")) {
        throw new ProfileError(`"env.${name}" must be a text, not ${shown(text)}`);
      }
    }
    return value as Record<string, string>;
  }

  menu(): string | null {
    if (!this.has("menu") || this.#json.menu === null) return null;
    const pattern = this.text("menu")!;
    checkPattern(pattern, "menu");
    return pattern;
  }

  steps(field: string, names: readonly string[]): Step[] {
    if (!this.has(field)) return [];
    const value = this.#json[field];
    if (!Array.isArray(value) || value.length > stepsMax) {
      throw new ProfileError(
        `"${field}" must be a list of up to ${stepsMax} steps, not ${shown(value)}`,
      );
    }
    return value.map((step, i) => toStep(step, `${field}[${i}]`, names));
  }
}

function toCommand(value: unknown, field: string): string[] {
  const words = Array.isArray(value) ? value : [];
  if (words.length > 0 && words.every((word) => typeof word === "string" && word !== "")) {
    if (words.some((word: string) => word.includes("\0"))) {
      throw new ProfileError(`"${field}" has a word with a NUL character`);
    }
    return words;
  }
  throw new ProfileError(
    `"${field}" must be a list of words, such as ["python3", "server.py"], not ${shown(value)}`,
  );
}

function toStep(value: unknown, field: string, names: readonly string[]): Step {
  const [prompt, typed] = Array.isArray(value) && value.length === 2 ? value : [undefined];
  if ((typeof prompt !== "string" && prompt !== null) || typeof typed !== "string") {
    throw new ProfileError(
      `"${field}" must be [prompt or null, text to type], not ${shown(value)}`,
    );
  }
  if (/[\r\n\0]/.test(typed)) {
    throw new ProfileError(`"${field}" types more than one line: make a step of each`);
  }
  if (prompt !== null) checkPattern(prompt, field);
  checkNames([typed], field, names);
  return [prompt, typed];
}

function checkPattern(pattern: string, field: string): void {
  try {
    promptPattern(pattern);
  } catch {
    throw new ProfileError(`"${field}": ${shown(pattern)} is not a regular expression`);
  }
}

/** The regular expression of a prompt. Upper and lower case are the same. */
export function promptPattern(pattern: string): RegExp {
  return new RegExp(pattern, "iu");
}

function checkNames(words: readonly string[], field: string, names: readonly string[]): void {
  for (const word of words) {
    for (const [, name] of word.matchAll(/\{(\w+)\}/g)) {
      if (names.includes(name!)) continue;
      const list = names.map((known) => `{${known}}`).join(" ");
      throw new ProfileError(`"${field}" has {${name}}: here only ${list} can be used`);
    }
  }
}

function mustType(steps: readonly Step[], field: string, name: string): void {
  if (steps.some(([, typed]) => typed.includes(name))) return;
  throw new ProfileError(`"${field}" never types ${name}`);
}

/** Fills in the names in braces. A name without a value stays as it is. */
export function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\{(\w+)\}/g,
    (braces, name) => Object.hasOwn(values, name) ? values[name]! : braces,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
