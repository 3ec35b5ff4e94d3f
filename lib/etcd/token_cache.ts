/**
 * The token that authenticates requests to etcd.
 *
 * @module
 */

import { about, EtcdError } from "./errors.ts";

/** A user of etcd. */
export interface Login {
  /** The user's name. */
  readonly user: string;
  /** The user's password. */
  readonly password: string;
}

/** The longest token, in UTF-16 units, and the characters that a header may have. */
const tokenCharsMax = 4_096;
const tokenPattern = /^[\x21-\x7e]+$/;

/** Fetches a token when one is needed, and keeps it until it is no longer valid. */
export class TokenCache {
  readonly #login: Login | undefined;
  readonly #ask: (login: Login, withinMs: number) => Promise<unknown>;
  #token: string | undefined;
  /** The fetch under way. All requests that need a token wait for it. */
  #fetching: Promise<string> | undefined;

  /** `ask` asks etcd for a token. Without a login no token is needed. */
  constructor(
    login: Login | undefined,
    ask: (login: Login, withinMs: number) => Promise<unknown>,
  ) {
    this.#login = login;
    this.#ask = ask;
  }

  /** Whether requests need a token. */
  get needed(): boolean {
    return this.#login !== undefined;
  }

  /**
   * The token; `undefined` if none is needed.
   *
   * @throws {EtcdError} if etcd gives none. Nothing was written.
   */
  async get(withinMs: number): Promise<string | undefined> {
    if (this.#login === undefined || this.#token !== undefined) return this.#token;
    try {
      this.#fetching ??= this.#renew(this.#login, withinMs)
        .finally(() => this.#fetching = undefined);
      return await this.#fetching;
    } catch (cause) {
      throw about("cannot log in to etcd", cause, { notApplied: true });
    }
  }

  /** Drops a token that etcd has refused, unless a newer one is there. */
  forget(token: string | undefined): void {
    if (this.#token === token) this.#token = undefined;
  }

  /** Whether a text contains the password or the token, as an echo of a request would. */
  reveals(text: string): boolean {
    const { password } = this.#login ?? {};
    const escaped = password && JSON.stringify(password).slice(1, -1);
    return [password, escaped, this.#token].some((one) => one && text.includes(one));
  }

  async #renew(login: Login, withinMs: number): Promise<string> {
    const token = await this.#ask(login, withinMs);
    if (
      typeof token !== "string" || token.length > tokenCharsMax || !tokenPattern.test(token)
    ) {
      throw new EtcdError("unexpected", "etcd's answer to a login has no token");
    }
    return this.#token = token;
  }
}
