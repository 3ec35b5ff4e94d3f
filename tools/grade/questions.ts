/**
 * The questions of a new profile. A bad answer is told and asked for again.
 *
 * @module
 */

import { UsageError } from "../../lib/cli/flags.ts";
import { parseProfile, ProfileError } from "./profile.ts";

/** Where questions are asked. */
export interface Asker {
  /** Asks a question and returns the typed line. */
  readonly ask: (question: string) => Promise<string>;
  /** Writes a text that is no question. */
  readonly tell: (text: string) => void;
}

/** The fields of a profile as they are in its file. */
export type Fields = Readonly<Record<string, unknown>>;

const badAnswersMax = 20;

/** The requests of a profile whose steps are not known yet. */
export const withoutSteps = {
  put: [[null, "{key} {value}"]],
  get: [[null, "{key}"]],
} as const;

/** What a profile needs besides a field that is checked. */
const minimal = { server: ["server"], client: ["client"], ...withoutSteps } as const;

const introduction =
  `A profile tells how programs are started and typed to. First the commands, with
a space between words. Programs that take addresses as arguments have names in braces instead:
{ip} {port} {leaderIp} {leaderPort} for a server, {ip1} {port1} to {ip3} {port3} for a client.
`;

/** Questions about a profile, and complaints about answers. */
export class Questions {
  readonly #asker: Asker;
  #bad = 0;

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** Asks for all but the dialogues. Fields with presets are left out. */
  async commands(): Promise<Fields> {
    this.#asker.tell(introduction);
    return {
      ...await this.#command("build", "Command that builds the programs (empty: none)", true),
      ...await this.#command("server", "Command that starts a server", false),
      ...await this.#command("client", "Command that starts a client", false),
      ...await this.#word("ports", "Ports: free, or fixed if they cannot be chosen (empty: free)"),
      ...await this.#word("keys", "Keys: words or integers (empty: words)"),
      ...await this.#word("values", "Values: with-spaces or no-spaces (empty: with-spaces)"),
      ...await this.#word("encoding", "Encoding: utf-8 or iso-8859-1 (empty: utf-8)"),
      ...await this.#word(
        "refusalWord",
        "What a client prints if it is refused (empty: TRY_OTHER_SERVER_OR_LATER)",
      ),
    };
  }

  /** Asks again as long as the fields make no valid profile. */
  async #untilGood(ask: () => Promise<Fields>): Promise<Fields> {
    while (true) {
      const fields = await ask();
      if (!this.refuses(fields)) return fields;
    }
  }

  /**
   * Tells what is wrong with fields, if anything is, and returns whether it did.
   *
   * @throws {UsageError} after too many bad answers.
   */
  refuses(fields: Fields): boolean {
    try {
      parseProfile(JSON.stringify({ ...minimal, ...fields }), "new");
      return false;
    } catch (error) {
      if (!(error instanceof ProfileError)) throw error;
      this.#bad++;
      if (this.#bad > badAnswersMax) throw new UsageError(error.message);
      this.#asker.tell(`${error.message}\n`);
      return true;
    }
  }

  #command(field: string, question: string, mayBeEmpty: boolean): Promise<Fields> {
    return this.#untilGood(async () => {
      const line = await this.#ask(question);
      if (line === "" && mayBeEmpty) return {};
      if (line === "") this.#asker.tell("It cannot be empty: type it as in a terminal\n");
      return { [field]: line.split(/\s+/).filter((word) => word !== "") };
    });
  }

  #word(field: string, question: string): Promise<Fields> {
    return this.#untilGood(async () => {
      const line = await this.#ask(question);
      return line === "" ? {} : { [field]: line };
    });
  }

  async #ask(question: string): Promise<string> {
    return (await this.#asker.ask(`${question}: `)).trim();
  }
}
