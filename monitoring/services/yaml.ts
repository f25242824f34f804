import { stringify } from "yaml";

const SOURCE = "# Rendered from the sources in monitoring/. Change those, not this file.\n";

/**
 * A configuration file as YAML without aliases and folded lines, so that people can read it and search in it.
 */
export function yaml(content: object): string {
  return SOURCE + stringify(content, { aliasDuplicateObjects: false, lineWidth: 0 });
}
