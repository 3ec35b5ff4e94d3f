/**
 * Certificates for tests only: their keys are not secret. They are valid from 2020 to 2120.
 *
 * Made with OpenSSL 3.0 by this script for bash:
 *
 * ```sh
 * set -e
 * printf '%s\n' [d] database=index new_certs_dir=. serial=serial default_md=sha256 policy=p unique_subject=no rand_serial=yes [p] commonName=supplied > d.cnf
 * sign() { # NAME EXTENSIONS FROM TO, and who signs
 *   openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out $1.key
 *   openssl req -new -key $1.key -subj "/CN=$1" -out $1.csr
 *   printf '%s\n' [x] $2 > x.cnf; : > index
 *   openssl ca -batch -notext -config d.cnf -name d -in $1.csr -out $1.pem -startdate $3 -enddate $4 -extfile x.cnf -extensions x $5
 * }
 * isca="basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign"
 * leaf="extendedKeyUsage=serverAuth,clientAuth subjectAltName=IP:127.0.0.1"
 * sign ca "$isca" 20200101000000Z 21200101000000Z "-selfsign -keyfile ca.key"
 * sign otherCa "$isca" 20200101000000Z 21200101000000Z "-selfsign -keyfile otherCa.key"
 * sign server "$leaf" 20200101000000Z 21200101000000Z "-cert ca.pem -keyfile ca.key"
 * sign stranger "$leaf" 20200101000000Z 21200101000000Z "-cert otherCa.pem -keyfile otherCa.key"
 * sign expired "$leaf" 20200101000000Z 20210101000000Z "-cert ca.pem -keyfile ca.key"
 * sign elsewhere "${leaf/127.0.0.1/127.0.0.2}" 20200101000000Z 21200101000000Z "-cert ca.pem -keyfile ca.key"
 * sign selfSigned "$leaf" 20200101000000Z 21200101000000Z "-selfsign -keyfile selfSigned.key"
 * openssl x509 -req -in ca.csr -signkey ca.key -days 36500 -out version1.pem
 * ```
 *
 * @module
 */

/** The CA of the cluster. */
export const ca = `-----BEGIN CERTIFICATE-----
MIIBXzCCAQagAwIBAgIUBlBK2euMUdHY2i9lfHLa132t6GgwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8IIh2IrF
yWzEnUGiVkPBCfS5p1hqQ+x877cMm+/iJBHpM5poKEPtH7mSqjQlAAgb/H0r1Gzb
XsfBt0Yfn2aru6NCMEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQw
HQYDVR0OBBYEFDEUK4aK02KsAd3nw9JfeytcwbQYMAoGCCqGSM49BAMCA0cAMEQC
IEShmfsJtTKJV2/45xTGYaqr+P/siuC57u0Xvc0AARnEAiBwj0iYkuzJXBaVBmNG
3cyA+FFL/jJV667oB32U9XINJA==
-----END CERTIFICATE-----
`;

/** Another CA. */
export const otherCa = `-----BEGIN CERTIFICATE-----
MIIBazCCARCgAwIBAgIUXAApenGtBpwwtxci2Ty7b/m13+gwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHb3RoZXJDYTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw
MDAwMFowEjEQMA4GA1UEAwwHb3RoZXJDYTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABGwPL2MS78q6oh4MUK//FAdvDmSP4Z2izZTkicFP8oCET+LqL1SQnYf7ub+9
xGn0BgIfccXq3vwYfo4prHbOff6jQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P
AQH/BAQDAgIEMB0GA1UdDgQWBBSHIcyNkalYLSq4O08SSx17SJHK9TAKBggqhkjO
PQQDAgNJADBGAiEA6N/Nd98t+uBs1Oe3eVPRvufuzNVDtMk4FPxcm89QeHkCIQCi
K26rUpirvwDWS5JHjet9Z3gTnnP8pSn96g86BizeQA==
-----END CERTIFICATE-----
`;

