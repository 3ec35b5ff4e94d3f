/**
 * A server's connection to its member of etcd: finding it, watching it, finding it again.
 *
 * @module
 */

import { LinkedAbort, sleep } from "./abort.ts";
import type { EtcdClient } from "./client.ts";
import { EtcdError, explain } from "./errors.ts";
import type { MemberStatus, WatchEvent } from "./protocol.ts";
import { StatusView } from "./status_view.ts";
import { WatchCursor } from "./watch_cursor.ts";

/** The pause between two requests for the member's status, by default. */
const pollMsDefault = 500;

/** A watch that is silent for this long is opened again: its connection may be dead. */
const watchIdleMsDefault = 60_000;

/** What a member reports to its owner. */
export interface MemberListener {
  /** A write, in the order of revisions, at most once. */
  written(event: WatchEvent): void;
  /** The watch has missed writes, and the keys were counted again. */
  table(): void;
  /** `leads` or `whyNot` may have changed. */
  changed(): void;
  /** Tells the operator. */
  report(line: string): void;
}

/** What a member needs from its owner. */
export interface MemberOptions {
  /** A member that does not answer for this long is lost. */
  readonly silenceMs: number;
  /** The first pause before a lost member is tried again. It doubles each time. */
  readonly redialFirstMs: number;
  /** The longest such pause. */
  readonly redialLongestMs: number;
  /** The pause between two requests for the member's status. */
  readonly pollMs?: number;
  /** A watch without any line for this long is opened again. */
  readonly watchIdleMs?: number;
  /** Returns a number from 0 up to, but not including, 1. */
  random(): number;
  /** Returns a name that no store had before. */
  newName(): string;
}

/** Ends a watch that was idle for too long. The next one is opened at once. */
const idle = new EtcdError("no answer", "the watch was idle for too long");

/**
 * The member of etcd that a server asks.
 *
 * - It can be asked while its watch is open. Otherwise {@linkcode EtcdMember.whyNot} says why not.
 * - A new watch continues after the last one. No write is shown twice. A write is left out only
 *   if etcd has compacted it, which is reported.
 * - A member that comes back with other data is never asked again: connected clients have seen
 *   timestamps of its former data.
 */
export class EtcdMember {
  readonly #url: string;
  readonly #client: EtcdClient;
  readonly #options: MemberOptions;
  readonly #listener: MemberListener;
  readonly #status: StatusView;
  readonly #cursor = new WatchCursor();
  readonly #closing = new AbortController();
  readonly #task: Promise<void>;
  #whyNot: string | undefined = "etcd has not been asked yet";
  #cluster = "";
  /** The kind of error that the operator was told of in this outage; "" if there is none. */
  #reportedLoss = "";

  /** Begins to look for the member at once. */
  constructor(
    url: string,
    client: EtcdClient,
    options: MemberOptions,
    listener: MemberListener,
  ) {
    this.#url = url;
    this.#client = client;
    this.#options = options;
    this.#listener = listener;
    const { silenceMs, redialFirstMs } = options;
    const report = (line: string) => listener.report(line);
    this.#status = new StatusView(client, { silenceMs, redialFirstMs, report });
    this.#task = this.#run();
  }

  /** Why the member cannot be asked; `undefined` if it can. */
  get whyNot(): string | undefined {
    return this.#whyNot;
  }

  /** The cluster id: that of etcd and the name of the store in it. "" before it is known. */
  get cluster(): string {
    return this.#cluster;
  }

  /** Whether the member is etcd's leader, as it said last. */
  get leads(): boolean {
    return this.#status.leads;
  }

  /** "ip:port" at which etcd's leader takes requests, "" if unknown. */
  get leader(): string {
    return this.#status.leader;
  }

  /** The number of keys. */
  get keys(): number {
    return this.#cursor.keys;
  }

  /** The newest revision up to which all writes were shown. */
  get revision(): number {
    return this.#cursor.revision;
  }

  /** Ends the watch, and resolves when it has ended. */
  async close(): Promise<void> {
    this.#closing.abort(new EtcdError("no answer", "this server is closing"));
    await this.#task;
    await this.#status.close();
  }

