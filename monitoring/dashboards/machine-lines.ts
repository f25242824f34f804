/** Lines at what one gateway can do, which follow from its machine. */

import type { MonitoringOptions } from "../options.ts";
import type { Line, PanelSpec } from "./panels.ts";

type Machine = Pick<MonitoringOptions, "cpuLimit" | "egressBits">;

/** The machine whose values are in REFERENCE_LINES: an e2-standard-2. */
const MEASURED = { cpuLimit: 1.9, egressBits: 4e9 };

/** Deliveries a second of one gateway: they grow with the cores. */
export function deliveriesLine({ cpuLimit = MEASURED.cpuLimit }: Machine): Line {
  return { limit: "deliveries", bad: "above", ...times(cpuLimit / MEASURED.cpuLimit) };
}

/** Bytes a second of one gateway. */
export function bytesSentLine({ egressBits = MEASURED.egressBits }: Machine): PanelSpec["line"] {
  if (egressBits === "unknown") return "network";
  return { limit: "bytesSent", bad: "above", ...times(egressBits / MEASURED.egressBits) };
}

/** A whole percentage, so that the line is at a round value. */
function times(factor: number): { times?: number } {
  const rounded = Math.round(factor * 100) / 100;
  return rounded === 1 ? {} : { times: rounded };
}

/** Cores of a gateway, for people. */
export function coresOf({ cpuLimit = MEASURED.cpuLimit }: Machine): string {
  const cores = Math.ceil(cpuLimit);
  return cores === 2 ? "two cores" : cores === 1 ? "one core" : `${cores} cores`;
}
