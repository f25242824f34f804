// Failures that pass by themselves after a first deployment: the name is not in the DNS yet, or the managed
// certificate is not active yet (this takes up to an hour after the name is in the DNS).
const NAME = new Set(["ENOTFOUND", "ENODATA", "EAI_AGAIN"]);
const CERTIFICATE = new Set([
  "EPROTO",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/**
 * Returns why a secure connection is not possible yet, when the error may pass by itself. Returns undefined
 * for a real failure, such as an expired certificate.
 */
export function notYet(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (NAME.has(code)) return `the name is not in the DNS yet (${code})`;
  const beforeTls = code === "ECONNRESET" && error.message.includes("before secure TLS connection");
  if (CERTIFICATE.has(code) || code.startsWith("ERR_SSL_") || beforeTls)
    return `no valid certificate yet (${code}): a managed certificate takes up to an hour after its DNS records exist`;
  return undefined;
}
