/** NATS servers of a home region and of another region, whose server is a leaf node of the home region's. */

import { type Gateway, type GatewayOptions, startGateway } from "../../harness/gateway.ts";
import { type Nats, startNats } from "../../harness/nats.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { HERE, type Place } from "../../harness/process-group.ts";
import { Link } from "./link.ts";

export const HOME_DOMAIN = "home";
export const LAST_STREAM = "ODIN_TOKENS_LAST";
const ROUND_TRIP_MS = 80;
/** A server that does not answer for 3 s is given up. In the deployment this takes longer. */
const PINGS = "ping_interval: 1s, ping_max: 2";

export interface RegionsOptions {
  home?: Place;
  far?: Place;
  /** Address in the far region's network at which that region reaches the link. */
  link?: string;
}

export interface Regions {
  home: Nats;
  far: Nats;
  link: Link;
  /** Starts a gateway of the home region. */
  homeGateway(options?: GatewayOptions): Promise<Gateway>;
  /** Starts a gateway of the other region. */
  farGateway(options?: GatewayOptions): Promise<Gateway>;
}

export async function startRegions(owner: Owner, options: RegionsOptions = {}): Promise<Regions> {
  const { home: homePlace = HERE, far: farPlace = HERE, link: listen = "127.0.0.1" } = options;
  const leafPort = await freePort();
  const home = await startNats(owner, {
    place: homePlace,
    config: `server_name: home
jetstream { domain: ${HOME_DOMAIN}, sync_interval: always }
# Otherwise the other region would learn an address that goes around the link.
leafnodes { listen: "${homePlace.host}:${leafPort}", no_advertise: true }
${PINGS}
`,
  });
  const link = await Link.open(owner, {
    listen,
    target: { host: homePlace.host, port: leafPort },
    delayMs: ROUND_TRIP_MS / 2,
  });
  const far = await startNats(owner, {
    place: farPlace,
    config: `server_name: far
jetstream { domain: far, sync_interval: always }
leafnodes { reconnect: 1s, remotes: [ { urls: [ "nats-leaf://${link.host}:${link.port}" ] } ] }
${PINGS}
`,
  });
  return {
    home,
    far,
    link,
    homeGateway: (more = {}) => startGateway(owner, { nats: home, place: homePlace, ...more }),
    farGateway: ({ env, ...more } = {}) =>
      startGateway(owner, {
        nats: far,
        place: farPlace,
        env: { JS_HOME_DOMAIN: HOME_DOMAIN, ...env },
        ...more,
      }),
  };
}
