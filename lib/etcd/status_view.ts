/**
 * What a member says about etcd's leader and alarms.
 *
 * @module
 */

import { type Address, formatAddress, isWildcard, parseHost, parsePort } from "../wire/address.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, explain } from "./errors.ts";
import { portOf } from "./options.ts";
import type { MemberStatus } from "./protocol.ts";

/** The longest pause before the leader's address is asked for again. */
const lookUpLongestMs = 5_000;

/** The longest text of etcd's errors that is reported, in UTF-16 units. */
const errorsCharsMax = 300;

/** How a view asks for the leader's address. */
export interface StatusViewOptions {
  /** The time limit of a request. */
  readonly silenceMs: number;
  /** The first pause after a request that did not tell the address. It doubles each time. */
  readonly redialFirstMs: number;
  /** Tells the operator. */
  report(line: string): void;
}

/**
 * The newest status of a member. Reports to the operator what has changed.
 *
 * The status has the leader's id only. Its address is asked for until it is known: a member that
 * has just started may not have told the others its URLs.
 */
export class StatusView {
  readonly #client: EtcdClient;
  readonly #options: StatusViewOptions;
  /** `undefined` while the member does not answer. */
  #status: MemberStatus | undefined;
  /** Where the leader in #status takes requests; "" if unknown. */
  #address = "";
  /** The request for that address; `undefined` if there is none. */
  #lookUp: Promise<void> | undefined;
  /** The time of the next request for it, and the pause after that. */
  #lookUpAtMs = 0;
  #lookUpPauseMs = 0;
  /** The errors that the operator was told of; "" if there are none. */
  #reportedErrors = "";

  /** Asks `client` for the leader's address. */
  constructor(client: EtcdClient, options: StatusViewOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Whether the member is etcd's leader, as it said last. */
  get leads(): boolean {
    return this.#status !== undefined && this.#status.leader === this.#status.member;
  }

  /** "ip:port" at which etcd's leader takes requests, "" if unknown. */
  get leader(): string {
    return this.#address;
  }

  /** Forgets the status: the member does not answer. */
  clear(): void {
    this.#status = undefined;
    this.#address = "";
  }

  /** Takes a new status. Returns whether the member has become the leader or stopped being it. */
  update(status: MemberStatus): boolean {
    const { leader } = status;
    const [before, led] = [this.#status?.leader, this.leads];
    this.#status = status;
    this.#reportErrors(status.errors);
    if (leader !== before) this.#leaderChanged(leader);
    const asks = leader !== "" && !this.leads && this.#address === "";
    if (asks && this.#lookUp === undefined && performance.now() >= this.#lookUpAtMs) {
      this.#lookUp = this.#findAddress(leader).finally(() => this.#lookUp = undefined);
    }
    return led !== this.leads;
  }

  /** Resolves when no request is under way. The client must be disposed of. */
  async close(): Promise<void> {
    await this.#lookUp;
  }

  #reportErrors(all: readonly string[]): void {
    const errors = all.filter((one) => !one.includes("no leader")).join(", ")
      .slice(0, errorsCharsMax);
    if (errors === this.#reportedErrors) return;
    this.#reportedErrors = errors;
    if (errors === "") return this.#options.report("etcd reports no more errors");
    const what = errors.includes("NOSPACE")
      ? explain(new EtcdError("no space", ""))
      : "etcd reports errors";
    this.#options.report(`${what}: ${errors}`);
  }

  #leaderChanged(id: string): void {
    this.#address = "";
    this.#lookUpAtMs = 0;
    this.#lookUpPauseMs = this.#options.redialFirstMs;
    if (id === "") {
      this.#options.report(`${explain(new EtcdError("no leader", ""))}: PUTs fail`);
    } else if (this.leads) this.#reportLeader("this server's member");
  }

  async #findAddress(id: string): Promise<void> {
    let failure = "it has told no URL with a host that can be dialled";
    let address: Address | undefined;
    try {
      const urls = await this.#client.clientUrls(id, this.#options.silenceMs);
      address = urls.map(addressIn).find((one) => one !== undefined);
    } catch (error) {
      failure = error instanceof EtcdError ? explain(error) : (error as Error).message;
    }
    if (this.#status?.leader !== id) return; // the leader has changed, or the member is lost
    if (address !== undefined) {
      this.#address = formatAddress(address);
      return this.#reportLeader(this.#address);
    }
    const first = this.#lookUpPauseMs === this.#options.redialFirstMs;
    if (first) this.#reportLeader(`its address is not known, asking again: ${failure}`);
    this.#lookUpAtMs = performance.now() + this.#lookUpPauseMs;
    this.#lookUpPauseMs = Math.min(2 * this.#lookUpPauseMs, lookUpLongestMs);
  }

  #reportLeader(where: string): void {
    this.#options.report(`etcd's leader is member ${this.#status?.leader}, ${where}`);
  }
}

/** The address in a URL; `undefined` if it is not one that can be dialled. */
function addressIn(text: string): Address | undefined {
  const url = URL.parse(text);
  if (url === null) return undefined;
  const [hostname, port] = [parseHost(url.hostname), parsePort(portOf(url))];
  if (hostname === undefined || port === undefined || isWildcard(hostname)) return undefined;
  return { hostname, port };
}
