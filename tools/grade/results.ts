/**
 * Tells whether a client has answered a request, from what it printed after the last typed line.
 *
 * @module
 */

import type { Request } from "./run.ts";

/** Whether text has a finished line that answers a request, in whatever words. */
export function mentionsResult(fresh: string, request: Request, refusalWord: string): boolean {
  const lines = fresh.split("\n").slice(0, -1); // the last line is not finished
  return lines.some((line) => {
    if (line.includes(refusalWord)) return true;
    if (!line.includes(request.key)) return false;
    if (request.op === "PUT") return /PUT.?_?OK/i.test(line);
    const rest = line.replaceAll(request.key, "").replace(/^\W*(?:key|chave)\W*$/i, "");
    return /\bGET\b.*\S|obtid|recebid|value|valor|null|none/i.test(rest) && rest.trim().length > 5;
  });
}
