/**
 * Types of the JSON of Grafana's dashboards, built from the types that Grafana Labs generates from Grafana's
 * schema. The dashboard's schema does not define the options and queries of panels: their types come from the
 * plugins of the panel and of the data source.
 */

import type * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import type * as logs from "@grafana/grafana-foundation-sdk/logs";
import type * as loki from "@grafana/grafana-foundation-sdk/loki";
import type * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as table from "@grafana/grafana-foundation-sdk/table";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

interface Options {
  timeseries: timeseries.Options;
  stat: stat.Options;
  table: table.Options;
  logs: logs.Options;
}

interface CustomFields {
  timeseries: timeseries.FieldConfig;
  stat: never;
  table: table.FieldConfig;
  logs: never;
}

interface Queries {
  prometheus: prometheus.Dataquery;
  loki: loki.dataquery;
}

type PanelType = keyof Options;
type SourceType = keyof Queries;

interface Fields<Type extends PanelType> extends Omit<dashboard.FieldConfig, "custom"> {
  custom?: CustomFields[Type];
}

interface FieldSource<Type extends PanelType> extends Omit<dashboard.FieldConfigSource, "defaults"> {
  defaults: Fields<Type>;
}

interface Panel<Type extends PanelType, Source extends SourceType>
  extends Omit<dashboard.Panel, "type" | "options" | "targets" | "fieldConfig"> {
  type: Type;
  options: Options[Type];
  targets: Queries[Source][];
  fieldConfig: FieldSource<Type>;
}

interface Annotation extends Omit<dashboard.AnnotationQuery, "target"> {
  target: prometheus.Dataquery;
}

interface Board extends Omit<dashboard.Dashboard, "panels" | "annotations"> {
  panels: dashboard.RowPanel[];
  annotations: { list?: Annotation[] };
}

/** A panel as it is in the dashboard's file. */
export type PanelJson<Type extends PanelType, Source extends SourceType> = Json<Panel<Type, Source>>;

/** A dashboard as it is in its file, without panels except for the titles of rows. */
export type BoardJson = Json<Board>;

/**
 * The type of a T after `JSON.stringify` and `JSON.parse`: enums become their values, and functions are
 * missing.
 */
type Json<T> = 0 extends 1 & T
  ? T // any
  : T extends string
    ? `${T}`
    : T extends number
      ? `${T}` extends `${infer Value extends number}`
        ? Value
        : never
      : T extends object
        ? { [Key in keyof T as NonNullable<T[Key]> extends () => void ? never : Key]: Json<T[Key]> }
        : T;
