/**
 * The server's help: one page for an operator, one with the limits.
 *
 * @module
 */

import { ipDefault, portsDefault } from "../limits.ts";
import { version } from "../version.ts";
import { etcdPrefixDefault, etcdUrlDefault } from "./etcd_flags.ts";
import { type HelpPage, limitFlags, type NumberFlag, tuningFlags } from "./server_flags.ts";

/** Returns the text of a page. */
export function serverUsage(page: HelpPage): string {
  if (page === "version") return `${version}\n`;
  return page === "limits" ? limitsUsage() : operatorUsage();
}

function usageLine({ name, help, preset, unit = 1 }: NumberFlag, width: number): string {
  return `  ${`--${name}=N`.padEnd(width)}${help} (${preset / unit})\n`;
}

function operatorUsage(): string {
  const { clusterSize, minInSync } = tuningFlags;
  const cluster = [clusterSize, minInSync].map((flag) => usageLine(flag, 24)).join("");
  return `One server of the replicated key-value store.

deno task server [FLAGS]

  --ip=IP                 IP address to listen on (asked for; ${ipDefault})
  --port=PORT             port to listen on (asked for; ${portsDefault[0]})
  --leader-ip=HOST        the leader's IP address or name (asked for; ${ipDefault})
  --leader-port=PORT      the leader's port (asked for; ${portsDefault[0]})
  --advertise=HOST[:PORT] where others dial this server, if not at --ip; needed with 0.0.0.0 or ::
${cluster}\
  --data-dir=DIR          directory of the journal; "auto" is one in data/ (none: memory alone)
  --metrics-port=PORT     port of /metrics, /healthz and /readyz, by HTTP (none)
  --secret-stdin          the secret of servers is the first line of the input
  --password-stdin        the password of clients is the next line of the input
  --tls-cert, --tls-key   this server's certificate, with those up to the CA, and its key, in PEM
  --tls-ca=FILE           the CA: servers join only with a certificate that it has signed
  --engine=ENGINE         embedded, or etcd, which keeps the data and has its own leader (embedded)
  --etcd=URL              the etcd member to ask (${etcdUrlDefault})
  --etcd-prefix=TEXT      prefix of the keys in etcd, the same on all servers (${etcdPrefixDefault})
  --etcd-user=NAME        user at etcd
  --etcd-password-stdin   the password of that user is the next line of the input
  --etcd-ca=FILE          the CA of etcd's certificate, in PEM
  --etcd-cert, --etcd-key this server's certificate for etcd and its private key, in PEM
  --insecure              without a secret or TLS, listen where other machines can reach it
  --allow-faults          any client may hold up replication to a follower: for lessons and tests
  --quiet                 nothing on standard error, except why the server ends
  --help, --help=limits   this text, or the timeouts, sizes and other limits; -h and help too
  --version               the version

The server whose address is the leader's is the leader. Give all servers the same flags, except
their addresses. Ctrl-C stops a server.
  deno task server --ip=127.0.0.1 --port=10098 --leader-ip=127.0.0.1 --leader-port=10097

The task server:durable has --data-dir=auto, server:tls takes the files in tls/. server:secret takes
KV_SECRET and KV_PASSWORD from the environment, server:etcd takes KV_ETCD_USER, KV_ETCD_PASSWORD and
KV_PASSWORD. For other files give the permission yourself (DENO_TLS_CA_STORE= allows no other CA):
  deno run --allow-net --allow-read=D --allow-write=D server.ts --data-dir=D
  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=C,K,A server.ts \\
    --tls-cert=C --tls-key=K --tls-ca=A
`;
}

function limitsUsage(): string {
  const lines = (flags: readonly NumberFlag[]) => flags.map((flag) => usageLine(flag, 28)).join("");
  const { clusterSize: _, minInSync: __, ...tuning } = tuningFlags;
  return `The limits of a server. Flags of seconds and MiB take fractions; defaults are in brackets.

Replication, the same on all servers:
${lines(Object.values(tuning))}
Connections:
${lines(Object.values(limitFlags))}
Limits without a flag are part of the wire contract: see docs/wire.md.
`;
}
