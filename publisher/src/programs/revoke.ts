/** `npm run revoke`: revokes a token, or all tokens of a user. */

import { valuesOrExit } from "@odin-ws/settings/command-line";
import { revoke } from "../revoke.ts";
import { COMMAND, readRevoke } from "./revoke-options.ts";

const { revoked, options, servers } = valuesOrExit(COMMAND, readRevoke(process.argv.slice(2), process.env));
const what = "jti" in revoked ? `the token ${revoked.jti}` : `all tokens of ${revoked.user} until now`;
try {
  await revoke(revoked, options);
  process.stdout.write(`revoked ${what}: NATS at ${servers} has stored the revocation\n`);
} catch (error) {
  process.stderr.write(`not revoked: ${what}, NATS at ${servers}: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
