import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { PORTS } from "../ports.ts";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";

/** A backend that publishes to the stack's own NATS servers. */
export interface NatsPublisher {
  /** Subjects that it may publish to, for example `odin.token.*.trade`. */
  subjects: string[];
  /**
   * Numbers of its logins that NATS accepts, at least one. The publisher's secret has the last one. Another
   * number is another password.
   */
  logins: number[];
  /** IAM members that may read its secret besides `reader`. */
  readers: string[];
  /** True: the secret has the public address of the servers. */
  outside: boolean;
}

/** The publisher that exists when nobody names others, and whose first login every version of a stack has. */
export const DEFAULT_PUBLISHER = "publisher";

/** Arguments of {@link NatsPublishers}. */
export interface NatsPublishersArgs {
  site: Site;
  /** Publishers by name: lower-case letters, digits and dashes, not ending with a dash and a number. */
  publishers: Record<string, NatsPublisher>;
  /** IAM member that may read every publisher's secret. */
  reader: pulumi.Input<string>;
  /** IAM member of the NATS VMs. */
  servers: pulumi.Input<string>;
  /** Internal addresses of the servers. */
  addresses: pulumi.Input<string>[];
  /** Public address of the servers. Needed for a publisher that is outside. */
  publicAddress?: pulumi.Input<string> | undefined;
  /** CA certificate of the servers, as PEM. */
  ca: pulumi.Input<string>;
  /** Password of the first login of {@link DEFAULT_PUBLISHER}. */
  defaultPassword: pulumi.Input<string>;
}

/**
 * Logins of backends: NATS accepts several logins of a publisher at the same time, so a publisher changes its
 * password without a cut. The secret `nats-publishers` lists all logins for the servers, and each publisher
 * has a secret `publisher-NAME` with its NATS_URL.
 */
export class NatsPublishers extends pulumi.ComponentResource {
  /**
   * Version of the secret for the servers. Each line is `USER PASSWORD SUBJECT…`, separated by spaces; the
   * start-up script writes the servers' configuration from it.
   */
  readonly logins: pulumi.Output<string>;
  /** Secrets with the NATS_URL of each publisher, by its name: `projects/P/secrets/S`. */
  readonly secrets: Record<string, pulumi.Output<string>>;
  /** Secret with the CA certificate, for backends that mount it as a file. */
  readonly caSecret: pulumi.Output<string>;

  constructor(name: string, args: NatsPublishersArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:NatsPublishers", name, {}, opts);
    const { site, publishers, reader } = args;
    const all = Object.entries(publishers).map(([publisher, spec]) => ({
      publisher,
      ...spec,
      users: spec.logins.map((login) => this.#user(name, publisher, login, args)),
    }));
    const lines = all.flatMap(({ users, subjects }) =>
      users.map(({ user, password }) => pulumi.interpolate`${user} ${password} ${subjects.join(" ")}\n`),
    );
    this.logins = new Secret(
      `${name}-publishers`,
      {
        site,
        value: pulumi.secret(pulumi.all(lines).apply((known) => known.join(""))),
        accessors: { nats: args.servers },
        isRenewable: true,
      },
      { parent: this },
    ).version;
    this.secrets = Object.fromEntries(
      all.map(({ publisher, users, readers, outside }) => {
        const last = users.at(-1);
        const hosts = outside ? [args.publicAddress ?? ""] : args.addresses;
        const { id } = new Secret(
          `publisher-${publisher}`,
          {
            site,
            value: urls(last?.user ?? "", last?.password ?? "", hosts),
            accessors: { publisher: reader, ...byName(readers) },
            isRenewable: true,
          },
          { parent: this },
        );
        return [publisher, id] as const;
      }),
    );
    this.caSecret = new Secret(
      `${name}-ca`,
      {
        site,
        value: args.ca,
        accessors: { publisher: reader, ...byName(all.flatMap(({ readers }) => readers)) },
        isRenewable: true,
      },
      { parent: this },
    ).id;
    this.registerOutputs({ secrets: this.secrets, caSecret: this.caSecret });
  }

  #user(
    name: string,
    publisher: string,
    login: number,
    { defaultPassword }: NatsPublishersArgs,
  ): { user: string; password: pulumi.Output<string> } {
    const user = login === 1 ? publisher : `${publisher}-${login}`;
    if (user === DEFAULT_PUBLISHER) return { user, password: pulumi.secret(defaultPassword) };
    const args = { length: 32, special: false }; // letters and digits only, because a URL has the password
    const { result } = new random.RandomPassword(`${name}-login-${user}`, args, { parent: this });
    return { user, password: pulumi.secret(result) };
  }
}

/** NATS_URL of a user: a URL for each address, separated by commas; secret. */
export function urls(
  user: string,
  password: pulumi.Input<string>,
  addresses: pulumi.Input<string>[],
): pulumi.Output<string> {
  return pulumi.secret(
    pulumi
      .all([password, ...addresses])
      .apply(([secretPart, ...hosts]) =>
        hosts.map((host) => `tls://${user}:${secretPart}@${host}:${PORTS.nats}`).join(","),
      ),
  );
}

/** IAM members by a name that can be part of a logical name. */
function byName(members: string[]): Record<string, string> {
  return Object.fromEntries(
    members.map((member) => [member.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"), member]),
  );
}
