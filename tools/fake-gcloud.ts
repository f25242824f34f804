import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

// For the tests of bootstrap.sh: a gcloud with a project in the file $FAKE_STATE. It notes every command that changes something in
// $FAKE_LOG, and fails where a command matches $FAKE_FAILS, the first $FAKE_FAILURES times (default: always).

/** What the fake project holds; all of it by `KIND NAME`, as in the command. */
interface State {
  /** With the values of the flags they were made with. */
  things: Record<string, Record<string, string>>;
  /** "ROLE,MEMBER,TITLE", as the script asks for it. */
  bindings: Record<string, string[]>;
  failures: number;
}

const NUMBER = "123456789012";
const { FAKE_STATE: file = "", FAKE_LOG: log = "", FAKE_FAILS: fails, FAKE_FAILURES: failures } = process.env;
const state: State = existsSync(file)
  ? JSON.parse(readFileSync(file, "utf8"))
  : { things: { "projects my-project": {}, "projects staging-project": {} }, bindings: {}, failures: 0 };

const args = process.argv.slice(2);
const words = args.filter((arg) => !arg.startsWith("--"));
const flags = Object.fromEntries(
  args
    .filter((arg) => arg.startsWith("--"))
    .map((arg) => [arg.slice(2).split("=")[0] ?? "", arg.split("=").slice(1).join("=")]),
);
const VERB =
  /^(describe|list|enable|create|create-oidc|update|update-oidc|undelete|get-iam-policy|add-iam-policy-binding)$/;
const at = words.findIndex((word) => VERB.test(word));
const [verb, ...names] = words.slice(at);
const thing = [...words.slice(0, at), ...names].join(" ");
const command = args.join(" ");

process.exitCode = answer();
writeFileSync(file, JSON.stringify(state));

function answer(): number {
  if (
    fails &&
    new RegExp(fails).test(command) &&
    state.failures < Number(failures ?? Number.POSITIVE_INFINITY)
  ) {
    state.failures += 1;
    return problem("PERMISSION_DENIED");
  }
  if (verb !== "describe" && verb !== "list" && verb !== "get-iam-policy")
    appendFileSync(log, `${command}\n`);
  const known = state.things[thing];
  switch (verb) {
    case "list":
      return print(
        Object.keys(state.things)
          .filter((one) => one.startsWith("services "))
          .map((one) => one.slice(9)),
      );
    case "enable":
      for (const api of names) state.things[`services ${api}`] = {};
      return 0;
    case "describe":
      return known ? print([valueOf(known)]) : problem("NOT_FOUND");
    case "create":
    case "create-oidc":
      if (known) return problem("ALREADY_EXISTS");
      state.things[thing] = { state: "ACTIVE", ...flags };
      return 0;
    case "update":
    case "update-oidc":
    case "undelete":
      if (!known) return problem("NOT_FOUND");
      Object.assign(known, { state: "ACTIVE" }, flags);
      return 0;
    case "get-iam-policy":
      return print(state.bindings[thing] ?? []);
    case "add-iam-policy-binding":
      if (!known) return problem("NOT_FOUND");
      state.bindings[thing] = [
        ...(state.bindings[thing] ?? []),
        [flags.role, flags.member, title()].join(","),
      ];
      return 0;
    default:
      return problem(`no such command: ${command}`);
  }
}

/** What `--format=value(…)` asks for. */
function valueOf(known: Record<string, string>): string {
  switch (flags.format) {
    case "value(projectNumber)":
      return NUMBER;
    case "value(versioning_enabled)":
      return "versioning" in known ? "True" : "";
    case "value(state)":
      return known.state ?? "";
    case "value(attributeCondition)":
      return known["attribute-condition"] ?? "";
    default:
      return "";
  }
}

function title(): string {
  const condition = flags["condition-from-file"];
  if (condition === undefined) return "";
  return readFileSync(condition, "utf8").match(/^title: (.*)$/m)?.[1] ?? "";
}

function print(lines: string[]): number {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}

function problem(what: string): number {
  process.stderr.write(`ERROR: (gcloud.${words.slice(0, at + 1).join(".")}) ${what}\n`);
  return 1;
}
