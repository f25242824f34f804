import type { AlertCase } from "./alert-case.fixture.ts";
import { GATEWAY_CASES } from "./gateway.fixture.ts";
import { MONITORING_CASES } from "./monitoring.fixture.ts";
import { NATS_CASES } from "./nats.fixture.ts";
import { PUBLISHER_CASES } from "./publisher.fixture.ts";
import { REGION_CASES } from "./regions.fixture.ts";
import { SLO_CASES } from "./slo.fixture.ts";

/**
 * At least one case for each alert, except for Watchdog, which needs no data. An alert with several causes
 * has several cases.
 */
export const ALERT_CASES: readonly AlertCase[] = [
  ...GATEWAY_CASES,
  ...NATS_CASES,
  ...PUBLISHER_CASES,
  ...REGION_CASES,
  ...MONITORING_CASES,
  ...SLO_CASES,
];
