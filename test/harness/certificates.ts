/** A certificate authority of a test's own, and certificates by it. */

import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const DAYS = "2"; // that the certificates are valid

export interface Certificates {
  /** Paths of PEM files. */
  ca: string;
  certificate: string;
  key: string;
}

/** The `skip` of tests that need certificates; under CI nothing goes untested, so there it is a failure. */
export function withoutOpenssl(): string | false {
  if (spawnSync("openssl", ["version"]).status === 0) return false;
  const why = "needs openssl: apt-get install openssl";
  if (process.env.CI === "true") throw new Error(why);
  return why;
}

/**
 * Makes an authority and a server's certificate by it.
 *
 * @param folder where the files go.
 * @param name whom the certificate is for, as openssl writes it: `IP:127.0.0.1` or `DNS:nats.example`. Nothing else is in it.
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
