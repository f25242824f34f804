/** The tests of a rollout: the canary before it, and the gate at its end. */

import {
  after,
  type CanaryArgs,
  type GatewayFleet,
  type LoadBalancer,
  type MonitoringVm,
  type Nats,
  RolloutGate,
  type WssEntrance,
} from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import * as pulumi from "@pulumi/pulumi";
import { clientUrl } from "./client-url.ts";
import type { StackConfig } from "./config/config.ts";
import type { Foundation } from "./foundation.ts";
import { CANARY_CHECK } from "./machines.ts";
import { monitoringZone } from "./monitoring/zone.ts";

const SMOKE_TEST = "npm run --silent smoke";
/**
 * Deadline of the smoke test: gateways boot, pull their image, and may wait minutes until new grants take
 * effect.
 */
const GATE_SECONDS = "600";

/** The canary of a stack; undefined when the stack has none. */
export function canaryArgs(config: StackConfig, monitoringVm: MonitoringVm): CanaryArgs | undefined {
  if (!config.canary) return undefined;
  return {
    command: CANARY_CHECK,
    environment: {
      CANARY_MINUTES: String(config.canaryMinutes),
      MONITORING: monitoringVm.instance,
      ZONE: monitoringZone(config),
      ...asClient(config),
    },
  };
}

/** How the smoke test presents itself to the gateways. */
function asClient(config: StackConfig): Record<string, pulumi.Input<string>> {
  const { quietStream, allowedOrigins, jwtSecret, gateway } = config;
  const [origin] = allowedOrigins;
  const [issuer] = SETTINGS.JWT_ISSUER.parse(gateway.JWT_ISSUER);
  const [audience] = SETTINGS.JWT_AUDIENCE.parse(gateway.JWT_AUDIENCE);
  return {
    ...(quietStream ? { ODIN_SMOKE_QUIET_STREAM: "true" } : {}),
    ...(origin === undefined ? {} : { ODIN_SMOKE_ORIGIN: origin }),
    ...(jwtSecret === undefined ? {} : { ODIN_SMOKE_JWT_SECRET: pulumi.secret(jwtSecret) }),
    ...(issuer === undefined ? {} : { ODIN_SMOKE_JWT_ISSUER: issuer }),
    ...(audience === undefined ? {} : { ODIN_SMOKE_JWT_AUDIENCE: audience }),
  };
}

/** What a gate tests. */
export interface Tested {
  nats: Nats;
  monitoringVm: MonitoringVm;
  fleet: GatewayFleet;
  loadBalancer: LoadBalancer;
  /** The TLS entrance; undefined without a domain, and where another gate tests it. */
  wss: WssEntrance | undefined;
}

/** The test through the entrances of one region, after the rollout there. */
export function createGate({ config, apis }: Foundation, tested: Tested, name = "rollout"): RolloutGate {
  const { nats, monitoringVm, fleet, loadBalancer, wss } = tested;
  const { domain } = config;
  return new RolloutGate(
    name,
    {
      command: SMOKE_TEST,
      environment: {
        ODIN_SMOKE_URL: clientUrl(loadBalancer),
        ODIN_SMOKE_BACKEND_SERVICE: loadBalancer.backendService,
        ODIN_SMOKE_GROUP: fleet.instanceGroup,
        ODIN_SMOKE_DEADLINE_SECONDS: GATE_SECONDS,
        ...(wss
          ? { ODIN_SMOKE_SECURE_URL: `wss://${domain}/ws`, ODIN_SMOKE_CERTIFICATE: wss.certificate }
          : {}),
        ...asClient(config),
      },
      triggers: [fleet.stable],
    },
    // The gateways run, but no gateway is healthy before NATS is.
    after(apis, fleet, nats, monitoringVm, loadBalancer, ...(wss ? [wss] : [])),
  );
}

/**
 * The image once the gate has passed. The outputs of a stack change only when all of them are known, so after
 * a failed rollout the output is the image of the update before, which the next update without `serverImage`
 * keeps. A preview runs no gate.
 */
export function proven(image: pulumi.Output<string>, gate: RolloutGate): pulumi.Output<string> {
  if (pulumi.runtime.isDryRun()) return image;
  return pulumi.all([image, pulumi.unsecret(gate.result)]).apply(([image]) => image);
}
