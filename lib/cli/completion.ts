/**
 * Scripts with which bash and zsh complete the client's commands and flags.
 *
 * @module
 */

import { languages } from "./language.ts";
import { tlsFlags } from "./tls_flags.ts";

/** The shells. */
export const shells = ["bash", "zsh"] as const;

/** One of {@linkcode shells}. */
export type Shell = typeof shells[number];

/** The words that a script offers. */
export interface CompletionWords {
  /** The names of commands, and the flags. A flag that takes a value ends with "=". */
  readonly first: readonly string[];
  /** The words that may follow a command. */
  readonly after: Readonly<Record<string, readonly string[]>>;
}

/** The flags that name files. The function `kv` has no permission to read any. */
const fileFlags: readonly string[] = ["session", ...tlsFlags].map((flag) => `--${flag}=`);

/**
 * The script for a shell. It defines the function `kv`, which runs the client from any folder, and
 * completes its words:
 *
 * - commands and flags where a command may stand, flags after a dash;
 * - the first operand of a command in `after`, and the value of `--lang`;
 * - no other operand or value, and no flag for which `kv` has no permission.
 */
export function completionScript(shell: Shell, { first, after }: CompletionWords): string {
  const isFlag = (word: string) => word.startsWith("--");
  const allowed = first.filter((word) => !fileFlags.includes(word));
  const takeValue = first.filter((word) => isFlag(word) && word.endsWith("="));
  const operands = Object.entries(after).map(([command, words]) =>
    `      1:${command}) choices="${words.join(" ")}" ;;\n`
  ).join("");
  const { begin, end } = scripts[shell];
  return `kv() { deno run --no-prompt --allow-net ${shellQuoted(clientPath())} "$@"; }
_kv() {
${begin}  local word command='' flag='' dashes='' choices='' count=-1
  for word in "\${before[@]}"; do
    if [[ -n "$flag" ]]; then flag=''; continue; fi
    case "$dashes$word" in
      ${takeValue.map((flag) => flag.slice(0, -1)).join("|")}) flag="$word" ;;
      --) dashes='/' ;;
      -*) ;;
      *) count=$((count + 1)); if [[ "$count" == 1 ]]; then command="$word"; fi ;;
    esac
  done
  if [[ "$flag" == --lang ]]; then choices="${languages.join(" ")}"
  elif [[ -n "$flag" ]]; then choices=''
  elif [[ "$dashes$current" == --lang=* ]]; then
    choices="${languages.map((language) => `--lang=${language}`).join(" ")}"
  elif [[ "$dashes$current" == --*=* ]]; then choices=''
  elif [[ "$dashes$current" == -* ]]; then choices="${allowed.filter(isFlag).join(" ")}"
  else
    case "$count:$command" in
      0:) choices="${allowed.join(" ")}" ;;
${operands}    esac
  fi
${end}`;
}

/** What differs between the shells: the words up to the cursor, and how choices are offered. */
const scripts: Readonly<Record<Shell, { readonly begin: string; readonly end: string }>> = {
  // COMP_WORDS is split at "=" and ":" too, so it is used only if it is all there is. compopt does not exist in bash 3.2 (macOS), so the script
  // adds the blank after a word itself.
  bash: {
    begin: `  local line="\${COMP_LINE-\${COMP_WORDS[*]}}" current='' before
  line="\${line:0:\${COMP_POINT-\${#line}}}"
  IFS=$' \\t' read -ra before <<< "$line"
  if [[ "$line" != *[[:blank:]] ]]; then
    current="\${before[\${#before[@]}-1]}"
    unset "before[\${#before[@]}-1]"
  fi
`,
    end: `  COMPREPLY=($(compgen -W "$choices" -- "$current"))
  for word in "\${!COMPREPLY[@]}"; do
    if [[ "\${COMPREPLY[word]}" != *= ]]; then COMPREPLY[word]+=' '; fi
  done
  if [[ "$current" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
    COMPREPLY=("\${COMPREPLY[@]#*=}")
  fi
}
complete -o nospace -F _kv kv
`,
  },
  zsh: {
    begin: `  local current="\${words[CURRENT]}"
  local -a before
  before=("\${(@)words[1,CURRENT-1]}")
`,
    end: `  compadd -S ' ' -- \${\${=choices}:#*=}
  compadd -S '' -- \${(M)\${=choices}:#*=}
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _kv kv
`,
  },
};

/** The path of `client.ts`, which is found from the path of this file. */
function clientPath(): string {
  const { protocol, pathname, href } = new URL("../../client.ts", import.meta.url);
  return protocol === "file:" ? decodeURIComponent(pathname) : href;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