  async #run(): Promise<void> {
    const { redialFirstMs, redialLongestMs, random } = this.#options;
    const { signal } = this.#closing;
    let pauseMs = redialFirstMs;
    while (!signal.aborted) {
      try {
        await this.#find();
        await this.#watchAndPoll(() => pauseMs = redialFirstMs);
      } catch (error) {
        if (signal.aborted) break;
        this.#lost(error as Error);
        if (error instanceof EtcdError && error.kind === "other data") break;
      }
      await sleep(pauseMs * (0.5 + random() / 2), signal);
      pauseMs = Math.min(2 * pauseMs, redialLongestMs);
    }
  }

  /** Asks the member for its identity, and checks that it still has the same data. */
  async #find(): Promise<void> {
    const { silenceMs, newName } = this.#options;
    const status = await this.#client.status(silenceMs);
    this.#client.pin(status.cluster);
    const name = await this.#client.claim(newName(), silenceMs);
    if (!/^[\w-]{1,40}$/.test(name)) {
      const reason = "the value under the bare prefix is not the name of a store";
      throw new EtcdError("unexpected", reason);
    }
    const cluster = `${status.cluster}-${name}`;
    if (this.#cluster !== "" && cluster !== this.#cluster) {
      throw new EtcdError("other data", `${cluster} instead of ${this.#cluster}`);
    }
    this.#cluster = cluster;
    if (!this.#cursor.started) {
      const { revision, count } = await this.#client.count(silenceMs);
      this.#cursor.skipTo(revision, count);
    }
    this.#takeStatus(status);
  }

  /** Watches and polls the member until either fails. Calls `opened` for each open watch. */
  async #watchAndPoll(opened: () => void): Promise<never> {
    using failed = new LinkedAbort([this.#closing.signal]);
    const polling = this.#poll(failed);
    try {
      while (true) await this.#watch(failed.signal, opened);
    } finally {
      failed.abort();
      await polling;
    }
  }

  /** Asks for the member's status again and again. Aborts `failed` if there is no answer. */
  async #poll(failed: LinkedAbort): Promise<void> {
    const { silenceMs, pollMs = pollMsDefault } = this.#options;
    while (!failed.signal.aborted) {
      await sleep(pollMs, failed.signal);
      if (failed.signal.aborted) return;
      try {
        this.#takeStatus(await this.#client.status(silenceMs));
      } catch (error) {
        failed.abort(error);
      }
    }
  }

  /** Opens one watch. Returns if it was idle for too long, or its history was compacted. */
  async #watch(failed: AbortSignal, opened: () => void): Promise<void> {
    const { silenceMs, watchIdleMs = watchIdleMsDefault } = this.#options;
    using stop = new LinkedAbort([failed]);
    let lastLineMs = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - lastLineMs > watchIdleMs) stop.abort(idle);
    }, watchIdleMs / 4);
    try {
      for await (const line of this.#client.watch(this.#cursor.next, silenceMs, stop.signal)) {
        lastLineMs = performance.now();
        switch (line.kind) {
          case "progress":
            if (line.created) this.#found();
            if (line.created) opened();
            this.#cursor.progress(line.revision);
            break;
          case "events":
            for (const event of this.#cursor.advance(line.events, line.partial)) {
              this.#listener.written(event);
            }
            break;
          case "compacted":
            return await this.#skipCompacted(line.revision);
          case "failed":
            throw line.error;
        }
      }
      throw new EtcdError("no answer", "etcd has ended the watch");
    } catch (error) {
      if (stop.signal.reason !== idle) throw error;
    } finally {
      clearInterval(timer);
    }
  }

  /** Goes on with the newest revision: etcd has removed the history that the watch needs. */
  async #skipCompacted(compacted: number): Promise<void> {
    const { revision, count } = await this.#client.count(this.#options.silenceMs);
    this.#listener.report(
      `etcd has compacted its history up to revision ${compacted}: writes from revision ` +
        `${this.#cursor.next} to ${revision} are not shown as REPLICATION. GETs are not affected`,
    );
    this.#cursor.skipTo(revision, count);
    this.#listener.table();
  }

  #takeStatus(status: MemberStatus): void {
    if (this.#status.update(status)) this.#listener.changed();
  }

  #found(): void {
    if (this.#whyNot === undefined) return;
    this.#whyNot = undefined;
    this.#reportedLoss = "";
    this.#listener.report(
      `etcd at ${this.#url} answers, cluster ${this.#cluster}, revision ${this.revision}`,
    );
    this.#listener.changed();
  }

  /** Reports an outage once, not at each try, and again if its kind changes. */
  #lost(error: Error): void {
    const known = error instanceof EtcdError;
    const kind = known ? error.kind : "unexpected";
    this.#whyNot = known ? explain(error) : error.message;
    const loss = kind === "unreachable" ? "no answer" : kind;
    if (loss !== this.#reportedLoss) {
      const trying = kind === "other data" ? "" : ", trying again";
      this.#listener.report(`etcd at ${this.#url} is lost${trying}: ${this.#whyNot}`);
    }
    this.#reportedLoss = loss;
    this.#status.clear();
    this.#listener.changed();
  }
}
