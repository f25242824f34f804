/** Makes a certificate authority for a test, and certificates that the authority signs. */

import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const DAYS = "2"; // validity of the certificates

export interface Certificates {
  /** Paths of PEM files. */
  ca: string;
  certificate: string;
  key: string;
}

/**
 * The `skip` option of tests that need certificates: the reason when openssl is not installed, otherwise
 * false.
 *
 * @throws Error in CI when openssl is not installed, because CI must skip no test
 */
export function withoutOpenssl(): string | false {
  if (spawnSync("openssl", ["version"]).status === 0) return false;
  const why = "needs openssl: apt-get install openssl";
  if (process.env.CI === "true") throw new Error(why);
  return why;
}

/**
 * Makes a certificate authority and a server certificate that the authority signs.
 *
 * @param folder folder that gets the files
 * @param name the only subject alternative name of the certificate, in openssl's notation: `IP:127.0.0.1` or
 *   `DNS:nats.example`
 */
export function issueCertificates(folder: string, name: string): Certificates {
  const at = (file: string) => join(folder, file);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const [ca, key, request, certificate] = [at("ca.pem"), at("key.pem"), at("request.pem"), at("server.pem")];
  const caArgs = [
    "-keyout",
    at("ca-key.pem"),
    "-out",
    ca,
    "-days",
    DAYS,
    "-subj",
    "/CN=odin-ws test authority",
  ];
  openssl("req", "-x509", ...newKey, ...caArgs);
  openssl("req", ...newKey, "-keyout", key, "-out", request, "-subj", "/CN=odin-ws test server");
  writeFileSync(at("names"), `subjectAltName=${name}\n`);
  const signedBy = ["-CA", ca, "-CAkey", at("ca-key.pem"), "-set_serial", "1", "-extfile", at("names")];
  openssl("x509", "-req", "-in", request, "-out", certificate, "-days", DAYS, ...signedBy);
  return { ca, certificate, key };
}