/** A certificate with the name and the key of the CA, in X.509 version 1. */
export const version1 = `-----BEGIN CERTIFICATE-----
MIIBFjCBvQIUTT+oxZEJHaLD0aCz2ohKRU78a0EwCgYIKoZIzj0EAwIwDTELMAkG
A1UEAwwCY2EwIBcNMjYxMTIzMDgyNjMxWhgPMjEyNjEwMzAwODI2MzFaMA0xCzAJ
BgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8IIh2IrFyWzEnUGi
VkPBCfS5p1hqQ+x877cMm+/iJBHpM5poKEPtH7mSqjQlAAgb/H0r1GzbXsfBt0Yf
n2aruzAKBggqhkjOPQQDAgNIADBFAiEAjotNwNH1ynNu+AhA5B5UaMPZwAtdYvy+
yDyocOBs/PwCIBvFqnoEBG9F0GQOEknsC9EgXIrdRgW3YPCkIxD9Ss7r
-----END CERTIFICATE-----
`;

/** A server of the cluster, at 127.0.0.1. */
export const server = {
  ca: ca,
  cert: `-----BEGIN CERTIFICATE-----
MIIBlDCCATqgAwIBAgIUKriK9LSeQO7PlfZBRSLZsfnGMYswCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MBExDzANBgNVBAMMBnNlcnZlcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABP0s
n6c7MBZ4CIx5mrIuZUuwfMzyNp2Q9Z7hk7dMK7/NIiMWkk9bZ1srcqtFMFtEM//c
zWvFlXH0XkCTSyX9JJmjcjBwMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcD
AjAPBgNVHREECDAGhwR/AAABMB0GA1UdDgQWBBSzaBnTC4RXPLMFHhzeOFJPqHwx
gDAfBgNVHSMEGDAWgBQxFCuGitNirAHd58PSX3srXMG0GDAKBggqhkjOPQQDAgNI
ADBFAiBawSwutaFJxT1ZIV0vHfWTOV6xVE3v9C0CqfHfO8tmrQIhAPsPjObc3Mv0
AY+VsUJKzAXJZBwR4ZekQbFg+meV7GOS
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJAuZI03pkAeFbfpf
ZYnItxKBzxMSD09Mqtz6rTymmwKhRANCAAT9LJ+nOzAWeAiMeZqyLmVLsHzM8jad
kPWe4ZO3TCu/zSIjFpJPW2dbK3KrRTBbRDP/3M1rxZVx9F5Ak0sl/SSZ
-----END PRIVATE KEY-----
`,
};

