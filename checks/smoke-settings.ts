import { type Command, flag, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { boolean, choice, decimal, nonEmpty, text } from "@odin-ws/settings/values";

// 3 min: a new gateway must pass two health checks, and the load balancer takes some seconds more.
const DEADLINE_SECONDS = 180;

/** Settings of the smoke test; see {@link COMMAND}. */
export interface SmokeSettings {
  url: string;
  secureUrl?: string | undefined;
  secureRequired: boolean;
  origin?: string | undefined;
  jwtSecret?: string | undefined;
  /** Issuer and audience of the token that is made with the secret. */
  jwtIssuer?: string | undefined;
  jwtAudience?: string | undefined;
  token?: string | undefined;
  /** The authentication that the gateways must use. Undefined: either is accepted. */
  auth?: "jwt" | "none" | undefined;
  /** `projects/P/regions/R/backendServices/N`, or `projects/P/global/backendServices/N`. */
  backendService?: string | undefined;
  /** Self link of the instance group. */
  group?: string | undefined;
  /** `projects/P/locations/global/certificates/N`: the certificate of the secure entrance. */
  certificate?: string | undefined;
  quietStream: boolean;
  deadlineSeconds: number;
}

const CERTIFICATE = /^projects\/[^/]+\/locations\/[^/]+\/certificates\/[^/]+$/;
const BACKEND_SERVICE = /^projects\/[^/]+\/(regions\/[^/]+|global)\/backendServices\/[^/]+$/;
/** Self links are accepted too: this part of them is removed. */
const SELF_LINK = /^https:\/\/[^/]+\/compute\/[^/]+\//;

/** A URL without a token, which would end up in logs: a token has a variable of its own. */
const clientUrl = (protocols: readonly string[], allowed: string) =>
  text((address) => {
    const url = URL.parse(address);
    return url !== null && protocols.includes(url.protocol) && !url.searchParams.has("auth");
  }, allowed);

export const COMMAND = {
  name: "npm run smoke",
  usage: "npm run smoke -- ws://HOST:3004/ws [options]",
  about: `Connects to the gateways like a client, subscribes, waits for a message, resumes on a second connection, and asks Google whether all gateways are healthy.
An option overrides its environment variable. Exit code: 0 all checks passed, 1 a check failed, 2 wrong arguments.`,
  words: {
    URL: option(
      "",
      clientUrl(
        ["ws:", "wss:"],
        "must be ws://HOST:PORT/ws, or wss://…, without a token (ODIN_SMOKE_TOKEN takes the token)",
      ).describe("address for clients"),
      // Not shown in a mistake, because a wrong URL may contain a token.
      { variable: "ODIN_SMOKE_URL", secret: true },
    ),
  },
  options: {
    "secure-url": option(
      "URL",
      clientUrl(["wss:"], "must be wss://HOST/ws, without a token")
        .optional()
        .describe("wss:// entrance, if there is one"),
      { variable: "ODIN_SMOKE_SECURE_URL", secret: true },
    ),
    "secure-required": flag(
      boolean()
        .default(false)
        .describe(
          "a certificate that is not active yet, or a name that is not in the DNS yet, is a failure and not a warning",
        ),
      { variable: "ODIN_SMOKE_SECURE_REQUIRED" },
    ),
    certificate: option(
      "NAME",
      text((name) => CERTIFICATE.test(name), "must be projects/P/locations/L/certificates/N")
        .optional()
        .describe(
          "projects/P/locations/L/certificates/N, the certificate of the wss:// entrance: once Google says that it is ACTIVE, a wss:// that fails is a failure and not a warning",
        ),
      { variable: "ODIN_SMOKE_CERTIFICATE" },
    ),
    "quiet-stream": flag(
      boolean()
        .default(false)
        .describe("the stream may carry no message for a long time: a missing message is no failure"),
      { variable: "ODIN_SMOKE_QUIET_STREAM" },
    ),
    origin: option("ORIGIN", nonEmpty().optional().describe("one of the allowed origins"), {
      variable: "ODIN_SMOKE_ORIGIN",
    }),
    auth: option(
      "jwt|none",
      choice(["jwt", "none"])
        .optional()
        .describe("authentication that the gateways must use (default: either)"),
      { variable: "ODIN_SMOKE_AUTH" },
    ),
    "backend-service": option(
      "NAME",
      text(
        (name) => BACKEND_SERVICE.test(name.replace(SELF_LINK, "")),
        "must be projects/P/regions/R/backendServices/N",
      )
        .transform((name) => name.replace(SELF_LINK, ""))
        .optional()
        .describe("projects/P/regions/R/backendServices/N, to check the gateways' health"),
      { variable: "ODIN_SMOKE_BACKEND_SERVICE" },
    ),
    group: option(
      "LINK",
      nonEmpty().optional().describe("self link of the gateways' instance group, to check their health"),
      {
        variable: "ODIN_SMOKE_GROUP",
      },
    ),
    deadline: option(
      "SECONDS",
      decimal(1, 3600)
        .default(DEADLINE_SECONDS)
        .describe(`time for all attempts together (${DEADLINE_SECONDS})`),
      { variable: "ODIN_SMOKE_DEADLINE_SECONDS" },
    ),
  },
  variables: {
    ODIN_SMOKE_JWT_SECRET: nonEmpty()
      .optional()
      .describe("secret that the gateways check tokens with; used to make a token"),
    ODIN_SMOKE_JWT_ISSUER: nonEmpty()
      .optional()
      .describe("issuer of this token, if the gateways require one"),
    ODIN_SMOKE_JWT_AUDIENCE: nonEmpty()
      .optional()
      .describe("audience of this token, if the gateways require one"),
    ODIN_SMOKE_TOKEN: nonEmpty().optional().describe("a token, instead of the secret"),
    ODIN_COMPUTE_URL: nonEmpty().optional().describe("instead of https://compute.googleapis.com"),
    ODIN_CERTIFICATES_URL: nonEmpty()
      .optional()
      .describe("instead of https://certificatemanager.googleapis.com"),
  },
  secrets: new Set(["ODIN_SMOKE_JWT_SECRET", "ODIN_SMOKE_TOKEN"]),
} satisfies Command;

/** Reads the arguments after the script's name, and the environment. */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): Read<SmokeSettings> {
  const read = readCommand(COMMAND, args, env, ({ "backend-service": backendService, group }) =>
    (backendService === undefined) === (group === undefined)
      ? []
      : [
          "--backend-service and --group (ODIN_SMOKE_BACKEND_SERVICE, ODIN_SMOKE_GROUP) must be given together",
        ],
  );
  if (read === "help" || "mistakes" in read) return read;
  return {
    url: read.URL,
    secureUrl: read["secure-url"],
    secureRequired: read["secure-required"],
    origin: read.origin,
    jwtSecret: read.ODIN_SMOKE_JWT_SECRET,
    jwtIssuer: read.ODIN_SMOKE_JWT_ISSUER,
    jwtAudience: read.ODIN_SMOKE_JWT_AUDIENCE,
    token: read.ODIN_SMOKE_TOKEN,
    auth: read.auth,
    backendService: read["backend-service"],
    group: read.group,
    certificate: read.certificate,
    quietStream: read["quiet-stream"],
    deadlineSeconds: read.deadline,
  };
}
