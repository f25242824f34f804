import { RANGES } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import type { StackConfig } from "./config.ts";

const SPOT_DRAIN = 15; // s; Google gives a spot VM 30 s

/** The gateway's environment as far as it follows from the stack's configuration. Secrets and NATS come on top. */
export function gatewayEnvironment(config: StackConfig): Record<string, string> {
  const { gateway, allowedOrigins, domain, spot } = config;
  return {
    GCP_METRICS: "on",
    ...(allowedOrigins.length > 0 ? { WS_ALLOWED_ORIGINS: allowedOrigins.join(",") } : {}),
    // Through the TLS entrance every client comes from Google's proxies, which say for whom.
    ...(domain === undefined ? {} : { WS_TRUSTED_PROXIES: RANGES.proxies.join(",") }),
    ...(spot ? { WS_DRAIN_SECONDS: String(SPOT_DRAIN) } : {}),
    ...gateway,
  };
}

/** How long a gateway takes to send its clients away, seconds. */
export function drainSeconds(environment: Record<string, string>): number {
  return SETTINGS.WS_DRAIN_SECONDS.parse(environment.WS_DRAIN_SECONDS);
}
