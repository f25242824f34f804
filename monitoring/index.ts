export { monitoringFiles } from "./files.ts";
export { localOptions } from "./local/options.ts";
export type { MonitoringOptions, MonthlyPrices, Receivers } from "./options.ts";
export { LOG_DAYS } from "./services/loki.ts";
export { PORTS } from "./services/ports.ts";
