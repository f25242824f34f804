/** Decides whether tests that run Prometheus, Alertmanager and Loki are skipped. */

import { LOCAL_PROGRAMS } from "../../monitoring/local/programs.ts";
import { skipWithout } from "../../monitoring/testing/run-on-files.fixture.ts";

/**
 * Value of `skip` for tests that need all three programs: false where all are installed, else how to install
 * the missing program.
 *
 * @throws Error under CI when a program is missing, because CI must not skip a test
 */
export function skipWithoutPrograms(): string | false {
  for (const name of LOCAL_PROGRAMS) {
    const reason = skipWithout(name);
    if (reason !== false) return reason;
  }
  return false;
}
