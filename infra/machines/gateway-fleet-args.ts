import type * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";
import type { BootArgs } from "./boot.ts";
import type { CanaryArgs } from "./gateway-canary.ts";

/** Arguments of `GatewayFleet`. */
export interface GatewayFleetArgs {
  site: Site;
  /** Subnet in the site's region. The VMs have no public address, so the subnet needs a NAT. */
  subnet: pulumi.Input<string>;
  /** Zones of the site's region, at least one. Another list replaces the group. */
  zones: string[];
  /** For example `e2-standard-2`. */
  machineType: string;
  /** Exact image in project cos-cloud, for example `cos-133-19999-44-85`; not a family. */
  cosImage: string;
  /** E-mail of the service account that the gateways run under. */
  account: pulumi.Input<string>;
  /**
   * What the start-up script reads; the fleet adds settings. Running gateways apply a change in place, one
   * after the other. Any other change of the template replaces them, in waves of one VM for each zone.
   */
  boot: Omit<BootArgs, "role">;
  /** Fewest gateways; `FLEET_RANGES` has the range. */
  minInstances: number;
  /** Most gateways, at least `minInstances`; `FLEET_RANGES` has the range. */
  maxInstances: number;
  /** Average CPU of the gateways above which the autoscaler adds one, as a part of 1, for example 0.6. */
  cpuTarget: number;
  /** Average connections of a gateway above which the autoscaler adds one, for example 8000. */
  connectionsTarget: number;
  /**
   * Minutes, 1 to 60: the autoscaler removes at most one gateway in this time, and only after the load has
   * been low for this time.
   */
  scaleInMinutes: number;
  /** How long a gateway takes to send its clients away, in seconds: 0 to 100, with `spot` 0 to 20. */
  drainSeconds: number;
  /** Cheaper VMs, which Google may stop at any time. Default: false. */
  spot?: boolean | undefined;
  /**
   * Command that waits until all gateways run the template. The command runs on the machine that deploys,
   * after each new template and for each new group. It finds GROUP and TEMPLATE in its environment: the id of
   * the instance group manager and the URL of the template. Default: nothing waits for the gateways.
   */
  rolloutCheck?: string | undefined;
  /**
   * Tries each new template on gateways of their own, before any other gateway gets the template. Default:
   * all gateways get it at once.
   */
  canary?: CanaryArgs | undefined;
  /**
   * False: the fleet of another region declares the metric of connections, which belongs to the project.
   * Default: true.
   */
  declaresMetric?: boolean | undefined;
  /**
   * True: the autoscaler adds no gateway, so that the group can be made empty. Such a fleet needs no
   * `rolloutCheck`, because an empty group runs no template. Default: false.
   */
  drain?: boolean | undefined;
  /**
   * Resources that have to be created or changed before the group starts or replaces a gateway, for example
   * the servers that the gateways connect to. Default: none.
   */
  after?: pulumi.Resource[] | undefined;
}
