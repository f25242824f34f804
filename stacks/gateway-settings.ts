import { RANGES } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import { sizeSettings } from "./config/gateway-size.ts";

const SPOT_DRAIN = 15; // s; Google stops a spot VM 30 s after the notice

/**
 * The part of the gateway's environment that follows from the stack's configuration. Secrets, NATS and
 * proxies are added later.
 */
export function gatewayEnvironment(config: StackConfig): Record<string, string> {
  const { gateway, allowedOrigins, spot, machineType } = config;
  return {
    GCP_METRICS: "on",
    ...(allowedOrigins.length > 0 ? { WS_ALLOWED_ORIGINS: allowedOrigins.join(",") } : {}),
    ...(spot ? { WS_DRAIN_SECONDS: String(SPOT_DRAIN) } : {}),
    ...sizeSettings(machineType),
    ...gateway,
  };
}

/**
 * WS_TRUSTED_PROXIES behind the TLS entrance. Every client reaches the gateway through Google's proxies,
 * which append the client's address and then the entrance's own address to X-Forwarded-For.
 *
 * @param address the entrance's IPv4 address
 */
export function trustedProxies(address: pulumi.Input<string>): pulumi.Output<string> {
  return pulumi.interpolate`${RANGES.proxies.join(",")},${address}/32`;
}

/** How long a gateway takes to send its clients away, in seconds. @param environment the gateway's */
export function drainSeconds(environment: Record<string, string>): number {
  return SETTINGS.WS_DRAIN_SECONDS.parse(environment.WS_DRAIN_SECONDS);
}
