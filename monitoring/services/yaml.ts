import { stringify } from "yaml";

const SOURCE = "# Rendered: npm run render. Change monitoring/*.ts instead.\n";

/**
 * A configuration file as YAML without aliases and folded lines, so that people can read it and search in it.
 */
export function yaml(content: object): string {
  return SOURCE + stringify(content, { aliasDuplicateObjects: false, lineWidth: 0 });
}
