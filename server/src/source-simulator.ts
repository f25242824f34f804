// placeholder until the real one lands
import type { Source } from "./source.ts";
export function simulatorSource(_: { rate: number; tokens?: number }): Source {
  return async (intake) => {
    intake.begin("x", 0);
    intake.status({ connected: true, warm: true });
  };
}
