/**
 * The questions of a new profile. A bad answer is told and asked for again.
 *
 * @module
 */

import { UsageError } from "../../lib/cli/flags.ts";
import { parseProfile, ProfileError, type Step } from "./profile.ts";

/** Where questions are asked. */
export interface Asker {
  /** Asks a question and returns the typed line. */
  readonly ask: (question: string) => Promise<string>;
  /** Writes a text that is no question. */
  readonly tell: (text: string) => void;
}

/** The fields of a profile as they are in its file. */
export type Fields = Readonly<Record<string, unknown>>;

const stepsMax = 30;
const badAnswersMax = 20;

const introduction = `A profile tells how your programs are started and typed to.
Words of a command are separated by spaces. For each step of a dialogue, type what is to be typed,
then a part of what the program prints before it (empty: it prints nothing).
`;

/** What a profile needs besides a field that is checked. */
const minimal = {
  server: ["server"],
  client: ["client"],
  put: [[null, "{key} {value}"]],
  get: [[null, "{key}"]],
} as const;

/** Asks for a profile. Every field of the result is valid, and those with presets are left out. */
export async function askForProfile(asker: Asker): Promise<Fields> {
  const questions = new Questions(asker);
  asker.tell(introduction);
  const serverNames = "{ip} {port} {leaderIp} {leaderPort} {ip1} {port1} … {port3}";
  return {
    ...await questions.command("build", "Command that builds the programs (empty: none)", true),
    ...await questions.command("server", "Command that starts a server", false),
    ...await questions.command("client", "Command that starts a client", false),
    ...await questions.steps("serverDialog", "What a server asks for", serverNames),
    ...await questions.steps("leaderMore", "What only the leader asks for after that", serverNames),
    ...await questions.menu("What the client prints when it waits for a choice (empty: nothing)"),
    ...await questions.steps("init", "INIT, with its choice in the menu", "{ip1} … {port3}"),
    ...await questions.steps("put", "PUT, with its choice in the menu", "{key} {value}"),
    ...await questions.steps("get", "GET, with its choice in the menu", "{key}"),
    ...await questions.word("keys", "Keys: words or integers (empty: words)"),
    ...await questions.word("values", "Values: with-spaces or no-spaces (empty: with-spaces)"),
    ...await questions.word("encoding", "Encoding: utf-8 or iso-8859-1 (empty: utf-8)"),
    ...await questions.word(
      "refusalWord",
      "What a client prints if it is refused (empty: TRY_OTHER_SERVER_OR_LATER)",
    ),
  };
}

/** Questions for one field each. */
class Questions {
  readonly #asker: Asker;
  #bad = 0;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  command(field: string, question: string, mayBeEmpty: boolean): Promise<Fields> {
    return this.#untilGood(async () => {
      const line = await this.#ask(question);
      if (line === "" && mayBeEmpty) return {};
      return { [field]: line.split(/\s+/).filter((word) => word !== "") };
    });
  }

  word(field: string, question: string): Promise<Fields> {
    return this.#untilGood(async () => {
      const line = await this.#ask(question);
      return line === "" ? {} : { [field]: line };
    });
  }

  async menu(question: string): Promise<Fields> {
    const line = await this.#ask(question);
    return line === "" ? {} : { menu: escapePattern(line) };
  }

  steps(field: string, title: string, names: string): Promise<Fields> {
    return this.#untilGood(async () => {
      this.#asker.tell(`${title}. Names to type: ${names}. An empty line ends the steps.\n`);
      const steps: Step[] = [];
      while (steps.length < stepsMax) {
        const step = await this.#step(field, `  step ${steps.length + 1}`);
        if (step === undefined) break;
        steps.push(step);
      }
      return steps.length === 0 && !(field in minimal) ? {} : { [field]: steps };
    });
  }

  /** One step, `undefined` if there is none. What a whole dialogue must type is not checked here. */
  async #step(field: string, name: string): Promise<Step | undefined> {
    const rest: readonly Step[] = field === "put" || field === "get" ? minimal[field] : [];
    const { [field]: steps } = await this.#untilGood(async () => {
      const typed = await this.#ask(`${name}, typed`);
      if (typed === "") return { [field]: rest };
      const prompt = await this.#ask(`${name}, printed before it`);
      return { [field]: [[prompt === "" ? null : escapePattern(prompt), typed], ...rest] };
    });
    const given = steps as readonly Step[];
    return given.length > rest.length ? given[0] : undefined;
  }

  /** Asks again as long as the fields make no valid profile. */
  async #untilGood(ask: () => Promise<Fields>): Promise<Fields> {
    while (true) {
      const fields = await ask();
      try {
        parseProfile(JSON.stringify({ ...minimal, ...fields }), "new");
        return fields;
      } catch (error) {
        if (!(error instanceof ProfileError)) throw error;
        this.#bad++;
        if (this.#bad > badAnswersMax) throw new UsageError(error.message);
        this.#asker.tell(`${error.message}\n`);
      }
    }
  }

  async #ask(question: string): Promise<string> {
    return (await this.#asker.ask(`${question}: `)).trim();
  }
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
