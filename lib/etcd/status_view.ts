/**
 * What a member says about etcd's leader and alarms.
 *
 * @module
 */

import { formatAddress, parseIp, parsePort } from "../wire/address.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, explain } from "./errors.ts";
import type { MemberStatus } from "./protocol.ts";

/** The newest status of a member. Reports to the operator what has changed. */
export class StatusView {
  readonly #client: EtcdClient;
  readonly #silenceMs: number;
  readonly #report: (line: string) => void;
  /** `undefined` while the member does not answer. */
  #status: MemberStatus | undefined;
  /** The id of etcd's leader, and where it takes requests; "" if unknown. */
  #leader = { id: "", address: "" };
  /** The errors that the operator was told of; "" if there are none. */
  #reportedErrors = "";

  /** Asks `client` for the leader's address within `silenceMs`. */
  constructor(client: EtcdClient, silenceMs: number, report: (line: string) => void) {
    this.#client = client;
    this.#silenceMs = silenceMs;
    this.#report = report;
  }

  /** Whether the member is etcd's leader, as it said last. */
  get leads(): boolean {
    return this.#status !== undefined && this.#status.leader === this.#status.member;
  }

  /** "ip:port" at which etcd's leader takes requests, "" if unknown. */
  get leader(): string {
    return this.#leader.address;
  }

  /** Forgets the status: the member does not answer. */
  clear(): void {
    this.#status = undefined;
  }

  /** Takes a new status. Returns whether the member has become the leader or stopped being it. */
  async update(status: MemberStatus): Promise<boolean> {
    const before = this.#status?.leader;
    const led = this.leads;
    this.#status = status;
    this.#reportErrors(status.errors);
    if (status.leader !== before) await this.#setLeader(status.leader);
    return led !== this.leads;
  }

  #reportErrors(all: readonly string[]): void {
    const errors = all.filter((one) => !one.includes("no leader")).join(", ");
    if (errors === this.#reportedErrors) return;
    this.#reportedErrors = errors;
    if (errors === "") return this.#report("etcd reports no more errors");
    const what = errors.includes("NOSPACE")
      ? explain(new EtcdError("no space", ""))
      : "etcd reports errors";
    this.#report(`${what}: ${errors}`);
  }

  async #setLeader(id: string): Promise<void> {
    if (id === "") {
      this.#leader = { id: "", address: "" };
      this.#report(`${explain(new EtcdError("no leader", ""))}: PUTs fail`);
      return;
    }
    if (this.#leader.id !== id) this.#leader = { id, address: await this.#addressOf(id) };
    const where = this.leads
      ? "this server's member"
      : this.#leader.address || "its address is unknown";
    this.#report(`etcd's leader is member ${id}, ${where}`);
  }

  /** "" if the user may not list the members, or the URL has a host name. */
  async #addressOf(id: string): Promise<string> {
    const url = await this.#client.clientUrl(id, this.#silenceMs).catch(() => undefined);
    const { hostname = "", port = "" } = URL.parse(url ?? "") ?? {};
    const [ip, number] = [parseIp(hostname), parsePort(port)];
    const known = ip !== undefined && number !== undefined;
    return known ? formatAddress({ hostname: ip, port: number }) : "";
  }
}
