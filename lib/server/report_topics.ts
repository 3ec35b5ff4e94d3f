/**
 * How many lines peers can cause on the standard error of a server, by topic.
 *
 * @module
 */

import { ReportLimiter, serverLinesMax } from "../net/report_limiter.ts";
import type { ReportTopic } from "../replication/environment.ts";

/** What the lines that peers can cause are about. */
export type Topic =
  | ReportTopic
  | "connections"
  | "TLS"
  | "certificates"
  | "accept"
  | "dial"
  | "open files"
  | "memory"
  | "failures"
  | "engine";

/** The topics on which strangers cause no line where servers have a secret. */
const fromServers: Readonly<Partial<Record<Topic, number>>> = {
  members: serverLinesMax,
  recovery: serverLinesMax,
  leader: serverLinesMax,
  faults: serverLinesMax,
};

/** Passes lines on to `report`, and counts those of a topic that are too many. */
export function limitedReports(report: (line: string) => void): ReportLimiter<Topic> {
  return new ReportLimiter(report, { linesMax: fromServers });
}
