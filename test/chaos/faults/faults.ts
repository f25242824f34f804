/** Makes each kind of fault, and ends it. */

import type { Fault, FaultName } from "../schedule.ts";
import type { Site } from "../site/site.ts";
import { gatewayFaults } from "./gateway-faults.ts";
import { lineFaults } from "./line-faults.ts";
import { natsFaults } from "./nats-faults.ts";

/** Makes a fault and resolves when the fault is over and everything that it stopped runs again. */
type Make = (site: Site, fault: Fault) => Promise<void>;

export const MAKE: Record<FaultName, Make> = { ...gatewayFaults, ...lineFaults, ...natsFaults };
