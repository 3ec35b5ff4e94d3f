/**
 * The frame of the grader's HTML files: one file, no script, nothing loaded.
 *
 * @module
 */

import { escapeControls } from "../../../lib/cli/escape.ts";
import type { ReportTexts } from "./texts.ts";

const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --faint: #57606a; --line: #d0d7de;
  --met: #116329; --bad: #b3130f; --open: #7a4d00; --mark: #fff1c2; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --text: #e6edf3; --faint: #9da7b3;
  --line: #3d444d; --met: #56d364; --bad: #ff8a80; --open: #e3b341; --mark: #4a3a00; } }
body { margin: 0 auto; max-width: 80rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
th[scope=row] { font-weight: normal; }
.met { color: var(--met); } .met-in-other-words { color: var(--met); }
.not-met { color: var(--bad); font-weight: bold; } .inconclusive { color: var(--open); }
code, pre, .line { font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
ul.lines { margin: .3rem 0; padding: 0; list-style: none; }
a { color: inherit; } small, .faint { color: var(--faint); }
summary { cursor: pointer; font-weight: bold; padding: .3rem 0; }
.wide { overflow-x: auto; border: 1px solid var(--line); }
svg text { font: 12px ui-monospace, monospace; fill: var(--text); white-space: pre; }
svg text.faint { fill: var(--faint); } svg .life { stroke: var(--line); }
svg .dot { fill: var(--text); stroke: var(--text); } svg .in .dot { fill: var(--back); stroke-width: 2; }
svg rect.frame { fill: var(--back); stroke: none; } svg text.head { font-weight: bold; } svg .bad rect.frame { fill: var(--mark); stroke: var(--bad); }
svg g:target rect.frame { stroke: var(--text); stroke-width: 2; }
@media print { details { display: block; } .wide { overflow: visible; } }
`;

/** A whole HTML document. `title` is text, `body` is HTML. */
export function page(title: string, body: string, texts: ReportTexts): string {
  return `<!doctype html>
<html lang="${texts.tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML or SVG, in an element or in a quoted attribute. Invisible characters are spelled out. */
export function escapeHtml(text: string): string {
  return escapeControls(text).replaceAll(/[&<>"']/g, (char) => entities[char]!);
}