/** A server whose certificate is signed by the other CA. */
export const stranger = {
  ca: ca,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUL+xEPFdWt8BxQm6xahxMtKGFY+8wCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHb3RoZXJDYTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw
MDAwMFowEzERMA8GA1UEAwwIc3RyYW5nZXIwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAAQV0WLBwe2Kzgpzw8/d6p8tfBYVXDuR4Deth5mLR6W5fxNm10pczCvgzaKJ
EWfih62O3RmtjbZ3Kh3U+yO+ueRso3IwcDAdBgNVHSUEFjAUBggrBgEFBQcDAQYI
KwYBBQUHAwIwDwYDVR0RBAgwBocEfwAAATAdBgNVHQ4EFgQUNZaTUggbt6Pb9m8W
p7uEOXXaORQwHwYDVR0jBBgwFoAUhyHMjZGpWC0quDtPEksde0iRyvUwCgYIKoZI
zj0EAwIDSAAwRQIgI8U8ii5sh7QHoGg76YyGaJzkQkl8rRXppqTzwDDuG14CIQCF
kaRBnUgydeYaN684TNrGbV7sTIFaHxKL2hrkxeuq5w==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg00oesIJFArKJuTlS
xT0m7lclcLQV8xKYcOOZBIy/jg2hRANCAAQV0WLBwe2Kzgpzw8/d6p8tfBYVXDuR
4Deth5mLR6W5fxNm10pczCvgzaKJEWfih62O3RmtjbZ3Kh3U+yO+ueRs
-----END PRIVATE KEY-----
`,
};

/** A server whose certificate ended in 2021. */
export const expired = {
  ca: ca,
  cert: `-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUPG7ZpAd0Ylb38tKDpC9TJ57/08wwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAS
MRAwDgYDVQQDDAdleHBpcmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq2el
gzwKKj9Mbm8HENnY3VmfQUwOMUGXRTh4w3t1+aYrwVU9QUI1ZmTa8wC1GTURFNQl
cs3aNsJRL8Ma6qVKqqNyMHAwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsGAQUFBwMC
MA8GA1UdEQQIMAaHBH8AAAEwHQYDVR0OBBYEFHFG7VsUrgcI8gJpe3i+5mGuyPwj
MB8GA1UdIwQYMBaAFDEUK4aK02KsAd3nw9JfeytcwbQYMAoGCCqGSM49BAMCA0cA
MEQCIDPDLJsnIRFftf+PCmKstv/6WtyXPwDtk+LLdLmgvmnuAiAUztvDUMoRlSdn
R3ypLj6txcts1rm+Wxuv45BxqUSYxA==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAfLeO1c0Hg2YlmZe
YKib0T0xzcTNx2NwMkU5531nVs6hRANCAASrZ6WDPAoqP0xubwcQ2djdWZ9BTA4x
QZdFOHjDe3X5pivBVT1BQjVmZNrzALUZNREU1CVyzdo2wlEvwxrqpUqq
-----END PRIVATE KEY-----
`,
};

/** A server whose certificate is for 127.0.0.2. */
export const elsewhere = {
  ca: ca,
  cert: `-----BEGIN CERTIFICATE-----
MIIBlzCCAT2gAwIBAgIUewg614p7PTWd+AbY0yC9Ifjk3REwCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MBQxEjAQBgNVBAMMCWVsc2V3aGVyZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BJ2Msg3A85WwfrGY5Va1TQEGBcutyFFIs3bdV43yACPBAQuKzteEvmlI1GmiGbR1
OsD8gqGtfuO61V9kFJScJJCjcjBwMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEF
BQcDAjAPBgNVHREECDAGhwR/AAACMB0GA1UdDgQWBBS/p9PJAKdk0GTmFmT6Fyn4
OQiOVjAfBgNVHSMEGDAWgBQxFCuGitNirAHd58PSX3srXMG0GDAKBggqhkjOPQQD
AgNIADBFAiEAqm1x2xfSB5cHqm5ACZhDtB1l5g1M8wSSVxE+KgZOzBICIH11G6AQ
o/TxE8rIOZY+F2VoAal4RVafwqrsBdYftUOr
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSjZtT9u7xFJ28F1V
ui/xYkM4Q0TiluPUSujTB4m+ETGhRANCAASdjLINwPOVsH6xmOVWtU0BBgXLrchR
SLN23VeN8gAjwQELis7XhL5pSNRpohm0dTrA/IKhrX7jutVfZBSUnCSQ
-----END PRIVATE KEY-----
`,
};

/** A server that signed its certificate itself. */
export const selfSigned = {
  ca: ca,
  cert: `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUOUuHYyiUdK6hyyX+nWPLdRoO2lQwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKc2VsZlNpZ25lZDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEw
MTAwMDAwMFowFTETMBEGA1UEAwwKc2VsZlNpZ25lZDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABAYiSP2eg08whN37WxbU4PYJAxO8nWopi40BVpoT/dtN1i5cQleU
tsoAbhTNaR4HzRmv/HPZdviX60g5GhoF87ajUTBPMB0GA1UdJQQWMBQGCCsGAQUF
BwMBBggrBgEFBQcDAjAPBgNVHREECDAGhwR/AAABMB0GA1UdDgQWBBTdhwFMXzsu
fYyOJrjAR6Q7wsOj8jAKBggqhkjOPQQDAgNIADBFAiEAgGImmwn4CPtXx6mhIqxK
QQhuqDx1rFe2RVGXJ5j2mggCIDO+zDDMO7roqq+74HYSY2nSotbpCK7xMMxlI2pD
wlHI
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgV7Ec7kHwyg+9D5NT
dwCAdstbZg4/PWTj7o7aB+AeILChRANCAAQGIkj9noNPMITd+1sW1OD2CQMTvJ1q
KYuNAVaaE/3bTdYuXEJXlLbKAG4UzWkeB80Zr/xz2Xb4l+tIORoaBfO2
-----END PRIVATE KEY-----
`,
};
