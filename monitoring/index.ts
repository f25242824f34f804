export { monitoringFiles } from "./files.ts";
