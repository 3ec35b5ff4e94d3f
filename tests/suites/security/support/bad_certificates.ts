/**
 * Wrong certificates, each with one fault, and good ones that are made in the same way.
 *
 * @module
 */

import {
  caExtensions,
  type CertificateOptions,
  type Certificates,
  rsaKey,
  serverExtensions,
} from "./certificates.ts";

/** The end that looks at a certificate: one that dials a server, or a leader that a follower dials. */
export type Verifier = "dialler" | "leader";

/** A kind of certificate. */
export interface Kind {
  /** The fault in words, after "a certificate". */
  readonly what: string;
  /** Who refuses it (both). A leader asks only who signed a follower's certificate. */
  readonly by?: Verifier;
  /** The certificates from the one below the CA down to the leaf, which is the last one. */
  readonly chain: readonly CertificateOptions[];
  /** Whether the end that shows it leaves out those between the CA and the leaf. */
  readonly leafOnly?: boolean;
  /** The CA that the verifier trusts ("ca"). Its options, if it is another one. */
  readonly root?: CertificateOptions;
}

/** The leaf of a good server, with other extensions in place of those of the same name. */
function withExtensions(...extensions: string[]): CertificateOptions {
  const names = extensions.map((one) => one.split("=")[0]);
  const kept = serverExtensions.filter((one) => !names.includes(one.split("=")[0]));
  return { extensions: [...kept, ...extensions] };
}

const intermediate: CertificateOptions = { extensions: caExtensions };
const limitedTo = (ip: string): CertificateOptions => ({
  extensions: [...caExtensions, `nameConstraints=critical,permitted;IP:${ip}/255.0.0.0`],
});
const pathLength0: CertificateOptions = {
  extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"],
};
const expired = { from: "20200101000000Z", to: "20210101000000Z" };
const rsaRoot: CertificateOptions = { extensions: caExtensions, key: rsaKey(2048) };

/** Certificates that are accepted: without their fault those below are accepted too. */
export const goodKinds: readonly Kind[] = [
  { what: "of the CA", chain: [{}] },
  { what: "of a CA between", chain: [intermediate, {}] },
  { what: "of a CA with path length 0", chain: [pathLength0, {}] },
  { what: "within the name constraints", chain: [limitedTo("127.0.0.0"), {}] },
  { what: "with an RSA key of 2048 bits", chain: [{ key: rsaKey(2048) }], root: rsaRoot },
];

/** Certificates that are refused. */
export const badKinds: readonly Kind[] = [
  { what: "that is signed by itself", chain: [{ issuer: "leaf" }] },
  { what: "of another CA", chain: [{ issuer: "other" }] },
  { what: "of another CA of the same name", chain: [{ issuer: "twin" }] },
  { what: "that has expired", chain: [expired] },
  { what: "that is not valid yet", chain: [{ from: "21100101000000Z" }] },
  { what: "of a CA between that has expired", chain: [{ ...intermediate, ...expired }, {}] },
  {
    what: "for another IP address",
    by: "dialler",
    chain: [withExtensions("subjectAltName=IP:127.0.0.2")],
  },
  {
    what: "for a name, where an IP address is dialled",
    by: "dialler",
    chain: [withExtensions("subjectAltName=DNS:localhost")],
  },
  {
    what: "with the address in the CN alone",
    by: "dialler",
    chain: [{ extensions: serverExtensions.slice(0, 2), commonName: "127.0.0.1" }],
  },
  {
    what: "with a wildcard",
    by: "dialler",
    chain: [withExtensions("subjectAltName=DNS:*,DNS:*.0.0.1,DNS:127.0.0.*")],
  },
  {
    what: "with the IP address as a DNS name",
    by: "dialler",
    chain: [withExtensions("subjectAltName=DNS:127.0.0.1")],
  },
  {
    what: "for clients only",
    by: "dialler",
    chain: [withExtensions("extendedKeyUsage=clientAuth")],
  },
  {
    what: "for servers only",
    by: "leader",
    chain: [withExtensions("extendedKeyUsage=serverAuth")],
  },
  { what: "for signing code only", chain: [withExtensions("extendedKeyUsage=codeSigning")] },
  { what: "whose CA between is not shown", chain: [intermediate, {}], leafOnly: true },
  { what: "that is signed by a server's certificate", chain: [{}, {}] },
  { what: "of a CA between of X.509 version 1", chain: [{ extensions: undefined }, {}] },
  { what: "beyond the path length of a CA", chain: [pathLength0, intermediate, {}] },
  { what: "outside the name constraints of a CA", chain: [limitedTo("10.0.0.0"), {}] },
  {
    what: "with a critical extension that is not known",
    chain: [withExtensions("1.2.3.4=critical,ASN1:NULL")],
  },
  { what: "with an RSA key of 512 bits", chain: [{ key: rsaKey(512) }], root: rsaRoot },
  { what: "with an RSA key of 1024 bits", chain: [{ key: rsaKey(1024) }], root: rsaRoot },
  {
    what: "of a CA between with an RSA key of 1024 bits",
    chain: [{ ...intermediate, key: rsaKey(1024) }, {}],
    root: rsaRoot,
  },
  { what: "with a signature over SHA-1", chain: [{ digest: "sha1" }] },
  { what: "with a signature over MD5", chain: [{ digest: "md5" }], root: rsaRoot },
  { what: "of X.509 version 1", chain: [{ extensions: undefined }] },
];

/** Makes the files of a kind: "leaf.pem", "leaf.key", "chain.pem" for the others, and "ca.pem". */
export async function makeKind(certificates: Certificates, kind: Kind): Promise<void> {
  const { chain, root } = kind;
  if (root !== undefined) await certificates.sign("ca", { ...root, issuer: "ca" });
  const others = { other: "other", twin: "ca" };
  for (const [name, commonName] of Object.entries(others)) {
    if (chain[0]!.issuer !== name) continue;
    await certificates.sign(name, { issuer: name, commonName, extensions: caExtensions });
  }
  const shown: string[] = [];
  let issuer = "ca";
  for (const [index, options] of chain.entries()) {
    const name = index === chain.length - 1 ? "leaf" : `between${index}`;
    await certificates.sign(name, { issuer, ...options });
    if (name !== "leaf") shown.unshift(certificates.read(`${name}.pem`));
    issuer = name;
  }
  certificates.write("chain.pem", kind.leafOnly ? "" : shown.join(""));
}
