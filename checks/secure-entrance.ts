// Failures that pass by themselves after a first deployment: the name does not lead to the load balancer yet, or the managed
// certificate is not active yet (up to an hour after the name does).
const NAME = new Set(["ENOTFOUND", "ENODATA", "EAI_AGAIN"]);
const CERTIFICATE = new Set([
  "EPROTO",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Why a secure connection that failed may only be not there yet; undefined where it is a failure (an expired certificate is). */
export function notYet(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (NAME.has(code)) return `the name is not in the DNS yet (${code})`;
  const beforeTls = code === "ECONNRESET" && error.message.includes("before secure TLS connection");
  if (CERTIFICATE.has(code) || code.startsWith("ERR_SSL_") || beforeTls)
    return `no valid certificate yet (${code}): a managed one takes up to an hour after its DNS records are there`;
  return undefined;
}
