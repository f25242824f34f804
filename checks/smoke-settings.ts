import { parseArgs } from "node:util";

const DEADLINE = 180; // s: a new gateway needs two health checks, and the load balancer some seconds more

/** Settings of the smoke test; see {@link USAGE}. */
export interface SmokeSettings {
  url: string;
  secureUrl?: string | undefined;
  secureRequired: boolean;
  origin?: string | undefined;
  jwtSecret?: string | undefined;
  token?: string | undefined;
  /** The authentication that the gateways must use. Undefined: either is accepted. */
  auth?: "jwt" | "none" | undefined;
  /** `projects/P/regions/R/backendServices/N`, or `projects/P/global/backendServices/N`. */
  backendService?: string | undefined;
  /** Self link of the instance group. */
  group?: string | undefined;
  deadlineSeconds: number;
}

export const USAGE = `npm run smoke -- ws://HOST:3004/ws [options]

Connects to the gateways as a client does, subscribes, waits for a message, and asks Google whether all gateways are healthy.
An option overrides its environment variable. Exit code: 0 everything works, 1 a check failed, 2 wrong arguments.

  URL                        ODIN_SMOKE_URL               where clients connect
  --secure-url URL           ODIN_SMOKE_SECURE_URL        wss:// entrance, if there is one
  --secure-required          ODIN_SMOKE_SECURE_REQUIRED   true: a certificate that is not active yet, or a name that is not in the
                                                          DNS yet, is a failure and not a warning
  --origin ORIGIN            ODIN_SMOKE_ORIGIN            one of the allowed origins
  --auth jwt|none            ODIN_SMOKE_AUTH              authentication that the gateways must use (default: either)
  --backend-service NAME     ODIN_SMOKE_BACKEND_SERVICE   projects/P/regions/R/backendServices/N, to check the gateways' health
  --group LINK               ODIN_SMOKE_GROUP             self link of the gateways' instance group, to check their health
  --deadline SECONDS         ODIN_SMOKE_DEADLINE_SECONDS  time for all attempts together (default ${DEADLINE})
                             ODIN_SMOKE_JWT_SECRET        secret that the gateways check tokens with; used to make a token
                             ODIN_SMOKE_TOKEN             a token, instead of the secret
                             ODIN_COMPUTE_URL             instead of https://compute.googleapis.com`;

/** Wrong arguments or settings; one line for each mistake. */
export class WrongSettings extends Error {
  override readonly name = "WrongSettings";
}

/** @throws WrongSettings */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): SmokeSettings {
  const { values, positionals } = parse(args);
  const mistakes: string[] = [];
  const url = positionals[0] ?? (env.ODIN_SMOKE_URL || undefined);
  const settings: SmokeSettings = {
    url: url ?? "",
    secureUrl: (values["secure-url"] ?? env.ODIN_SMOKE_SECURE_URL) || undefined,
    secureRequired: values["secure-required"] ?? env.ODIN_SMOKE_SECURE_REQUIRED === "true",
    origin: (values.origin ?? env.ODIN_SMOKE_ORIGIN) || undefined,
    jwtSecret: env.ODIN_SMOKE_JWT_SECRET || undefined,
    token: env.ODIN_SMOKE_TOKEN || undefined,
    auth: undefined,
    backendService:
      (values["backend-service"] ?? env.ODIN_SMOKE_BACKEND_SERVICE)?.replace(SELF_LINK, "") || undefined,
    group: (values.group ?? env.ODIN_SMOKE_GROUP) || undefined,
    deadlineSeconds: Number((values.deadline ?? env.ODIN_SMOKE_DEADLINE_SECONDS) || DEADLINE),
  };
  if (positionals.length > 1) mistakes.push(`one URL, not ${positionals.length}`);
  if (url === undefined) mistakes.push("no URL: give ws://HOST:3004/ws or set ODIN_SMOKE_URL");
  else if (!isUrl(url, ["ws:", "wss:"]))
    mistakes.push(
      "the URL must be ws://HOST:PORT/ws, or wss://…, without a token (ODIN_SMOKE_TOKEN takes it)",
    );
  if (settings.secureUrl !== undefined && !isUrl(settings.secureUrl, ["wss:"]))
    mistakes.push("the secure URL (--secure-url, ODIN_SMOKE_SECURE_URL) must be wss://HOST/ws");
  const auth = (values.auth ?? env.ODIN_SMOKE_AUTH) || undefined;
  if (auth === "jwt" || auth === "none") settings.auth = auth;
  else if (auth !== undefined) mistakes.push("--auth (ODIN_SMOKE_AUTH) must be jwt or none");
  if (settings.backendService !== undefined && !BACKEND_SERVICE.test(settings.backendService))
    mistakes.push(
      "--backend-service (ODIN_SMOKE_BACKEND_SERVICE) must be projects/P/regions/R/backendServices/N",
    );
  if ((settings.backendService === undefined) !== (settings.group === undefined))
    mistakes.push("--backend-service and --group (ODIN_SMOKE_BACKEND_SERVICE, ODIN_SMOKE_GROUP) go together");
  if (!(settings.deadlineSeconds > 0 && settings.deadlineSeconds <= 3600))
    mistakes.push("--deadline (ODIN_SMOKE_DEADLINE_SECONDS) must be 1 to 3600 seconds");
  if (mistakes.length > 0) throw new WrongSettings(mistakes.join("\n"));
  return settings;
}

const SELF_LINK = /^https:\/\/[^/]+\/compute\/[^/]+\//;
const BACKEND_SERVICE = /^projects\/[^/]+\/(regions\/[^/]+|global)\/backendServices\/[^/]+$/;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        "secure-url": { type: "string" },
        "secure-required": { type: "boolean" },
        origin: { type: "string" },
        auth: { type: "string" },
        "backend-service": { type: "string" },
        group: { type: "string" },
        deadline: { type: "string" },
      },
    });
  } catch (error) {
    throw new WrongSettings(error instanceof Error ? error.message : String(error));
  }
}

/** Whether the text is a URL with one of these protocols and without a token, because URLs end up in logs. */
function isUrl(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && !url.searchParams.has("auth");
}
