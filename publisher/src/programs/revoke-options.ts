/** The command line of `npm run revoke`. */

import type { Revoked } from "@odin-ws/protocol/revocation";
import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { duration, nonEmpty } from "@odin-ws/settings/values";
import { readOptions } from "../options.ts";
import type { RevokeOptions } from "../revoke.ts";
import { loginMistakes, natsUrls, STREAM_VARIABLES } from "../stream-settings.ts";

export interface RevokeCommand {
  revoked: Revoked;
  options: RevokeOptions;
  /** `host:port`, without passwords. */
  servers: string;
}

const { NATS_CREDS_FILE, JS_REPLICAS, JS_HOME_DOMAIN } = STREAM_VARIABLES;

export const COMMAND = {
  name: "npm run revoke",
  about:
    "Revokes tokens: all gateways refuse them within a second and close their connections with 4401. " +
    "Give either --user or --jti.",
  options: {
    user: option(
      "SUB",
      nonEmpty().optional().describe("all tokens that this user (claim sub) has got so far"),
    ),
    jti: option("ID", nonEmpty().optional().describe("one token, by its claim jti")),
    for: option(
      "TIME",
      duration({ min: "1s", max: "87600h" })
        .optional()
        .describe("how long the revocation lasts: at least as long as the tokens are valid (no end)"),
    ),
    url: option(
      "URL",
      natsUrls()
        .optional()
        .describe(
          "NATS server as for npm run publish (nats://127.0.0.1:4222). Prefer NATS_URL for a password: other users of " +
            "this machine can see arguments",
        ),
      { variable: "NATS_URL", secret: true },
    ),
  },
  variables: { NATS_CREDS_FILE, JS_REPLICAS, JS_HOME_DOMAIN },
} satisfies Command;

/** Reads the command line and the environment. */
export function readRevoke(args: readonly string[], env: NodeJS.ProcessEnv): Read<RevokeCommand> {
  const read = readCommand(COMMAND, args, env, ({ user, jti, url, NATS_CREDS_FILE: file }) => [
    ...(user === undefined && jti === undefined
      ? ["--user is missing: it must be given, unless --jti is given"]
      : []),
    ...(user !== undefined && jti !== undefined ? ["--jti is not possible together with --user"] : []),
    ...loginMistakes({ NATS_URL: url, NATS_CREDS_FILE: file }),
  ]);
  if (read === "help" || "mistakes" in read) return read;
  const { user, jti, for: ms, url, NATS_CREDS_FILE: file, JS_REPLICAS: replicas } = read;
  const { JS_HOME_DOMAIN: homeDomain } = read;
  const revoked: Revoked = jti === undefined ? { user: user as string } : { jti };
  const where = {
    ...(url !== undefined && { servers: url }),
    ...(file !== undefined && { credentialsFile: file }),
  };
  const options = {
    ...where,
    name: "odin-revoke",
    replicas,
    ...(homeDomain !== undefined && { homeDomain }),
    ...(ms !== undefined && { seconds: ms / 1000 }),
  };
  return { revoked, options, servers: readOptions(where).servers.join(", ") };
}
