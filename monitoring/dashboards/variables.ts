import {
  CustomVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { JOB, OTHER_METRIC } from "../limits/metrics.ts";
import { SOURCES } from "./panels.ts";

/** Matcher for the chosen gateways. At first all gateways are chosen. */
export const CHOSEN = 'instance=~"$instance"';

/** A list of the gateways that existed in the time range. */
export function gatewayVariable(): QueryVariableBuilder {
  return new QueryVariableBuilder("instance")
    .label("Gateway")
    .description("Gateways in panels with one line for each gateway. Sums are always over all gateways.")
    .datasource(SOURCES.prometheus)
    .query(`label_values(${OTHER_METRIC.up}{job="${JOB.gateway}"}, instance)`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".*")
    .current({ selected: true, text: ["All"], value: ["$__all"] });
}

/** A text field. */
export function textVariable(
  name: string,
  label: string,
  description: string,
  value: string,
): TextBoxVariableBuilder {
  const option = { selected: true, text: value, value };
  return new TextBoxVariableBuilder(name)
    .label(label)
    .description(description)
    .defaultValue(value)
    .current(option)
    .options([option]);
}

/** A choice of a few values. @param values the first value is chosen at first */
export function choiceVariable(
  name: string,
  label: string,
  description: string,
  values: readonly string[],
): CustomVariableBuilder {
  const [first = ""] = values;
  return new CustomVariableBuilder(name)
    .label(label)
    .description(description)
    .values(values.join(","))
    .current({ selected: true, text: first, value: first })
    .options(values.map((value) => ({ selected: value === first, text: value, value })));
}
