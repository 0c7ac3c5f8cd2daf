/** The admin API's answers as the console reads them (docs/reference/admin-api.md). */
export interface TenantInList {
  readonly tenant: string;
  readonly status: string;
  readonly backends: readonly string[];
  readonly types: Readonly<Record<string, readonly string[]>>;
  readonly quota: Quota;
}

export interface TenantPage {
  readonly tenants: readonly TenantInList[];
  readonly cursor: string | null;
  readonly read_only: readonly string[];
}

export interface Quota {
  readonly bytes: number | null;
  readonly objects: number | null;
}

export interface Outcome {
  readonly decision: "grant" | "refusal";
  readonly code?: string;
  readonly key?: string;
  readonly create_only?: boolean;
}

export interface Decided {
  readonly at: string;
  readonly backend: string;
  readonly name: string | null;
  readonly size: number;
  readonly content_type: string | null;
  readonly subject: string;
}

export interface Decision extends Decided {
  readonly issuer: string;
  readonly scopes: readonly string[];
  readonly checksum: string | null;
  readonly outcome: Outcome;
}

export interface Difference extends Decided {
  readonly was: Outcome;
  readonly would_be: Outcome;
}

export interface DryRun {
  readonly decisions: number;
  readonly differing: readonly Difference[];
}

export interface Version {
  readonly version: number;
  readonly etag: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly document: unknown;
}

export interface History {
  readonly versions: readonly Version[];
  readonly cursor: string | null;
}

export interface Sample {
  readonly at: string;
  readonly bytes: number;
  readonly objects: number;
  readonly reserved_bytes: number;
  readonly reserved_objects: number;
}

export interface UsageHistory {
  readonly since: string;
  readonly until: string;
  readonly step: number;
  readonly samples: readonly Sample[];
}

export interface Usage extends Omit<Sample, "at"> {
  readonly quota: Quota;
  readonly rate: { readonly per_second: number; readonly burst: number; readonly per: string; readonly left: number | null } | null;
}

export interface Key {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly name_prefix: string | null;
  readonly last_used_at: string | null;
}

export interface Evaluation {
  readonly decision: "grant" | "refusal";
  readonly grant?: {
    readonly key: string;
    readonly create_only: boolean;
    readonly url_lifetime: number;
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly problem?: { readonly type: string; readonly title: string; readonly status: number; readonly detail: string };
  readonly policy_version: number;
  readonly rules: readonly { readonly rule: string; readonly outcome: "passed" | "refused" | "not-reached" }[];
}

/** A request to try, as the form of that view holds it. */
export interface Question {
  readonly backend: string;
  readonly name: string;
  readonly size: string;
  readonly content_type: string;
  readonly headers: string;
  readonly claims: string;
}
